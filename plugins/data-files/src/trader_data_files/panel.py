"""Bars of many symbols side by side, and coarser bars made of them. Pure functions over arrays (time, symbol)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from trader.errors import DataError
from trader.model import Array, Bars, Times

from trader_data_files.intervals import Timed


def panel(series: Sequence[Timed], timeframe: str) -> Bars:
    """One row for each interval that any symbol has, NaN where one has none; read-only.

    Raises:
        DataError: two symbols' bars end together but start apart, or overlap in part.
    """
    series = sorted(series, key=lambda one: one.rows.symbol)
    ends, first = np.unique(np.concatenate([one.end for one in series]), return_index=True)
    starts = np.concatenate([one.start for one in series])[first]
    for one in series:
        _check_grid(one, starts[np.searchsorted(ends, one.end)])
    apart = starts[1:] >= ends[:-1]
    if not apart.all():
        row = int(np.argmin(apart))
        raise DataError(
            f"The files' bars overlap: one ends {ends[row]}, and another that ends later starts {starts[row + 1]}.",
            where=series[0].rows.path,
            todo="Keep files of one market and one clock in a folder.",
        )
    shape = (len(ends), len(series))
    columns = {name: np.full(shape, np.nan) for one in series for name in (*one.rows.values, *one.rows.more)}
    for column, one in enumerate(series):
        at = np.searchsorted(ends, one.end)
        for name, values in {**one.rows.more, **one.rows.values}.items():
            columns[name][at, column] = values
    return frozen(tuple(one.rows.symbol for one in series), timeframe, starts, ends, columns)


def _check_grid(one: Timed, starts: Times) -> None:
    apart = one.start != starts
    if apart.any():
        row = int(np.argmax(apart))
        raise DataError(
            f"The bar of '{one.rows.symbol}' that ends {one.end[row]} starts {one.start[row]}; another symbol's bar "
            f"with that end starts {starts[row]}.",
            where=one.rows.path,
            todo="Keep files of one market and one clock in a folder.",
        )


def frozen(symbols: tuple[str, ...], timeframe: str, start: Times, end: Times, columns: Mapping[str, Array]) -> Bars:
    """Bars whose arrays nobody can change."""
    for array in (start, end, *columns.values()):
        array.flags.writeable = False
    prices = (columns["open"], columns["high"], columns["low"], columns["close"], columns["volume"])
    more = {name: values for name, values in columns.items() if name not in {"open", "high", "low", "close", "volume"}}
    return Bars(symbols, timeframe, start, end, *prices, fields=more)


def select(bars: Bars, symbols: Sequence[str], timeframe: str) -> Bars:
    """These columns, in the order asked for, without the rows in which none of them has a bar."""
    asked = tuple(dict.fromkeys(symbols))
    known = tuple(symbol for symbol in asked if symbol in bars.symbols)
    missing = tuple(symbol for symbol in asked if symbol not in bars.symbols)
    columns = [bars.symbols.index(symbol) for symbol in known]
    rows = np.isfinite(bars.close[:, columns]).any(axis=1)

    def cut(table: Array) -> Array:
        return table[rows][:, columns]

    prices = (cut(bars.open), cut(bars.high), cut(bars.low), cut(bars.close), cut(bars.volume))
    more = {name: cut(table) for name, table in bars.fields.items()}
    return Bars(known, timeframe, bars.start[rows], bars.end[rows], *prices, missing, more)


def coarser(bars: Bars, timeframe: str, start: Times, end: Times) -> Bars | None:
    """Bars put together over the intervals `start`, `end` (time,) that each of them lies in; bars of which `start` is
    NaT lie in none. None if a bar reaches over its interval's end: what it knows would be seen too early.

    Open is the first, close the last, volume the sum; other fields have their last value. An interval that the data
    does not reach the end of is not complete and left out.
    """
    inside = ~np.isnat(start)
    if (bars.end[inside] > end[inside]).any() or (bars.start[inside] < start[inside]).any():
        return None
    inside &= end <= bars.end[-1] if len(bars) else inside
    if not inside.any():
        nothing = bars.rows(0, 0)
        return Bars(bars.symbols, timeframe, nothing.start, nothing.end, *(nothing.open,) * 5)
    rows = np.flatnonzero(inside)
    firsts = np.flatnonzero(np.append(True, start[rows][1:] != start[rows][:-1]))
    shape = (len(firsts), len(bars.symbols))
    traded = np.isfinite(bars.close[rows])
    any_traded = np.logical_or.reduceat(traded, firsts)
    index = np.broadcast_to(np.arange(len(rows))[:, None], traded.shape)
    first = np.minimum.reduceat(np.where(traded, index, len(rows) - 1), firsts)
    last = np.maximum.reduceat(np.where(traded, index, 0), firsts)

    def pick(table: Array, at: NDArray[np.intp]) -> Array:
        return np.where(any_traded, np.take_along_axis(table[rows], at, axis=0), np.nan).reshape(shape)

    columns: dict[str, Array] = {
        "open": pick(bars.open, first),
        "high": np.fmax.reduceat(bars.high[rows], firsts),
        "low": np.fmin.reduceat(bars.low[rows], firsts),
        "close": pick(bars.close, last),
        "volume": np.where(any_traded, np.add.reduceat(np.where(traded, bars.volume[rows], 0.0), firsts), np.nan),
    }
    columns |= {name: pick(table, last) for name, table in bars.fields.items()}
    return frozen(bars.symbols, timeframe, start[rows][firsts], end[rows][firsts], columns)


def buckets(bars: Bars, length: int) -> tuple[Times, Times]:
    """For each bar the interval of `length` seconds (at most a day), counted from midnight UTC, in which it starts."""
    step = np.timedelta64(length, "s").astype("timedelta64[ns]")
    day = bars.start.astype("datetime64[D]").astype("datetime64[ns]")
    start = day + (bars.start - day) // step * step
    return start, start + step


def days(wall: Times, opens: int, closes: int) -> tuple[Times, Times]:
    """For each wall time the opening and the close (wall) of the trading day it lies in; NaT outside. Both are minutes
    from the day's midnight, `opens` negative where a session opens the day before."""
    begin, finish = np.timedelta64(opens, "m"), np.timedelta64(closes, "m")
    day: Times = (wall - begin).astype("datetime64[D]").astype("datetime64[ns]")
    first, last = day + begin, day + finish
    nothing = np.datetime64("NaT", "ns")
    return np.where(wall < last, first, nothing), np.where(wall < last, last, nothing)
