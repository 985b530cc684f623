"""What makes a bar one that can be traded on. Pure functions over columns of one symbol."""

from __future__ import annotations

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
    """Faults of times (rows,): each once, oldest first. Of two rows with one time the later row is the bad one."""
    if len(time) == 0:
        return []
    latest = np.maximum.accumulate(time)
    before = np.append(latest[:1] - np.timedelta64(1, "ns"), latest[:-1])

    def fault(bad: Mask, expected: str, todo: str) -> Fault:
        return Fault(bad, column, expected, lambda row: str(time[row])[:19].replace("T", " "), todo)

    again = repeated(time)
    faults = [
        fault(again, "each time once", "Remove the repeated rows"),
        fault((time <= before) & ~again, "a time after the row above", "Sort the file by time, oldest first"),
    ]
    return [found for found in faults if found.bad.any()]


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
