"""A market that wanders, the same for the same seed: 10-second bars that the venue trades on, 1-minute bars of them for
the session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from trader.model import Bars

FINE = 10
"""Seconds of a bar that the venue trades on."""
COARSE = 60
BEFORE = 3_600
"""Seconds of the market's past at the beginning."""
LENGTH = 8 * 3_600
SECOND = np.timedelta64(1, "s")


class Market:
    """`symbols` from `start` on, and an hour before. `volume`: units that a fine bar trades, on average."""

    def __init__(self, symbols: Sequence[str], start: datetime, seed: int, volume: float) -> None:
        self.symbols = tuple(symbols)
        rng = np.random.default_rng([seed, 1])
        count, width = (BEFORE + LENGTH) // FINE, len(self.symbols)
        first = rng.uniform(30, 90, width)
        moves = rng.normal(0, 0.0008, (count, width))
        close = np.round(first * np.exp(np.cumsum(moves, axis=0)), 2)
        opened = np.vstack([close[:1], close[:-1]])
        away = np.abs(rng.normal(0, 0.0005, (2, count, width)))
        high = np.round(np.maximum(opened, close) * (1 + away[0]), 2)
        low = np.round(np.minimum(opened, close) * (1 - away[1]), 2)
        traded = np.ceil(rng.exponential(volume, (count, width)))
        self._zero = start - timedelta(seconds=BEFORE)
        begin = np.datetime64(self._zero.replace(tzinfo=None), "ns")
        starts = begin + np.arange(count) * FINE * SECOND
        self._fine = Bars(self.symbols, f"{FINE}s", starts, starts + FINE * SECOND, opened, high, low, close, traded)
        self._coarse = self._merged(COARSE // FINE)
        self._shown = BEFORE // FINE

    def _merged(self, every: int) -> Bars:
        fine = self._fine

        def groups(values: np.ndarray) -> np.ndarray:
            return values.reshape(-1, every, len(self.symbols))

        return Bars(
            self.symbols, "1m", fine.start[::every], fine.end[every - 1 :: every], fine.open[::every],
            groups(fine.high).max(axis=1), groups(fine.low).min(axis=1), fine.close[every - 1 :: every],
            groups(fine.volume).sum(axis=1),
        )  # fmt: skip

    def fresh(self, now: datetime) -> Bars | None:
        """Fine bars that closed since the last call, for the venue's keeper; None if none did."""
        last = int((now - self._zero).total_seconds()) // FINE
        if last <= self._shown:
            return None
        rows = self._fine.rows(self._shown, last)
        self._shown = last
        return rows

    def minutes(self, symbols: Sequence[str], start: datetime, end: datetime) -> Bars:
        """1-minute bars of these symbols, start < bar's end <= end."""
        first, last = (int((moment - self._zero).total_seconds()) // COARSE for moment in (start, end))
        rows = self._coarse.rows(max(0, first), max(0, last))
        known = [self.symbols.index(symbol) for symbol in symbols if symbol in self.symbols]
        missing = tuple(symbol for symbol in symbols if symbol not in self.symbols)
        if known == list(range(len(self.symbols))) and not missing:
            return rows
        prices = (rows.open, rows.high, rows.low, rows.close, rows.volume)
        opened, high, low, close, volume = (values[:, known] for values in prices)
        names = tuple(self.symbols[column] for column in known)
        return Bars(names, rows.timeframe, rows.start, rows.end, opened, high, low, close, volume, missing)

    def price(self, symbol: str, now: datetime) -> Decimal:
        """The last close."""
        row = int((now - self._zero).total_seconds()) // FINE - 1
        return Decimal(f"{self._fine.close[row, self.symbols.index(symbol)]:.2f}")
