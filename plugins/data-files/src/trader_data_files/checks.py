"""What makes a bar one that can be traded on. Pure functions over columns of one symbol."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import numpy as np
from trader.model import Array, Times

from trader_data_files.faults import Fault, Mask

PRICES = ("open", "high", "low", "close")
SLACK = 1e-9
"""Relative: adjusted prices are products of floats, and a close may lie a last digit above its high."""


def check_values(values: Mapping[str, Array]) -> list[Fault]:
    """Faults of bars `open high low close volume` (rows,): prices finite and above 0, volume finite and at least 0,
    low <= open, close <= high."""

    def fault(bad: Mask, column: str, expected: str) -> Fault:
        return Fault(bad, column, expected, lambda row: number(values[column][row]))

    faults = [
        fault(~((values[name] > 0) & np.isfinite(values[name])), name, "a finite price above 0") for name in PRICES
    ]
    volume = values["volume"]
    faults.append(fault(~((volume >= 0) & np.isfinite(volume)), "volume", "a finite volume of 0 or more"))
    high, low = values["high"] * (1 + SLACK), values["low"] * (1 - SLACK)
    faults.append(fault(high < low, "high", "a high at or above the low"))
    for name in ("open", "close"):
        outside = (values[name] > high) | (values[name] < low)
        faults.append(fault(outside, name, f"the {name} between low and high"))
    return [found for found in faults if found.bad.any()]


def check_order(time: Times, column: str) -> list[Fault]:
    """Faults of times (rows,): each once, oldest first. The bad rows are the fewest without which that is so, later
    ones rather than earlier ones: a single time of the far future is bad, and not the rows below it."""
    bad = out_of_order(time)
    if not bad.any():
        return []
    latest = np.maximum.accumulate(np.where(bad, time.min(), time))
    again, early = bad & repeated(time), bad & (time <= latest)

    def fault(bad: Mask, expected: str, todo: str) -> Fault:
        return Fault(bad, column, expected, lambda row: str(time[row])[:19].replace("T", " "), todo)

    faults = [
        fault(again, "each time once", "Remove the repeated rows"),
        fault(early & ~again, "a time after the row above", "Sort the file by time, oldest first"),
        fault(bad & ~early & ~again, "a time before the row below", "Sort the file by time, oldest first"),
    ]
    return [found for found in faults if found.bad.any()]


def out_of_order(time: Times) -> Mask:
    """(rows,) True for the fewest rows without which the times increase."""
    bad = np.zeros(len(time), np.bool_)
    if (time[1:] > time[:-1]).all():
        return bad
    # The longest increasing row of times, found from the last one on: where two are as long, earlier rows stay.
    ticks = (-time[::-1].astype("datetime64[ns]").astype(np.int64)).tolist()
    least: list[int] = []
    ends: list[int] = []
    before = [-1] * len(ticks)
    for row, tick in enumerate(ticks):
        length = bisect_left(least, tick)
        before[row] = ends[length - 1] if length else -1
        if length == len(least):
            least.append(tick)
            ends.append(row)
        else:
            least[length], ends[length] = tick, row
    bad[:] = True
    row = ends[-1]
    while row >= 0:
        bad[len(ticks) - 1 - row] = False
        row = before[row]
    return bad


def repeated(time: Times) -> Mask:
    """(rows,) True where the time stood in a row above."""
    order = np.argsort(time, kind="stable")
    again = np.zeros(len(time), np.bool_)
    again[order[1:]] = time[order][1:] == time[order][:-1]
    return again


def within(values: Mapping[str, Array]) -> dict[str, Array]:
    """The same bars with high and low widened by the last digits that `SLACK` lets pass."""
    high = np.maximum(values["high"], np.maximum(values["open"], values["close"]))
    low = np.minimum(values["low"], np.minimum(values["open"], values["close"]))
    return {**values, "high": high, "low": low}


def number(value: np.float64) -> str:
    """As a person would write it."""
    return format(float(value), ".12g")
