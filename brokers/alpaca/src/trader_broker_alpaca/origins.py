"""Whose order it is: from the venue's id to the client id it was sent with, also after the venue replaced it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from msgspec import structs
from trader.errors import BadPayload
from trader.model import OrderReport
from trader.wire import Fields

from trader_broker_alpaca import pages, wire

ROOM = 100_000
"""Orders that are remembered."""
FEW = 3
"""So many orders are looked up one by one; more in pages."""
LONGEST_CHAIN = 50
BEFORE = timedelta(days=2)


class Origin(NamedTuple):
    """Where an order comes from."""

    key: str
    symbol: str
    replaces: str | None


class Origins:
    """What is known of the account's orders. An execution names its order only by the venue's id, and a replaced order
    has another one; both belong to the first order's client id."""

    def __init__(self) -> None:
        self._known: dict[str, Origin] = {}
        self._lock = Lock()

    def note(self, payload: Any) -> OrderReport:
        """Remember an order that the venue showed; its report, under its own client id."""
        report = wire.order(payload)
        with self._lock:
            if len(self._known) >= ROOM:
                for old in list(self._known)[: ROOM // 2]:
                    del self._known[old]
            self._known[report.venue_id] = Origin(report.key, report.symbol, wire.predecessor(payload))
        return report

    def report(self, client: Any, payload: Any) -> OrderReport:
        """An order, under the client id of the first one in its chain of replacements; asks for what is not known."""
        report = self.note(payload)
        return structs.replace(report, key=self.first(client, report.venue_id).key)

    def first(self, client: Any, venue_id: str) -> Origin:
        """The first order in the chain that ends with this one."""
        for _ in range(LONGEST_CHAIN):
            origin = self._known.get(venue_id) or self._look_up(client, venue_id)
            if origin.replaces is None:
                return origin
            venue_id = origin.replaces
        raise BadPayload("order", "replaces", f"at most {LONGEST_CHAIN} replacements", venue_id)

    def _look_up(self, client: Any, venue_id: str) -> Origin:
        payload = client.get(f"/orders/{venue_id}", {"nested": "false"})
        self.note(payload)
        if Fields(payload, "order").text("id") != venue_id:
            raise BadPayload("order", "id", f"the order that was asked for, {venue_id}", payload.get("id"))
        return self._known[venue_id]

    def learn(self, client: Any, venue_ids: Iterable[str], since: datetime) -> None:
        """If many of these are not known, read the list of all orders from a little before `since`."""
        if len(set(venue_ids) - self._known.keys()) > FEW:
            for payload in pages.orders(client, "all", since - BEFORE):
                self.note(payload)
