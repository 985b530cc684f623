"""What became of an order, and what was executed: read from the terminal's lists, in the server's time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from trader.errors import BadPayload
from trader.model import CashEvent, Fill, OrderRef, OrderReport, Unknown
from trader.wire import Fields

from trader_broker_mt5 import wire
from trader_broker_mt5.market import Market
from trader_broker_mt5.servertime import ServerTime
from trader_broker_mt5.terminal import Failed

Noun = TypeVar("Noun", Fill, CashEvent)
TOMORROW = timedelta(days=2)
"""How far beyond now the history is asked for: a server's clock may be anywhere."""
NEW_OFFSET = timedelta(days=7)
"""After the offset changed (summer time), deals of before may be stamped by the old one for so long."""


class History:
    """Of one account. `ask` answers about it, or raises `Failed`; `days`: how far back an order is looked for."""

    def __init__(
        self,
        ask: Callable[..., tuple[Any, Any]],
        market: Market,
        time: ServerTime,
        now: Callable[[], datetime],
        days: int,
    ) -> None:
        self._ask, self._market, self._time, self._now, self._days = ask, market, time, now, days
        self._asked: set[object] = set()

    def begin(self) -> None:
        """After open: what was measured before may be of another season."""
        self._asked.clear()

    def find(self, ref: OrderRef, *, urgent: bool = False) -> OrderReport | None:
        """Absent only if every place was looked at and the terminal was connected each time."""
        if ref.venue_id is not None and ref.venue_id.isdecimal():
            for call in ("orders_get", "history_orders_get"):
                found = self._some(call, {"ticket": int(ref.venue_id)}, urgent=urgent, ticket=int(ref.venue_id))
                if found:
                    return self.report(found[0])
        if not ref.key.isdecimal():
            return None
        magic = {"magic": int(ref.key)}
        span = self._span(self._now() - timedelta(days=self._days))
        found = self._some("orders_get", magic, urgent=urgent)
        found = found or self._some("history_orders_get", magic, *span, urgent=urgent)
        if found:  # a stop loss that the server executed has the magic too: ours was first
            return self.report(min(found, key=lambda item: Fields(item, "order").integer("ticket")))
        traces = [Fields(item, "position").integer("identifier") for item in self._some("positions_get", magic)]
        traces += [Fields(item, "deal").integer("order") for item in self._some("history_deals_get", magic, *span)]
        for ticket in sorted(traces):
            found = self._some("history_orders_get", {"ticket": ticket, **magic}, ticket=ticket)
            if found:
                return self.report(found[0])
        if traces:
            raise Failed(Unknown("server", f"order {traces[0]} was executed; the terminal does not show it yet"))
        return None

    def dated(self, since: datetime, mapper: Callable[..., Noun | None], currency: str) -> Sequence[Noun]:
        """What a mapper of deals makes of those since then, oldest first."""
        earliest = since - self._leniency(mapper)
        found = [noun for noun in self._deals(since, mapper, currency) if noun.time >= earliest]
        self._asked.add(mapper)
        return found

    def executions(self, since: datetime) -> Sequence[Fill]:
        """All since then, oldest first, in the order of `dated`; older ones may come along."""
        return self._deals(since, wire.fill, "")

    def _deals(self, since: datetime, mapper: Callable[..., Noun | None], currency: str) -> list[Noun]:
        payload, _ = self._ask("history_deals_get", *self._span(since))
        found: list[tuple[datetime, int, Noun]] = []
        for item in items(payload, "deals"):
            fields = Fields(item, "deal")
            symbol = self._market.symbol(fields.text("symbol", ""))
            noun = mapper(item, symbol or None, self._time.utc, currency)
            if noun is not None:
                found.append((noun.time, fields.integer("ticket"), noun))
        return [noun for *_, noun in sorted(found, key=lambda row: row[:2])]

    def _leniency(self, question: object) -> timedelta:
        """How much older than asked for an answer may be: as much as its stamp may be wrong. A measured offset is
        doubted in the first question after open, and for a week after it changed: older deals may have another."""
        time = self._time
        doubtful = time.changed is not None and self._now() < time.changed + NEW_OFFSET
        return time.overlap if doubtful or not time.sure or question not in self._asked else timedelta()

    def _span(self, since: datetime) -> tuple[int, int]:
        """What to ask the history for, in the server's seconds; wider than any wrong stamp."""
        time = self._time
        try:
            first = int(time.stamp(since - time.overlap - timedelta(hours=1)).timestamp())
        except OverflowError:
            first = 0
        return max(first, 0), int(time.stamp(self._now() + TOMORROW).timestamp())

    def _some(self, call: str, keep: dict[str, int], *args: Any, **more: Any) -> list[Any]:
        value, _ = self._ask(call, *args, keep=keep, **more)
        return items(value, call)

    def report(self, payload: Any) -> OrderReport:
        """One order."""
        symbol = self._market.symbol(Fields(payload, "order").text("symbol"))
        return wire.order(payload, symbol, self._time.utc)


def items(payload: Any, where: str) -> list[Any]:
    """A list. BadPayload if it is none."""
    if not isinstance(payload, list):
        raise BadPayload(where, "", "a list", payload)
    return payload
