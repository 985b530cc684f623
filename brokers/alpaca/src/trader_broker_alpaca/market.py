"""What Alpaca's market data, its clock and its calendar mean. Part of `wire`."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from trader.errors import BadPayload
from trader.model import Quote
from trader.wire import Fields

NEW_YORK = ZoneInfo("America/New_York")


class Moment(NamedTuple):
    """Alpaca's clock: what time it is there, and when the stock market opens and closes next (UTC)."""

    time: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


class Day(NamedTuple):
    """A day of the stock market: its regular session (UTC)."""

    opens: datetime
    closes: datetime


class Bar(NamedTuple):
    """One bar. `start` is UTC; volume in shares or coins."""

    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


def bar(payload: object) -> Bar:
    """A bar of the historical data, or of the stream."""
    fields = Fields(payload, "bar")
    opened, high, low, close = (fields.real(name) for name in ("o", "h", "l", "c"))
    if not 0 < low <= high or min(opened, close) <= 0:  # by the tape's rules an open may lie outside of high and low
        raise BadPayload("bar", "", "prices above 0, and low <= high", (opened, high, low, close))
    volume = fields.real("v", 0.0)
    if volume < 0:
        raise BadPayload("bar", "v", "a volume of 0 or more", volume)
    return Bar(fields.iso("t"), opened, high, low, close, volume)


def quote(payload: object, symbol: str) -> Quote | None:
    """Best bid and ask; None where one side is empty, which Alpaca writes as 0."""
    fields = Fields(payload, "quote")
    bid, ask = fields.real("bp", 0.0), fields.real("ap", 0.0)
    if bid <= 0 or ask <= 0:
        return None
    return Quote(symbol, fields.iso("t"), bid, ask, fields.real("bs", float("nan")), fields.real("as", float("nan")))


def clock(payload: object) -> Moment:
    """GET /clock."""
    fields = Fields(payload, "clock")
    moments = (fields.iso(name) for name in ("timestamp", "next_open", "next_close"))
    now, opens, closes = moments
    return Moment(now, fields.flag("is_open"), opens, closes)


def day(payload: object) -> Day:
    """One entry of GET /calendar; its times are New York's."""
    fields = Fields(payload, "calendar")
    date = fields.text("date")
    return Day(at(fields, date, fields.text("open")), at(fields, date, fields.text("close")))


def at(fields: Fields, day: str, clock: str) -> datetime:
    """New York's date and time, as Alpaca writes them, in UTC."""
    try:
        local = datetime.combine(datetime.fromisoformat(day).date(), time.fromisoformat(clock), NEW_YORK)
        return local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadPayload(fields.where, "date", "a date and a time of New York", f"{day} {clock}"[:80]) from error
