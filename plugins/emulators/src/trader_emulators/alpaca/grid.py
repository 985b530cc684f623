"""Bars as Alpaca cuts them: a stock's day begins at midnight in New York, a coin's in Chicago."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from trader_emulators.alpaca.assets import Asset
from trader_emulators.alpaca.text import NEW_YORK
from trader_emulators.market import Candles, Market

CHICAGO = ZoneInfo("America/Chicago")
SIZES = {
    "1Min": "1m", "5Min": "5m", "15Min": "15m", "30Min": "30m", "1Hour": "1h", "4Hour": "4h", "1Day": "1d",
    "60Min": "1h", "1T": "1m", "5T": "5m", "15T": "15m", "30T": "30m", "1H": "1h", "4H": "4h", "1D": "1d",
}  # fmt: skip
CHUNK = 1_000


class Bar(NamedTuple):
    """One bar."""

    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


def bars(
    market: Market,
    asset: Asset,
    frame: str,
    start: datetime,
    end: datetime,
    now: datetime,
    *,
    newest_first: bool = False,
) -> Iterator[Bar]:
    """Those that begin at `start` or later and at `end` or before; none for a time without a trade. A minute is shown
    when it is over, longer ones while they run."""
    size = SIZES[frame]
    if size == "1d":
        days = _days(market, asset, start, end, now)
        return iter(reversed(days) if newest_first else days)
    last = min(end, now - timedelta(minutes=1)) if size == "1m" else end
    stop = last + timedelta(microseconds=1)
    return _rows(market.candles(asset.symbol, size, start, stop, now=now), newest_first=newest_first)


def latest(market: Market, asset: Asset, frame: str, now: datetime, count: int) -> list[Bar]:
    """The newest bars, newest first; older ones are looked for only where there was no trade of late."""
    found: list[Bar] = []
    for days in (count + 2, 3_650):
        found = list(islice(bars(market, asset, frame, now - timedelta(days=days), now, now, newest_first=True), count))
        if len(found) == count:
            break
    return found


def _rows(candles: Candles, *, newest_first: bool = False) -> Iterator[Bar]:
    """Made as they are asked for: a page is a small part of a year of minutes."""
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    kept = np.flatnonzero(candles.volume > 0)
    if newest_first:
        kept = kept[::-1]
    for first in range(0, len(kept), CHUNK):
        part = kept[first : first + CHUNK]
        starts = candles.start[part].astype("datetime64[us]").tolist()
        for start, *row in zip(starts, *(np.round(column[part], 4).tolist() for column in columns), strict=True):
            yield Bar(start.replace(tzinfo=UTC), *row)


def _days(market: Market, asset: Asset, start: datetime, end: datetime, now: datetime) -> list[Bar]:
    zone = CHICAGO if asset.crypto else NEW_YORK
    days: dict[datetime, Bar] = {}
    hours = market.candles(asset.symbol, "1h", start - timedelta(days=1), end + timedelta(days=1, hours=1), now=now)
    for hour in _rows(hours):
        local = hour.start.astimezone(zone)
        day = local.replace(hour=0, minute=0).astimezone(UTC)
        if start <= day <= end:
            bar = days.get(day)
            days[day] = hour._replace(start=day) if bar is None else _joined(bar, hour)
    return list(days.values())


def _joined(bar: Bar, later: Bar) -> Bar:
    high, low = max(bar.high, later.high), min(bar.low, later.low)
    return bar._replace(high=high, low=low, close=later.close, volume=bar.volume + later.volume)
