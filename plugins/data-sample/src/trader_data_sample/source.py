"""The data source: every bar is read, adjusted and laid out when it is opened; `bars` only cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from trader.errors import DataError
from trader.model import Array, Bars, Times, Unavailable

from trader_data_sample.adjust import Daily, adjust, to_cents
from trader_data_sample.raw import SYMBOLS, Raw, read

TIMEFRAME = "1d"
NEW_YORK = ZoneInfo("America/New_York")
OPENS, CLOSES = np.timedelta64(9 * 60 + 30, "m"), np.timedelta64(16 * 60, "m")
"""The regular session, since New York's midnight."""
EARLIEST, LATEST = datetime(1700, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""What is asked for is clipped to this: datetime64[ns] cannot say more."""


class SampleSource:
    """Daily bars of five real symbols, each from its listing on; recorded, so its clock drives market time."""

    def __init__(self, start: date | None = None, end: date | None = None) -> None:
        """`start` and `end`: first and last trading day to have."""
        self._start, self._end = start, end
        self._all: Bars | None = None

    def open(self) -> Unavailable | None:
        """Read and adjust. Raises DataError if no trading day lies between start and end."""
        cut = {symbol: between(raw, self._start, self._end) for symbol, raw in read().items()}
        bars = {symbol: to_cents(adjust(*raw)) for symbol, raw in cut.items() if len(raw[1])}
        if not bars:
            raise DataError(
                f"There is no trading day from {self._start} to {self._end} in the sample.",
                where="[data_sources.sample]",
                todo="It has 2000-03-01 to 2013-03-01: set start and end within, or remove them.",
            )
        self._all = panel(bars)
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def symbols(self) -> Sequence[str] | Unavailable:
        """Those with a bar between the first and the last day."""
        return NOT_OPEN if self._all is None else self._all.symbols

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        """Bars with start < their end <= end; a row for each day on which one of the asked symbols has a bar."""
        if timeframe != TIMEFRAME:
            reason = f"The sample has daily bars only: timeframe '{TIMEFRAME}', asked for '{timeframe}'."
            return Unavailable("timeframe", reason)
        if self._all is None:
            return NOT_OPEN
        first, last = np.searchsorted(self._all.end, [moment(start), moment(end)], side="right")
        return select(self._all.rows(int(first), int(last)), symbols)


NOT_OPEN = Unavailable("closed", "The sample was asked before open().")


def between(raw: Raw, start: date | None, end: date | None) -> Raw:
    """The days from start to end, both included. It is cut before it is adjusted, so a later split changes nothing."""
    bars, adjusted_close = raw
    keep = np.ones(len(bars.date), bool)
    if start is not None:
        keep &= bars.date >= np.datetime64(start, "D")
    if end is not None:
        keep &= bars.date <= np.datetime64(end, "D")
    cut = {name: getattr(bars, name)[keep] for name in ("date", "open", "high", "low", "close", "volume")}
    return replace(bars, **cut), adjusted_close[keep]


def panel(bars: dict[str, Daily]) -> Bars:
    """One row for each day that any symbol has, NaN where one has none; arrays (time, symbol), read-only."""
    symbols = tuple(symbol for symbol in SYMBOLS if symbol in bars)
    days = np.sort(np.concatenate([bars[symbol].date for symbol in symbols]))
    days = days[np.append(True, days[1:] != days[:-1])]  # np.unique would import numpy.ma: 90 ms

    def table(name: str) -> Array:
        values: Array = np.full((len(days), len(symbols)), np.nan)
        for column, symbol in enumerate(symbols):
            values[np.searchsorted(days, bars[symbol].date), column] = getattr(bars[symbol], name)
        values.flags.writeable = False
        return values

    starts, ends = session(days)
    starts.flags.writeable = ends.flags.writeable = False
    prices = (table("open"), table("high"), table("low"), table("close"), table("volume"))
    return Bars(symbols, TIMEFRAME, starts, ends, *prices)


def session(days: Times) -> tuple[Times, Times]:
    """When New York's regular session opens and closes on these days, UTC, datetime64[ns].

    The offset is asked once a day, at noon: summer time begins and ends at night, on Sundays.
    """
    noon = (datetime.combine(day, time(12), NEW_YORK) for day in days.tolist())
    offset = np.array([at.utcoffset() for at in noon], "timedelta64[s]")
    midnight = days.astype("datetime64[ns]") - offset
    return midnight + OPENS, midnight + CLOSES


def select(bars: Bars, symbols: Sequence[str]) -> Bars:
    """These columns, in the order asked for, without the rows in which none of them has a bar."""
    asked = tuple(dict.fromkeys(symbols))
    known = tuple(symbol for symbol in asked if symbol in bars.symbols)
    missing = tuple(symbol for symbol in asked if symbol not in bars.symbols)
    if known == bars.symbols:
        return replace(bars, missing=missing)
    columns = [bars.symbols.index(symbol) for symbol in known]
    rows = np.isfinite(bars.close[:, columns]).any(axis=1)

    def cut(table: Array) -> Array:
        return table[rows][:, columns]

    values = (cut(bars.open), cut(bars.high), cut(bars.low), cut(bars.close), cut(bars.volume))
    return Bars(known, bars.timeframe, bars.start[rows], bars.end[rows], *values, missing)


def moment(at: datetime) -> np.datetime64:
    """An aware moment as datetime64[ns] UTC."""
    clipped = min(max(at, EARLIEST), LATEST)
    return np.datetime64(clipped.astimezone(UTC).replace(tzinfo=None), "ns")
