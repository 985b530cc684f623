"""Bars in columns, and the windows of them that plugins see.

A `Panel` holds the closed bars of one time frame: (time, symbol) arrays in which a hole repeats the last close with
volume 0. A `Window` is what a strategy is handed: the last rows of some columns, read-only, ending now. Rows after
the window's end are not reachable through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trader.errors import DataError, UsageError
from trader.model import Array, Bars, Instrument, Quote, Times

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

PRICES = ("open", "high", "low", "close")
LAST_DIGITS = 1e-9
"""Relative: adjusted prices are products of floats, and a high may lie a last digit below its low."""


def instant(time: np.datetime64) -> datetime:
    """datetime64 (UTC) as an aware datetime; finer than a microsecond is cut."""
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def instant64(moment: datetime) -> np.datetime64:
    """An aware datetime as datetime64[ns] (UTC)."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ns")


def check_bars(bars: Bars, source: str) -> None:
    """DataError unless times increase, prices are finite and positive where there is a bar, and shapes agree."""
    _check_times(bars, source)
    for bad, says in _wrong(bars):
        if bad.any():
            row, column = (int(index[0]) for index in np.nonzero(bad))
            raise DataError(says(row, column), where=source)


def sift(bars: Bars, source: str) -> tuple[Bars, NDArray[np.bool_], dict[str, str]]:
    """The same bars without those that nobody can trade on, where these are (time, symbol), and of each symbol that has
    some what is wrong with the last. DataError where times or shapes are wrong, or at one time the bars of more than
    half of the symbols: then nothing that the source says is to be believed."""
    _check_times(bars, source)
    found, wrong = np.zeros(bars.close.shape, bool), dict[str, str]()
    low = ~np.isnan(bars.close) & (bars.high < bars.low * (1 - LAST_DIGITS))
    every = [*_wrong(bars), (low, lambda row, column: f"{_place(bars, row, column)}: the high is below the low.")]
    for bad, says in every:
        for column in np.flatnonzero(bad.any(axis=0)).tolist():
            wrong.setdefault(bars.symbols[column], says(int(np.flatnonzero(bad[:, column])[-1]), column))
        found |= bad
    if not wrong:
        return bars, found, wrong
    if 2 * found.sum(axis=1).max() > np.count_nonzero(~np.isnan(bars.close).all(axis=0)):
        raise DataError(next(iter(wrong.values())), where=source)

    def clean(values: Array) -> Array:
        return np.where(found, np.nan, values)

    good = Bars(
        bars.symbols, bars.timeframe, bars.start, bars.end, clean(bars.open), clean(bars.high), clean(bars.low),
        clean(bars.close), clean(bars.volume), bars.missing, {name: clean(row) for name, row in bars.fields.items()},
    )  # fmt: skip
    return good, found, wrong


def _check_times(bars: Bars, source: str) -> None:
    shape = (len(bars), len(bars.symbols))
    for name in (*PRICES, "volume"):
        values = getattr(bars, name)
        if values.shape != shape:
            raise DataError(f"Expected {name} of shape {shape} (time, symbol), was {values.shape}.", where=source)
    if len(bars) > 1 and not (bars.end[1:] > bars.end[:-1]).all():
        late = int(np.flatnonzero(~(bars.end[1:] > bars.end[:-1]))[0]) + 1
        raise DataError(f"Bars must be in order of time, once each: row {late} ends {bars.end[late]}.", where=source)
    if not (bars.start < bars.end).all():
        raise DataError("A bar must start before it ends.", where=source)
    between = bars.end != bars.end.astype("datetime64[us]")
    if between.any():  # a cycle is named by the end of its bar, to the microsecond: the bar would not be found again
        raise DataError(f"A bar must end at a whole microsecond, one ends {bars.end[between][0]}.", where=source)


def _wrong(bars: Bars) -> Iterator[tuple[NDArray[np.bool_], Callable[[int, int], str]]]:
    """Where (time, symbol) a price or a volume is none, and the words for one of these places."""
    present = ~np.isnan(bars.close)
    for name in (*PRICES, "volume"):
        values = getattr(bars, name)
        least = values >= 0 if name == "volume" else values > 0
        expected = "a volume of 0 or more" if name == "volume" else f"a finite {name} above 0"

        def says(row: int, column: int, values: Array = values, expected: str = expected) -> str:
            return f"{_place(bars, row, column)}: expected {expected}, was {values[row, column]}."

        yield present & ~(least & (values < np.inf)), says


def _place(bars: Bars, row: int, column: int) -> str:
    return f"{bars.symbols[column]} at {bars.end[row]}"


class Panel:
    """Closed bars of one time frame, with room to grow. `first` is the row of each symbol's first real bar (a number
    beyond every row where it has none); `age` counts, (time, symbol), bars since the last real one. `wrong`: where the
    source had a bar that nobody can trade on; it is a hole. `known`: prices that stand where a symbol has no bar so
    far; they are no bars."""

    def __init__(
        self,
        symbols: Sequence[str],
        timeframe: str,
        fields: Iterable[str] = (),
        known: Mapping[str, float] | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        self.timeframe = timeframe
        self.column = {symbol: index for index, symbol in enumerate(self.symbols)}
        self.rows = 0
        self.first = np.full(len(self.symbols), np.iinfo(np.int64).max)
        self._fields = tuple(fields)
        self._known = {self.column[symbol]: price for symbol, price in (known or {}).items()}
        self._allocate(0)

    def _allocate(self, capacity: int) -> None:
        wide = (capacity, len(self.symbols))
        old = self.rows
        for name in ("start", "end"):
            grown: NDArray[Any] = np.empty(capacity, "datetime64[ns]")
            grown[:old] = getattr(self, name)[:old] if old else ()
            setattr(self, name, grown)
        for name in (*PRICES, "volume"):
            grown = np.full(wide, np.nan)
            grown[:old] = getattr(self, name)[:old] if old else grown[:0]
            setattr(self, name, grown)
        ages = np.zeros(wide, np.int64)
        ages[:old] = self.age[:old] if old else ages[:0]
        self.age = ages
        wrong = np.zeros(wide, bool)
        wrong[:old] = self.wrong[:old] if old else wrong[:0]
        self.wrong = wrong
        more = {name: np.full(wide, np.nan) for name in self._fields}
        for name, values in more.items():
            values[:old] = self.fields[name][:old] if old else values[:0]
        self.fields = more

    start: Times
    end: Times
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    age: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    fields: dict[str, Array]

    @classmethod
    def of(
        cls,
        bars: Bars,
        symbols: Sequence[str] | None = None,
        *,
        known: Mapping[str, float] | None = None,
        wrong: NDArray[np.bool_] | None = None,
    ) -> Panel:
        """A panel of these bars (checked before), columns in the order of `symbols`."""
        panel = cls(symbols or bars.symbols, bars.timeframe, bars.fields, known)
        panel.append(bars, wrong)
        return panel

    def append(self, bars: Bars, wrong: NDArray[np.bool_] | None = None) -> int:
        """Add the rows that are newer than the last one; how many that were. What is missing is carried."""
        fresh = np.flatnonzero(bars.end > self.end[self.rows - 1]) if self.rows else np.arange(len(bars))
        if len(fresh) == 0:
            return 0
        first, count = int(fresh[0]), len(fresh)
        if self.rows + count > len(self.end):
            self._allocate(max(self.rows + count, 2 * len(self.end) if self.rows else 0))
        here = slice(self.rows, self.rows + count)
        self.start[here], self.end[here] = bars.start[first:], bars.end[first:]
        known = [symbol for symbol in bars.symbols if symbol in self.column]
        to = [self.column[symbol] for symbol in known]
        took = [bars.symbols.index(symbol) for symbol in known]
        for name in (*PRICES, "volume"):
            getattr(self, name)[here, to] = getattr(bars, name)[first:, took]
        for name in self._fields:
            if name in bars.fields:
                self.fields[name][here, to] = bars.fields[name][first:, took]
        if wrong is not None:
            self.wrong[here, to] = wrong[first:, took]
        self.rows += count
        self._carry(here)
        return count

    def fill(self, bars: Bars) -> list[tuple[int, str]]:
        """Take the bars that came late for holes of rows that are there, and carry them on; (row, symbol) of each.
        A real bar is never replaced."""
        rows = np.searchsorted(self.end[: self.rows], bars.end)
        filled: list[tuple[int, str]] = []
        for at in np.flatnonzero(rows < self.rows).tolist():
            row = int(rows[at])
            if self.end[row] != bars.end[at] or self.start[row] != bars.start[at]:
                continue
            for took, symbol in enumerate(bars.symbols):
                column = self.column.get(symbol)
                if column is None or np.isnan(bars.close[at, took]):
                    continue
                if self.age[row, column] > 0 or self.first[column] > row:
                    self._take(row, column, bars, at, took)
                    filled.append((row, symbol))
        return filled

    def _take(self, row: int, column: int, bars: Bars, at: int, took: int) -> None:
        for name in (*PRICES, "volume"):
            getattr(self, name)[row, column] = getattr(bars, name)[at, took]
        for name in self._fields:
            if name in bars.fields:
                self.fields[name][row, column] = bars.fields[name][at, took]
        real = (self.age[row + 1 : self.rows, column] == 0) & (self.first[column] <= np.arange(row + 1, self.rows))
        end = row + 1 + (int(real.argmax()) if real.any() else len(real))
        for name in PRICES:
            getattr(self, name)[row + 1 : end, column] = bars.close[at, took]
        self.volume[row + 1 : end, column] = 0.0
        self.age[row:end, column] = np.arange(end - row)
        self.wrong[row, column] = False
        self.first[column] = min(int(self.first[column]), row)

    def _carry(self, here: slice) -> None:
        """Fill holes of these rows from the last real bar, count their age, and find new listings."""
        close = self.close[here]
        real = ~np.isnan(close)
        rows = np.arange(here.start, here.stop)[:, None]
        before = self.age[here.start - 1] if here.start else np.zeros(len(self.symbols), np.int64)
        seen = np.where(self.first < here.start, here.start - 1 - before, -1)
        last = np.maximum.accumulate(np.vstack([seen[None, :], np.where(real, rows, -1)]))[1:]
        self.age[here] = np.where(last >= 0, rows - last, 0)
        self.first = np.minimum(self.first, np.where(real.any(0), here.start + real.argmax(0), np.iinfo(np.int64).max))
        holes = ~real & (last >= 0)
        if holes.any():
            row, column = np.nonzero(holes)
            carried = self.close[last[row, column], column]
            for name in PRICES:
                getattr(self, name)[row + here.start, column] = carried
            self.volume[row + here.start, column] = 0.0
        for known, price in self._known.items():
            blank = np.flatnonzero(np.isnan(self.close[here, known])) + here.start
            for name in PRICES:
                getattr(self, name)[blank, known] = price
            self.volume[blank, known] = 0.0

    def bars(self, row: int) -> Bars:
        """One row as Bars: NaN where the symbol has no real bar in it."""
        cut = slice(row, row + 1)
        real = (self.age[cut] == 0) & (self.first <= row)
        whole = bool(real.all())

        def of(values: Array) -> Array:
            return values[cut] if whole else np.where(real, values[cut], np.nan)

        return Bars(
            self.symbols, self.timeframe, self.start[cut], self.end[cut],
            of(self.open), of(self.high), of(self.low), of(self.close), of(self.volume),
        )  # fmt: skip

    def row_at(self, moment: np.datetime64) -> int:
        """The last row closed by `moment`, -1 before the first."""
        return int(np.searchsorted(self.end[: self.rows], moment, "right")) - 1


@dataclass
class Market:
    """What a book knows of its market: bars of its own time frame, of others, the venue's rules, quotes."""

    panel: Panel
    instruments: dict[str, Instrument]
    frames: Mapping[str, tuple[Panel, int]] = field(default_factory=dict)
    """Other time frames that a strategy declared: the panel and how many rows of it are shown."""
    quotes: dict[str, Quote] = field(default_factory=dict)

    def window(
        self, row: int, lookback: int, columns: NDArray[np.intp] | None = None, now: datetime | None = None
    ) -> Window:
        """`lookback` rows that end with `row`; None: all columns."""
        return Window(self, self.panel, row, lookback, columns, now or instant(self.panel.end[row]))


class Window:
    """The `History` that plugins see."""

    __slots__ = ("_columns", "_high", "_kept", "_low", "_market", "_panel", "now", "symbols")

    def __init__(
        self, market: Market, panel: Panel, row: int, lookback: int, columns: NDArray[np.intp] | None, now: datetime
    ) -> None:
        self._market, self._panel, self._columns = market, panel, columns
        self._low, self._high = max(0, row + 1 - lookback), row + 1
        self._kept: dict[str, NDArray[Any]] = {}
        self.now = now
        self.symbols = panel.symbols if columns is None else tuple(panel.symbols[index] for index in columns.tolist())

    def _cut(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        kept = self._kept.get(name)
        if kept is None:
            kept = values[self._low : self._high]
            kept = kept.view() if self._columns is None else kept[:, self._columns]
            kept.flags.writeable = False
            self._kept[name] = kept
        return kept

    @property
    def timeframe(self) -> str:
        return self._panel.timeframe

    @property
    def time(self) -> Times:
        kept = self._panel.end[self._low : self._high].view()
        kept.flags.writeable = False
        return kept

    @property
    def open(self) -> Array:
        return self._cut("open", self._panel.open)

    @property
    def high(self) -> Array:
        return self._cut("high", self._panel.high)

    @property
    def low(self) -> Array:
        return self._cut("low", self._panel.low)

    @property
    def close(self) -> Array:
        return self._cut("close", self._panel.close)

    @property
    def volume(self) -> Array:
        return self._cut("volume", self._panel.volume)

    @property
    def traded(self) -> NDArray[np.bool_]:
        first = self._panel.first if self._columns is None else self._panel.first[self._columns]
        listed = np.arange(self._low, self._high)[:, None] >= first
        traded: NDArray[np.bool_] = (self._cut("age", self._panel.age) == 0) & listed
        traded.flags.writeable = False
        return traded

    def __len__(self) -> int:
        return self._high - self._low

    def __getitem__(self, name: str) -> Array:
        if name in (*PRICES, "volume"):
            values: Array = getattr(self, name)
            return values
        if name not in self._panel.fields:
            have = ", ".join((*PRICES, "volume", *self._panel.fields))
            raise KeyError(f"there is no field {name!r}; there are: {have}")
        return self._cut("field " + name, self._panel.fields[name])

    def on(self, timeframe: str) -> Window:
        if timeframe == self._panel.timeframe:
            return self
        frame = self._market.frames.get(timeframe)
        if frame is None:
            have = ", ".join(self._market.frames) or "none"
            raise UsageError(
                f"The time frame {timeframe!r} was not declared.",
                where=f"history.on({timeframe!r})",
                todo=f"List it with its rows in the strategy's `timeframes` (declared: {have}).",
            )
        panel, rows = frame
        columns = np.array([panel.column[symbol] for symbol in self.symbols], np.intp)
        return Window(self._market, panel, panel.row_at(instant64(self.now)), rows, columns, self.now)

    def of(self, *symbols: str) -> Window:
        unknown = [symbol for symbol in symbols if symbol not in self._panel.column]
        if unknown:
            raise UsageError(
                f"There are no bars of {', '.join(unknown)}.",
                where=f"history.of({', '.join(map(repr, symbols))})",
                todo="Symbols that are read but not traded stand in the strategy's `references`.",
            )
        columns = np.array([self._panel.column[symbol] for symbol in symbols], np.intp)
        return Window(self._market, self._panel, self._high - 1, len(self), columns, self.now)

    def instrument(self, symbol: str) -> Instrument:
        return self._market.instruments[symbol]

    def to_pandas(self, field: str = "close") -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self[field], index=pd.DatetimeIndex(self.time, tz="UTC"), columns=list(self.symbols))

    def ohlcv(self, symbol: str) -> pd.DataFrame:
        import pandas as pd

        column = self.symbols.index(symbol)
        data = {name: self[name][:, column] for name in (*PRICES, "volume")}
        return pd.DataFrame(data, index=pd.DatetimeIndex(self.time, tz="UTC"))

    def to_polars(self) -> pl.DataFrame:
        import polars as pl

        data: dict[str, Any] = {
            "time": np.repeat(self.time, len(self.symbols)),
            "symbol": list(self.symbols) * len(self),
        }
        data.update({name: self[name].ravel() for name in (*PRICES, "volume")})
        return pl.DataFrame(data)
