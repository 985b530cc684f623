"""The account's orders as Robinhood lists them: pages, newest first, filtered by when they last changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from trader.errors import BadPayload
from trader.model import NotFound, OrderReport, Unavailable
from trader.protocols import Env
from trader.wire import Fields, unavailable

from trader_broker_robinhood import wire
from trader_broker_robinhood.client import Client, Reply
from trader_broker_robinhood.directory import Directory
from trader_broker_robinhood.memory import Memory, Row, Start, telling

ORDERS = f"{wire.API}/orders/"


class OrderBook:
    """Asks for orders of one account; rows of other accounts of the same login are left out.

    Every question asks Robinhood, and every answer is whole or Unavailable; what was read before need not be read
    again (see `memory`).
    """

    def __init__(self, client: Client, env: Env, directory: Directory) -> None:
        self._client, self._env, self._directory = client, env, directory
        self.account = ""
        self._memory = Memory()

    @property
    def ids(self) -> dict[str, str]:
        """ref_id -> id of what was seen or sent: it spares a cancel the search."""
        return self._memory.ids

    def forget(self) -> None:
        """Begin anew: the next question reads all that it needs."""
        self._memory = Memory()

    def since(self, moment: datetime) -> list[Row] | Unavailable:
        """Every order that changed at `moment` or later."""
        memory = self._memory
        shown = self._look(memory, moment)
        if isinstance(shown, Unavailable):
            return shown
        return [row for row in memory.rows.values() if row.report.time >= moment]

    def working(self) -> list[OrderReport] | Unavailable:
        """What works. Each order of that which is not among those that changed is asked for by its id."""
        memory = self._memory
        shown = self._look(memory, None)
        if isinstance(shown, Unavailable):
            return shown
        lost = False
        for known in sorted(row.report.venue_id for row in memory.working()):
            if known in shown:
                continue
            row = self._by_id(known)
            if isinstance(row, Unavailable):
                return row
            if isinstance(row, Row):
                memory.learn(row)
            else:
                memory.forget(known)
                lost = True
        if lost:  # it may have another id now; each turn forgets one, or is the last
            return self.working()
        return [row.report for row in memory.working()]

    def one(self, venue_id: str) -> OrderReport | NotFound | Unavailable:
        """An order by its id."""
        row = self._by_id(venue_id)
        return row.report if isinstance(row, Row) else row

    def by_key(self, key: str, days: int, *, urgent: bool = False) -> OrderReport | NotFound | Unavailable:
        """An order by its ref_id, for which there is no question of its own: where its id is known by that, else among
        those that changed in the last `days`."""
        memory = self._memory
        if key in memory.ids:
            venue_id = memory.ids[key]
            found = self.one(venue_id)
            if not isinstance(found, NotFound):
                return found
            memory.forget(venue_id)
        shown = self._look(memory, self._env.now() - timedelta(days=days), urgent=urgent)
        if isinstance(shown, Unavailable):
            return shown
        reports = [row.report for row in memory.rows.values() if row.report.key == key]
        if reports:
            return max(reports, key=lambda report: report.time)
        return NotFound(f"no order of the last {days} days has the ref_id {key}")

    # ---- reading the list --------------------------------------------------------------------------------------------
    def _look(self, memory: Memory, since: datetime | None, *, urgent: bool = False) -> set[str] | Unavailable:
        """Bring the memory up to date for a question; the ids that Robinhood showed for it."""
        now = self._env.now()
        start = memory.start(since, now)
        shown = self._take(memory, start, urgent=urgent)
        careful = memory.careful(since, now)
        if isinstance(shown, Unavailable) or memory.trusted or start.moment <= careful.moment:
            return shown
        return self._take(memory, careful, urgent=urgent)

    def _take(self, memory: Memory, start: Start, *, urgent: bool) -> set[str] | Unavailable:
        now, before = self._env.now(), memory.rows
        rows = self._read(start.moment, urgent=urgent)
        if isinstance(rows, Unavailable):
            return rows
        trusted = memory.trusted
        memory.take(start, rows, before, now)
        if trusted and not memory.trusted:
            self._doubt("orders changed that were not shown when they did")
        for known in memory.renamed(rows, before):
            row = self._by_id(known)
            if isinstance(row, Unavailable):
                return row
            if isinstance(row, NotFound):
                memory.forget(known)
        if memory.trusted is None:
            self._prove(memory, rows, urgent=urgent)
        return {row.report.venue_id for row in rows}

    def _prove(self, memory: Memory, rows: list[Row], *, urgent: bool) -> None:
        """Ask with a filter whose answer is known. No answer proves nothing: then it is asked again another time."""
        moment = telling(rows)
        if moment is None:
            return
        found = self._read(moment, urgent=urgent)
        if isinstance(found, Unavailable):
            return
        expected = {row.report.venue_id for row in rows if row.changed is not None and row.changed >= moment}
        memory.judge(expected <= {row.report.venue_id for row in found}, self._env.now())
        if not memory.trusted:
            self._doubt("orders that changed since a moment are not listed as such")

    def _doubt(self, reason: str) -> None:
        self._env.log.warning("orders_filter_not_trusted", reason=f"{reason}; all of the last months is read each time")

    def _read(self, moment: datetime, *, urgent: bool = False) -> list[Row] | Unavailable:
        """All pages from then on."""
        query = {"updated_at[gte]": f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"}
        if self.account:
            query["account_numbers"] = self.account
        found: list[Row] = []
        for page in self._client.pages("broker", ORDERS, query, "orders", urgent=urgent):
            rows = page if isinstance(page, Unavailable) else self._rows(page)
            if isinstance(rows, Unavailable):
                return rows
            found += rows
        return found

    def _by_id(self, venue_id: str) -> Row | NotFound | Unavailable:
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
        return row

    def _rows(self, page: list[Any]) -> list[Row] | Unavailable:
        found: list[Row] = []
        for payload in page:
            try:
                if self.foreign(payload, "order"):
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
        fields = Fields(payload, "order")
        return Row(payload, wire.order(payload, symbol), fields.iso("created_at", None), fields.iso("updated_at", None))

    def foreign(self, payload: Any, where: str) -> bool:
        """Whether a row is about another account of the login."""
        account = Fields(payload, where).text("account", None)
        return bool(self.account) and account is not None and wire.id_in(account, f"{where}.account") != self.account
