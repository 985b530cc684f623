"""Adjust prices for splits, and for splits only. Pure functions.

The data says what was paid (raw) and a close that is adjusted for splits and dividends, later ones too. Their ratio is
constant between such events; at a split it jumps by the split's ratio. A dividend moves it by a few per cent, so a jump
of 1.5 or more is a split. Only the jumps count, so what happened after the last bar changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from trader.model import Array, Times

JUMP = 1.5
"""The least change of adjusted / raw close, day to day, that is taken for a split, in either direction."""
SLACK = 0.03
"""A 3:2 split shows as less than 1.5 if the adjusted close is rounded or a dividend of up to 3 % falls on its day."""
RATIOS = np.array([3 / 2, 5 / 3, 2, 5 / 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100])
"""Ratios of splits that companies make: new shares for one old share; their inverses are reverse splits."""


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """Daily bars of one symbol, oldest first; every array has shape (days,). Prices in its currency, volume in shares.

    `date` is datetime64[D], the trading day at the exchange.
    """

    date: Times
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array


def split_ratios(close: Array, adjusted_close: Array) -> Array:
    """New shares for one old share on each day, shape (days,): 2.0 on the day of a 2:1 split, 1.0 on days without."""
    known = adjusted_close / close
    jump = np.ones_like(close)
    jump[1:] = known[1:] / known[:-1]
    is_split = np.maximum(jump, 1 / jump) >= JUMP * (1 - SLACK)
    return np.where(is_split, snap(jump), 1.0)


def snap(jump: Array) -> Array:
    """The nearest ratio of a split (nearest as a factor); a dividend on the same day blurs the jump by its yield."""
    size = np.abs(np.log(jump))
    nearest: Array = RATIOS[np.argmin(np.abs(size[..., None] - np.log(RATIOS)), axis=-1)]
    return np.where(jump >= 1, nearest, 1 / nearest)


def adjust(raw: Daily, adjusted_close: Array) -> Daily:
    """Prices before a split divided by its ratio, volumes multiplied by it; the last day's prices are the raw ones."""
    ratios = split_ratios(raw.close, adjusted_close)
    later = np.ones_like(ratios)
    later[:-1] = np.cumprod(ratios[:0:-1])[::-1]
    return Daily(raw.date, raw.open / later, raw.high / later, raw.low / later, raw.close / later, raw.volume * later)


def to_cents(bars: Daily) -> Daily:
    """Prices one can trade at, at least one cent, and whole shares. Rounding keeps low <= open, close <= high."""
    cents = {name: np.maximum(np.round(getattr(bars, name), 2), 0.01) for name in ("open", "high", "low", "close")}
    return replace(bars, volume=np.round(bars.volume), **cents)
