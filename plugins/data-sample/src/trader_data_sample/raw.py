"""Read the prices that the package bokeh_sampledata carries, without importing it where that is possible.

Its public way, `bokeh_sampledata.stocks`, costs an import of 100 ms; the file it reads is read here in a fraction.
A version that keeps the prices elsewhere is asked in the public way.
"""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from trader.errors import DataError
from trader.model import Array, Times

from trader_data_sample.adjust import Daily

SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT", "FB")
HEADER = "Ticker,Date,Open,High,Low,Close,Volume,Adj Close"
PACKAGE = "bokeh_sampledata"
Raw = tuple[Daily, Array]
"""Bars as traded, and the close adjusted for splits and dividends, shape (days,)."""


def read() -> dict[str, Raw]:
    """Every symbol's raw bars. Raises DataError if the package with the prices is missing or says something else."""
    file = stocks_file()
    if file is not None:
        text = gzip.decompress(file.read_bytes()).decode()
        if text.startswith(HEADER):
            return from_text(text)
    return from_package()


def stocks_file() -> Path | None:
    """Where the package keeps its prices; None if it does not keep them there."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise DataError(
            f"The sample's prices come from the Python package {PACKAGE}, which is not installed here.",
            where="data source 'sample'",
            todo="Install trader-data-sample again, with its dependencies.",
        )
    file = Path(spec.origin).parent / "_data" / "stocks.csv.gz"
    return file if file.is_file() else None


def from_text(text: str) -> dict[str, Raw]:
    """The file's rows by symbol."""
    cells = text.removeprefix(HEADER).strip().replace("\n", ",").split(",")
    width = HEADER.count(",") + 1
    of, dates = np.array(cells[0::width]), np.array(cells[1::width], "datetime64[D]")
    values = np.array([list(map(float, cells[column::width])) for column in range(2, width)])
    return {symbol: _raw(dates[of == symbol], values[:, of == symbol]) for symbol in SYMBOLS}


def from_package() -> dict[str, Raw]:
    """The same through the package's own reader."""
    from bokeh_sampledata import stocks

    names = ("open", "high", "low", "close", "volume", "adj_close")
    tables = {symbol: getattr(stocks, symbol) for symbol in SYMBOLS}
    return {
        symbol: _raw(np.array(table["date"], "datetime64[D]"), np.array([table[name] for name in names], float))
        for symbol, table in tables.items()
    }


def _raw(dates: Times, values: Array) -> Raw:
    opens, highs, lows, closes, volume, adjusted = values
    return Daily(dates, opens, highs, lows, closes, volume), adjusted
