"""Bars as the venue reads them: one moment at a time, prices in ticks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import numpy as np

from trader.model import Array, Bars
from trader.simulation.book import Listing

NEAR: Final = 1e-6
"""Steps by which a float may miss the whole number that it means."""
INSTANT: Final = timedelta(microseconds=1)


class Layout:
    """Which column of the bars is which listing, and the last closes seen (`closes`, NaN before the first)."""

    __slots__ = ("closes", "listings", "lots", "symbols", "ticks")

    def __init__(self, symbols: tuple[str, ...], listings: list[Listing]) -> None:
        self.symbols, self.listings = symbols, listings
        self.ticks = np.array([listing.tick for listing in listings], dtype=np.float64)
        self.lots = np.array([listing.lot for listing in listings], dtype=np.float64)
        self.closes = np.array([listing.mark for listing in listings], dtype=np.float64)
        for column, listing in enumerate(listings):
            listing.column = column

    def mark(self, listing: Listing) -> float:
        """The last close seen of a listing, in these columns or not."""
        return float(self.closes[listing.column]) if listing.column >= 0 else listing.mark

    def dissolve(self) -> None:
        """Hand the closes back to the listings."""
        for listing, close in zip(self.listings, self.closes.tolist(), strict=True):
            listing.mark, listing.column = close, -1


class Row:
    """The bars of one moment, in ticks. Lists by column."""

    __slots__ = ("_bars", "_index", "_layout", "close", "day", "end", "high", "last", "low", "open", "room", "start",
                 "trades", "volume")  # fmt: skip

    def __init__(
        self, bars: Bars, index: int, layout: Layout, start: datetime, end: datetime, participation: float
    ) -> None:
        self._bars, self._index, self._layout, self.start, self.end = bars, index, layout, start, end
        self.day = (end - INSTANT).date()
        self.last = bars.timeframe[-1:] in ("d", "D", "w", "W", "M") or end.date() > self.day
        """Whether the session day is over with this bar."""
        opens, volume = bars.open[index], bars.volume[index]
        self.trades: list[bool] = ((opens > 0) & (opens < np.inf) & ~(volume <= 0)).tolist()
        self.open = self._ticks(opens)
        known = np.where(volume > 0, volume, np.inf)
        self.volume: list[float] = known.tolist()
        """Units; infinite where the source does not know."""
        self.room: list[float] = np.where(
            self.trades, np.floor(known * participation / layout.lots + NEAR), 0.0
        ).tolist()
        """Lots that may still trade in this bar; none where it does not trade."""
        self.high: list[float] = []
        self.low: list[float] = []
        self.close: list[float] = []

    def _ticks(self, prices: Array) -> list[float]:
        ticks: list[float] = (prices / self._layout.ticks).tolist()
        return ticks

    def look_inside(self) -> None:
        """Convert high, low and close too: most rows need only their opens."""
        bars, index = self._bars, self._index
        self.high, self.low = self._ticks(bars.high[index]), self._ticks(bars.low[index])
        self.close = self._ticks(bars.close[index])
