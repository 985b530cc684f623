"""What is traded and when: /v2/assets, /v2/clock, /v2/calendar. The emulated market never closes."""

from __future__ import annotations

import importlib
import warnings
from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from trader_emulators.alpaca.assets import asset_of, listed
from trader_emulators.alpaca.desk import guarded
from trader_emulators.alpaca.text import NEW_YORK, Refused, invalid, no
from trader_emulators.http import Answer, Asked, Route

if TYPE_CHECKING:
    from trader_emulators.alpaca.venue import AlpacaEmulator


class Listing:
    """Answers about assets and hours."""

    def __init__(self, emulator: AlpacaEmulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2/assets", "instruments", self.assets),
            Route("GET", "/v2/assets/{symbol:.+}", "instruments", guarded(self.asset)),
            Route("GET", "/v2/clock", "time", self.clock),
            Route("GET", "/v2/calendar", "time", guarded(self.calendar)),
        ]

    def assets(self, asked: Asked) -> Answer:
        wanted = {"asset_class": asked.query.get("asset_class"), "exchange": asked.query.get("exchange")}
        if asked.query.get("status", "active") == "inactive":
            return Answer(200, [])
        rules = self._emulator.instruments_now(sorted(self._emulator.rules))
        return Answer(200, [
            asset.payload(rule)
            for rule in rules
            for asset in [listed(rule.symbol)]
            if wanted["asset_class"] in (None, "", asset.kind) and wanted["exchange"] in (None, "", asset.exchange)
        ])  # fmt: skip

    def asset(self, asked: Asked) -> Answer:
        name = asked.parts["symbol"]
        asset = asset_of(name)
        if asset is None or asset.symbol not in self._emulator.rules:
            raise Refused(no(404, 40410000, f"asset not found for {name}"))
        return Answer(200, asset.payload(self._emulator.instruments_now([asset.symbol])[0]))

    def clock(self, _: Asked) -> Answer:
        now = self._emulator.clock.now().astimezone(NEW_YORK)
        return Answer(200, {
            "timestamp": now.isoformat(), "is_open": True,
            "next_open": _next(now, 9, 30).isoformat(), "next_close": _next(now, 16, 0).isoformat(),
        })  # fmt: skip

    def calendar(self, asked: Asked) -> Answer:
        """The real sessions of the New York Stock Exchange: so a client's calendar can be tried."""
        now = self._emulator.clock.now().date()
        start, end = (_day(asked.query.get(name), usual) for name, usual in (("start", now), ("end", now)))
        exchange = _exchange()
        first, last = max(start, exchange.first_session.date()), min(end, exchange.last_session.date())
        if first > last:
            return Answer(200, [])
        days = []
        for session in exchange.sessions_in_range(f"{first}", f"{last}"):
            opened, closed = (
                moment(session).to_pydatetime().astimezone(NEW_YORK)
                for moment in (exchange.session_open, exchange.session_close)
            )
            days.append({
                "date": f"{session:%Y-%m-%d}", "open": f"{opened:%H:%M}", "close": f"{closed:%H:%M}",
                "session_open": "0400", "session_close": "2000", "settlement_date": f"{session:%Y-%m-%d}",
            })  # fmt: skip
        return Answer(200, days)


@cache
def _exchange() -> Any:
    """Imported late: it is slow. It uses what its own pandas is going to drop, which is not our client's trouble."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("exchange_calendars").get_calendar("XNYS")


def _day(text: str | None, usual: date) -> date:
    if not text:
        return usual
    try:
        return datetime.fromisoformat(text[:10]).date()
    except ValueError:
        raise invalid(f"invalid date: {text}") from None


def _next(now: datetime, hour: int, minute: int) -> datetime:
    """The next weekday's time of day after now."""
    found = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    while found <= now or found.weekday() >= 5:  # Saturday
        found += timedelta(days=1)
    return found
