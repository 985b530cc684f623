"""What is on the account and not this book's: trades and orders by somebody else, orders of ours that had ended.

Nothing is a stranger's while an order of ours that may be its owner is uncertain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from trader.model import Fill, Instrument, OrderRef, OrderReport, OrderState
from trader.orders.blotter import LiveOrder
from trader.orders.conservation import ours
from trader.orders.journal import Booking, fact_key
from trader.orders.lifecycle import TERMINAL
from trader.session import asking
from trader.session.asking import ask
from trader.session.corrections import corrections
from trader.session.lanes import Priority

if TYPE_CHECKING:
    from trader.session.engine import Engine
    from trader.session.report import Report

TAKEN = "taken into the book"


class Strangers:
    """The strangers of one book. `is_news(fill)`: whether the ledger does not have it yet."""

    def __init__(self, engine: Engine, is_news: Callable[[Fill], bool]) -> None:
        self.engine = engine
        self._is_news = is_news
        self.waiting: set[str] = set()
        """Keys (`fact_key`) of trades that nobody can name while an order of their symbol is uncertain."""
        self.foreign: list[OrderReport] = []
        """Orders at the venue that somebody else placed, as last shown."""
        self._ghosts: dict[str, float] = {}
        self._told: set[str] = set()

    async def owner(self, fill: Fill) -> LiveOrder | None:
        """The order of a trade that names no open one: a closed one of ours, or one that the venue can name."""
        engine, blotter = self.engine, self.engine.blotter
        self.waiting.discard(fact_key(fill))
        known = blotter.by_key(fill.key) or (blotter.by_venue_id(fill.venue_id) if fill.venue_id else None)
        if known is not None:
            return known
        stored = engine.journal.find(fill.key, fill.venue_id)
        if stored is not None:
            return blotter.take_up(stored)
        if not blotter.uncertain(fill.symbol):
            return None
        # An order of ours may be there without our knowing its name: the venue is asked whose trade this is.
        ref = OrderRef("", fill.key, fill.symbol, fill.venue_id or None)
        found = await ask(engine.lane, Priority.QUERY, engine.broker.order, ref, fits=asking.is_report)
        if isinstance(found, OrderReport):
            owner = blotter.by_key(found.key)
            if owner is not None or (found.key and engine.policy.id_policy != "none"):
                return owner
        self.waiting.add(fact_key(fill))
        return None

    def trade(self, fill: Fill, rules: Instrument | None, report: Report) -> list[Booking]:
        """A trade by somebody else, as the policy has it. Nothing is foreign while an order of it is uncertain."""
        engine = self.engine
        if fact_key(fill) in self.waiting:
            return []
        policy = engine.policy.external
        what = f"{fill.side} {fill.quantity:f} {fill.symbol} at {fill.price:f} ({fill.execution_id})"
        if rules is None or policy == "ignore":
            booking = engine.ledger.after_foreign(fill, rules or Instrument(fill.symbol))
            outcome = "the book leaves it alone" if rules is not None else "the book does not trade this symbol"
        else:
            booking = engine.ledger.after_fill(fill, None, rules)
            outcome = TAKEN
        if booking is None:
            return corrections(engine, fill, rules or Instrument(fill.symbol), report, apart=outcome != TAKEN)
        report.alarm("external_trade", f"Somebody else traded on this account: {what}; {outcome}")
        if policy == "halt":
            engine.block_book("halt", f"somebody else traded on the account: {what}")
        return [booking]

    def look(self, shown: Sequence[OrderReport], report: Report, at: datetime) -> None:
        """Orders at the venue that are not open here: ours of old, or somebody else's."""
        engine, self.foreign = self.engine, []
        for one in shown:
            if engine.blotter.by_key(one.key) or (one.venue_id and engine.blotter.by_venue_id(one.venue_id)):
                continue
            stored = engine.journal.find(one.key, one.venue_id)
            if stored is not None:
                self._ghost(stored.request.client_id, one, report, at)
            elif ours(one.key) and not engine.journal.sent_by_another(one.key):
                engine.panic(f"an order of ours works at the venue and has no row: {one.key} of {one.symbol}")
            elif not (engine.policy.id_policy == "none" and engine.blotter.uncertain(one.symbol)):
                self.foreign.append(one)
                self._stranger(one, report, at)
        shown_now = {one.venue_id for one in shown}
        self._ghosts = {venue_id: since for venue_id, since in self._ghosts.items() if venue_id in shown_now}

    def _ghost(self, client_id: str, one: OrderReport, report: Report, at: datetime) -> None:
        """An order that ended here works there. For a moment that is the venue's lag; after it, it is cancelled."""
        engine, now = self.engine, self.engine.clock.monotonic()
        if one.state in TERMINAL or now - self._ghosts.setdefault(one.venue_id, now) < engine.policy.horizon_seconds:
            return
        engine.unwanted.append(OrderRef(client_id, one.key, one.symbol, one.venue_id))
        if one.venue_id not in self._told:
            self._told.add(one.venue_id)
            text = f"order {client_id} works at the venue, and had ended here"
            engine.journal.odd(client_id, text, at)
            report.alarm("illegal_transition", f"{one.symbol}: {text}; it is being cancelled")
            engine.halt_symbol(one.symbol, text)

    def _stranger(self, one: OrderReport, report: Report, at: datetime) -> None:
        if one.venue_id in self._told:
            return
        self._told.add(one.venue_id)
        what = f"order {one.venue_id}: {one.side} {one.quantity:f} {one.symbol}"
        self.engine.journal.odd(f"external {one.venue_id}", f"somebody else's {what}", at)
        report.alarm("external_order", f"Somebody else has an order on this account: {what}")
        if self.engine.policy.external == "halt":
            self.engine.block_book("halt", f"somebody else has an order on the account: {what}")

    def surprising(self, event: Fill | OrderReport) -> bool:
        """Whether a stream tells of exposure that limits do not count yet: somebody else's, or of an order that had
        ended here. Asked by the gate in its own thread: it only looks."""
        engine = self.engine
        order = engine.blotter.by_key(event.key)
        if order is None and event.venue_id:
            order = engine.blotter.by_venue_id(event.venue_id)
        if order is not None:
            return order.state is OrderState.ABSENT
        mine = ours(event.key)
        if not mine:
            if engine.policy.external == "ignore":
                return False
            if engine.policy.id_policy == "none" and engine.blotter.uncertain(event.symbol):
                return False  # it may well be ours, which counts at its worst
        if isinstance(event, Fill):
            return self._is_news(event)
        return not mine and event.state not in TERMINAL and all(event.venue_id != one.venue_id for one in self.foreign)
