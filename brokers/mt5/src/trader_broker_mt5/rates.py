"""Bars and ticks as the terminal gives them: one list for each column. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from trader.errors import BadPayload
from trader.model import Array, Times, Trade
from trader.wire import Fields

from trader_broker_mt5.wire import Clock, as_is

TIMEFRAMES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 0x4001, "4h": 0x4004, "1d": 0x4018}
"""Ours -> the value of TIMEFRAME_."""
SPANS = {
    "1m": timedelta(minutes=1), "5m": timedelta(minutes=5), "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30), "1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1),
}  # fmt: skip
LATEST = 32_503_680_000
"""The year 3000, in seconds since 1970: beyond it is no bar."""
TRADES = 2
"""COPY_TICKS_TRADE."""


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Bars of one symbol, oldest first; times are UTC, arrays (bars,)."""

    start: Times
    end: Times
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array

    def __len__(self) -> int:
        return len(self.end)

    def within(self, after: datetime, until: datetime) -> Rates:
        """Those that end after `after`, and by `until`."""
        keep = (self.end > moment64(after)) & (self.end <= moment64(until))
        prices = (self.open[keep], self.high[keep], self.low[keep], self.close[keep], self.volume[keep])
        return Rates(self.start[keep], self.end[keep], *prices)


def bars(payload: object, timeframe: str, utc: Clock = as_is) -> Rates:
    """What copy_rates_* answered. Volume is the exchange's where it tells it, else the number of ticks."""
    fields = Fields(payload, "rates")
    stamps = _column(fields, "time")
    if len(stamps) and not ((stamps >= 0).all() and (stamps < LATEST).all() and (np.diff(stamps) > 0).all()):
        raise BadPayload("rates", "time", "increasing seconds since 1970", stamps[:3].tolist())
    prices = [_column(fields, name, len(stamps)) for name in ("open", "high", "low", "close")]
    if not all((price > 0).all() for price in prices):
        raise BadPayload("rates", "open, high, low, close", "prices above 0", "others")
    real = _column(fields, "real_volume", len(stamps)) if "real_volume" in fields else np.zeros(len(stamps))
    volume = real if real.any() else _column(fields, "tick_volume", len(stamps))
    span = SPANS[timeframe].total_seconds()
    opened, high, low, close = prices
    return Rates(_utc(stamps, utc), _utc(stamps + span, utc), opened, high, low, close, volume)


def trades(payload: object, symbol: str, utc: Clock = as_is) -> list[Trade]:
    """What copy_ticks_* answered: those ticks that were trades."""
    fields = Fields(payload, "ticks")
    stamps = _column(fields, "time_msc")
    if not ((stamps >= 0).all() and (stamps < LATEST * 1000.0).all()):
        raise BadPayload("ticks", "time_msc", "milliseconds since 1970", stamps[:3].tolist())
    last = _column(fields, "last", len(stamps))
    size = _column(fields, "volume_real" if "volume_real" in fields else "volume", len(stamps))
    rows = zip(stamps.tolist(), last.tolist(), size.tolist(), strict=True)
    return [
        Trade(symbol, utc(datetime.fromtimestamp(stamp / 1000, UTC)), price, volume)
        for stamp, price, volume in rows
        if price > 0
    ]


def moment64(moment: datetime) -> np.datetime64:
    """As arrays have it."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ns")


def _column(fields: Fields, name: str, length: int | None = None) -> Array:
    values: Any = fields.raw(name)
    good = isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18 for value in values
    )
    if not good or (length is not None and len(values) != length):
        raise BadPayload(fields.where, name, "a list of numbers, one for each row", values)
    return np.array(values, dtype=np.float64)


def _utc(stamps: Array, utc: Clock) -> Times:
    moments = [utc(datetime.fromtimestamp(stamp, UTC)).replace(tzinfo=None) for stamp in stamps.tolist()]
    return np.array(moments, dtype="datetime64[ns]")
