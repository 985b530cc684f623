"""Quotes and bars of Robinhood."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from trader.errors import BadPayload
from trader.model import Quote
from trader.wire import Fields

from trader_broker_robinhood.names import identity

INTERVALS = {"5m": "5minute", "10m": "10minute", "1h": "hour", "1d": "day"}
LENGTHS = {"5m": timedelta(minutes=5), "10m": timedelta(minutes=10), "1h": timedelta(hours=1)}
SPANS = {"week": 4, "month": 25, "3month": 80, "year": 350, "5year": 1_800}
"""Calendar days that each surely covers. ("day" is today's session only: yesterday's last bar would be missing.)"""
ALLOWED = {"5m": ("week",), "10m": ("week",), "1h": ("week", "month", "3month"),
           "1d": ("week", "month", "3month", "year", "5year")}  # fmt: skip
NEW_YORK = ZoneInfo("America/New_York")


def quote(payload: object) -> Quote | None:
    """One row of GET /quotes/; None where it has no bid or no ask."""
    fields = Fields(payload, "quote")
    bid, ask = fields.real("bid_price", 0.0), fields.real("ask_price", 0.0)
    if bid <= 0 or ask <= 0:
        return None
    nan = float("nan")
    sizes = (fields.real("bid_size", nan), fields.real("ask_size", nan))
    return Quote(identity(fields, "symbol"), fields.iso("updated_at"), bid, ask, *sizes)


def ask_price(payload: object) -> Decimal | None:
    """What a share costs now, exactly; None where nobody offers any."""
    ask = Fields(payload, "quote").decimal("ask_price", None)
    return ask if ask is not None and ask > 0 else None


class Bar(NamedTuple):
    """One bar; times are UTC."""

    start: datetime
    end: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


def bar(payload: object, timeframe: str) -> Bar | None:
    """One bar of GET /quotes/historicals/; None: the venue filled it in, nobody traded. A day is New York's regular
    session, 9:30 to 16:00 (also where it ended earlier)."""
    fields = Fields(payload, "bar")
    begins = fields.iso("begins_at")
    if fields.flag("interpolated", False):
        return None
    first, high, low, close = (fields.real(f"{name}_price") for name in ("open", "high", "low", "close"))
    volume = fields.real("volume", 0.0)
    if low <= 0 or volume < 0 or not low <= min(first, close) <= max(first, close) <= high:
        raise BadPayload("bar", "", "prices above 0, low <= open, close <= high", payload)
    if timeframe == "1d":
        opens = datetime(begins.year, begins.month, begins.day, 9, 30, tzinfo=NEW_YORK)
        closes = opens.replace(hour=16, minute=0)
        return Bar(opens.astimezone(UTC), closes.astimezone(UTC), first, high, low, close, volume)
    try:
        return Bar(begins, begins + LENGTHS[timeframe], first, high, low, close, volume)
    except OverflowError:
        raise BadPayload("bar", "begins_at", "a moment of this world", begins) from None


def span(timeframe: str, days: float) -> str:
    """The shortest span with bars of this time frame that goes back so many days, else the longest."""
    return next((name for name in ALLOWED[timeframe] if SPANS[name] >= days), ALLOWED[timeframe][-1])
