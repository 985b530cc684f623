"""The account's orders as Robinhood lists them: pages, newest first, filtered by when they last changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from trader.errors import BadPayload
from trader.model import NotFound, OrderReport, Unavailable
from trader.protocols import Env
from trader.wire import Fields, unavailable

from trader_broker_robinhood import wire
from trader_broker_robinhood.client import Client, Reply
from trader_broker_robinhood.directory import Directory

ORDERS = f"{wire.API}/orders/"
LIVES = timedelta(days=100)
"""Longer than a gtc order may work at Robinhood (90 days)."""
OVERLAP = timedelta(hours=1)
"""Between two looks: for clocks that differ."""


class Row(NamedTuple):
    """One order, as sent and as read."""

    payload: Any
    report: OrderReport


class OrderBook:
    """Asks for orders of one account; rows of other accounts of the same login are left out."""

    def __init__(self, client: Client, env: Env, directory: Directory) -> None:
        self._client, self._env, self._directory = client, env, directory
        self.account = ""
        self._looked: datetime | None = None
        self._working: set[str] = set()
        self.ids: dict[str, str] = {}
        """ref_id -> id of what was seen: it spares a cancel the search."""

    def since(self, moment: datetime) -> list[Row] | Unavailable:
        """Every order that changed at `moment` or later."""
        found: list[Row] = []
        for rows in self._pages(moment):
            if isinstance(rows, Unavailable):
                return rows
            found += rows
        return found

    def working(self) -> list[OrderReport] | Unavailable:
        """What works: the first time all orders of the last 100 days are read, later those that changed since the last
        look, and each that worked then and is not among them by its id."""
        now = self._env.now()
        rows = self.since((self._looked or now - LIVES) - OVERLAP)
        if isinstance(rows, Unavailable):
            return rows
        reports = [row.report for row in rows]
        for missing in sorted(self._working - {report.venue_id for report in reports}):
            report = self.one(missing)
            if isinstance(report, Unavailable):
                return report
            if isinstance(report, OrderReport):
                reports.append(report)
        found = [report for report in reports if report.state not in wire.FINAL]
        self._looked, self._working = now, {report.venue_id for report in found}
        return found

    def one(self, venue_id: str) -> OrderReport | NotFound | Unavailable:
        """An order by its id."""
        reply = self._client.get("broker", f"{ORDERS}{quote(venue_id, safe='')}/")
        if not isinstance(reply, Reply):
            trouble = unavailable(reply)
            return NotFound(trouble.reason) if trouble.kind == "not_found" else trouble
        try:
            row = self._row(reply.payload)
        except BadPayload as error:
            return Unavailable("payload", str(error))
        if isinstance(row, Row) and row.report.venue_id != venue_id:
            return Unavailable("payload", f"asked for order {venue_id}, got {row.report.venue_id}")
        return row.report if isinstance(row, Row) else row

    def by_key(self, key: str, days: int, *, urgent: bool = False) -> OrderReport | NotFound | Unavailable:
        """An order by its ref_id, for which there is no question of its own: where its id is known by that, else orders
        are listed until it is met."""
        if key in self.ids:
            found = self.one(self.ids[key])
            if not isinstance(found, NotFound):
                return found
        for rows in self._pages(self._env.now() - timedelta(days=days), urgent=urgent):
            if isinstance(rows, Unavailable):
                return rows
            for row in rows:
                if row.report.key == key:
                    return row.report
        return NotFound(f"no order of the last {days} days has the ref_id {key}")

    def _pages(self, moment: datetime, *, urgent: bool = False) -> Iterator[list[Row] | Unavailable]:
        query = {"updated_at[gte]": f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"}
        if self.account:
            query["account_numbers"] = self.account
        for page in self._client.pages("broker", ORDERS, query, "orders", urgent=urgent):
            yield page if isinstance(page, Unavailable) else self._rows(page)

    def _rows(self, page: list[Any]) -> list[Row] | Unavailable:
        found: list[Row] = []
        for payload in page:
            try:
                if self._foreign(payload):
                    continue
                row = self._row(payload)
            except BadPayload as error:
                return Unavailable("payload", str(error))
            if isinstance(row, Unavailable):
                return row
            found.append(row)
        return found

    def _row(self, payload: Any) -> Row | Unavailable:
        symbol = self._directory.named(payload, "order")
        if isinstance(symbol, Unavailable):
            return symbol
        row = Row(payload, wire.order(payload, symbol))
        if row.report.key:
            self.ids[row.report.key] = row.report.venue_id
        return row

    def _foreign(self, payload: Any) -> bool:
        account = Fields(payload, "order").text("account", None)
        return bool(self.account) and account is not None and wire.id_in(account, "order.account") != self.account
