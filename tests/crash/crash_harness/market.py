"""Minute bars of a few symbols that wander at random, the same for the same seed; volumes that fill orders in parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from crash_harness.clock import ORIGIN
from trader.model import Bars

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
TIMEFRAME = "1m"
BEFORE = 60
"""Bars that closed before ORIGIN."""
ROWS = 60 * 24 * 60
MINUTE = np.timedelta64(1, "m")


class Market:
    """All bars that there will be."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        shape = (ROWS, len(SYMBOLS))
        close = np.round(50 * np.exp(np.cumsum(rng.normal(0, 0.002, shape), axis=0)), 2)
        self.close = np.maximum(close, 1.0)
        self.open = np.vstack([self.close[:1], self.close[:-1]])
        reach = np.round(np.abs(rng.normal(0, 0.05, shape)), 2)
        self.high = np.maximum(self.open, self.close) + reach
        self.low = np.maximum(np.minimum(self.open, self.close) - reach, 0.5)
        self.volume = rng.integers(100, 3000, shape).astype(float)
        first = np.datetime64(ORIGIN.replace(tzinfo=None), "ns") - BEFORE * MINUTE
        self.start = first + np.arange(ROWS) * MINUTE
        self.end = self.start + MINUTE

    def closed(self, now: datetime) -> int:
        """How many bars have ended by now."""
        return int(np.searchsorted(self.end, np.datetime64(now.replace(tzinfo=None), "ns"), "right"))

    def rows(self, first: int, last: int, symbols: Sequence[str] = SYMBOLS) -> Bars:
        """Bars first..last-1 of these symbols."""
        known = [symbol for symbol in symbols if symbol in SYMBOLS]
        columns = [SYMBOLS.index(symbol) for symbol in known]
        here = slice(first, last)
        open_, high, low, close, volume = (
            each[here][:, columns] for each in (self.open, self.high, self.low, self.close, self.volume)
        )
        missing = tuple(symbol for symbol in symbols if symbol not in SYMBOLS)
        return Bars(tuple(known), TIMEFRAME, self.start[here], self.end[here], open_, high, low, close, volume, missing)

    def bars(self, symbols: Sequence[str], start: datetime, end: datetime) -> Bars:
        """start < a bar's end <= end."""
        return self.rows(self.closed(start), self.closed(end), symbols)
