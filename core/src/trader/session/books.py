"""A book in a running session: its engine, what it tells observers and the log, and what it counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trader.alerts import Alerts
from trader.cycle.decision import Decision, Fault
from trader.cycle.market import instant
from trader.model import ZERO, Account, OrderState, Position, Severity
from trader.orders.blotter import UNCERTAIN
from trader.orders.journal import Move
from trader.orders.ledger import fee_of
from trader.orders.lifecycle import TERMINAL
from trader.plugins import Observers, Provided, describe_fault
from trader.safety.halts import Halts, Unseen
from trader.session.assemble import Assembled
from trader.session.engine import Engine
from trader.session.report import Report
from trader.session.summary import BookSummary, Line

LONG = timedelta(seconds=30)
"""After that an order that nobody can place is told."""


class Book:
    """One book at work, and its tally of this run."""

    def __init__(
        self,
        parts: Assembled,
        engine: Engine,
        brakes: Halts,
        unseen: Unseen,
        *,
        observers: Callable[[], Observers],
        alerts: Alerts,
        log: Any,
    ) -> None:
        self.parts, self.engine, self.brakes, self.unseen = parts, engine, brakes, unseen
        self.met = True
        """Whether journal and venue agreed at the start."""
        self.name = parts.name
        self._observers, self._alerts, self._log = observers, alerts, log.bind(book=parts.name)
        self._told: set[str] = set()
        self._requests = {order.request.client_id: order.request for order in engine.blotter.open()}
        self._members = {made.instance: made for made in parts.members}
        self.cycles = self.orders = self.filled = self.refusals = self.fills = self.faults = 0
        self.fees = self.traded = ZERO
        self.refused_by: Counter[str] = Counter()
        self.curve: list[tuple[datetime, Decimal]] = []
        self.start_equity: Decimal | None = None
        engine.tell = self.tell

    @property
    def next_row(self) -> int:
        return self.engine.next_row

    @property
    def rows(self) -> int:
        return self.engine.market.panel.rows

    def place(self) -> tuple[int, datetime]:
        """The row that was played last, and the moment of what is written between two steps."""
        row = max(min(self.next_row, self.rows) - 1, 0)
        if self.engine.recorded and self.rows:
            return row, instant(self.engine.market.panel.end[row])
        return row, self.engine.clock.now()

    async def step(self, row: int) -> Report:
        """Play one row; the engine tells of it while it goes."""
        return await self.engine.step(row)

    def retell(self) -> None:
        """Fills that were booked in an earlier run, after its last decision: nobody may have heard of them."""
        for fill in self.engine.untold:
            self._observers().notify("on_fill", fill=fill)
        self.engine.untold.clear()

    def tell(self, report: Report) -> None:
        """What is new in a report since the last call: to observers, log, alerts and counters."""
        self._tell_facts(report)
        decision = report.decision
        if decision is not None and report.fresh("decision", 1):
            self.cycles += 1
            self.curve.append((decision.at, self.engine.standing.equity))
            if self.start_equity is None:
                self.start_equity = self.engine.standing.equity
            self._tell_decision(decision)
        for move in report.moves[report.fresh("moves", len(report.moves)) :]:
            self._tell_move(move)
        for order, refusal in report.refused[report.fresh("refused", len(report.refused)) :]:
            self.refusals += 1
            self.refused_by[refusal.rule] += 1
            level = self._log.info if refusal.rule == "dry_run" else self._log.warning
            level("gate_refused", client_id=order.client_id, rule=refusal.rule, reason=refusal.reason)
            self._observers().notify("on_refusal", order=order, refusal=refusal)
        for event, text in report.alarms[report.fresh("alarms", len(report.alarms)) :]:
            self._log.error("alarm", what=event, text=text)
            self._alerts.raise_(Severity.ERROR, event, f"Book '{self.name}': {text}")

    def _tell_facts(self, report: Report) -> None:
        """Fills, positions, money, troubles: to observers, log and counters."""
        observers = self._observers()
        fills = report.fills[report.fresh("fills", len(report.fills)) :]
        for fill in fills:
            self.fills += 1
            self.fees += fee_of(fill, self.engine.ledger.currency)
            self.traded += fill.quantity * fill.price * self.engine.market.instruments[fill.symbol].multiplier
            self._log.info(
                "fill", symbol=fill.symbol, side=fill.side, quantity=fill.quantity, price=fill.price, fee=fill.fee,
                execution_id=fill.execution_id, at=fill.time,
            )  # fmt: skip
            observers.notify("on_fill", fill=fill)
        if observers.wanted("on_position"):
            for symbol in dict.fromkeys(fill.symbol for fill in fills):
                observers.notify("on_position", position=self.engine.position(symbol))
        for event in report.events[report.fresh("events", len(report.events)) :]:
            self._log.info("cash_event", kind=event.kind, amount=event.amount, event_id=event.event_id, at=event.time)
        for trouble in report.unreached[report.fresh("unreached", len(report.unreached)) :]:
            self._log.warning("broker_unavailable", what=trouble)
            self._alerts.raise_(Severity.WARNING, "broker_unavailable", f"Book '{self.name}': {trouble}")

    def heartbeat(self, account: Account, positions: Sequence[Position]) -> None:
        """The broker answered: proof of life."""
        observers = self._observers()
        self._log.info("heartbeat", account=account.account_id, equity=account.equity, positions=len(positions))
        observers.notify("on_heartbeat", at=account.time, account=account)
        if observers.wanted("on_position"):
            for position in positions:
                observers.notify("on_position", position=position)

    def look_at_the_unknown(self) -> None:
        """An order that nobody can place for long is a person's concern, once."""
        if self.engine.recorded:
            return
        now = self.engine.clock.now()
        for order in self.engine.blotter.open():
            client_id, request = order.request.client_id, order.request
            # Since it was decided, not since this process knows it: one that dies every half minute must tell too.
            if order.state in UNCERTAIN and now - request.decided_at > LONG:
                text = (
                    f"Order {client_id} of book '{self.name}' ({request.side} {request.quantity:f} {request.symbol}) "
                    f"may or may not have arrived. It counts at its worst case, and the venue is asked on."
                )
                self._alerts.raise_(Severity.ERROR, "order_unknown", text, same=client_id)

    def _tell_move(self, move: Move) -> None:
        if move.state is OrderState.FILLED:
            self.filled += 1
        level = self._log.warning if move.state in (OrderState.UNKNOWN, OrderState.REJECTED) else self._log.info
        level("order", client_id=move.client_id, state=move.state, cause=move.cause, reason=move.reason, at=move.at)
        request = self._requests.get(move.client_id)
        if request is not None:
            self._observers().notify("on_order", order=request, state=move.state, reason=move.reason)
            if move.state in TERMINAL:
                del self._requests[move.client_id]
        if move.state is OrderState.UNKNOWN and self.engine.recorded:
            text = f"Order {move.client_id} of book '{self.name}' may or may not have arrived: {move.reason}"
            self._alerts.raise_(Severity.ERROR, "order_unknown", text)

    def _tell_decision(self, decision: Decision) -> None:
        observers = self._observers()
        self.orders += len(decision.approved) + len(decision.denied)
        self.refusals += len(decision.denied)
        for order, refusal in decision.denied:
            self.refused_by[refusal.rule] += 1
            self._log.info(
                "refusal", symbol=order.symbol, rule=refusal.rule, reason=refusal.reason, limit=refusal.limit,
                value=refusal.value, client_id=order.client_id,
            )  # fmt: skip
            observers.notify("on_refusal", order=order, refusal=refusal)
        for approved in decision.approved:
            order = approved.order
            self._log.info(
                "intent", symbol=order.symbol, side=order.side, quantity=order.quantity, type=order.type,
                client_id=order.client_id, purpose=order.purpose,
            )  # fmt: skip
            self._requests[order.client_id] = order
            observers.notify("on_order", order=order, state=OrderState.SUBMITTING, reason="")
        self._log.info(
            "cycle", cycle=decision.cycle_id, number=decision.number, equity=self.engine.standing.equity,
            orders=len(decision.approved), refusals=len(decision.denied),
        )  # fmt: skip
        for fault in decision.faults:
            self._tell_fault(fault, decision)
        for note in decision.notes:
            self._first_time(note)("note", cycle=decision.cycle_id, text=note)
            self._alerts.raise_(Severity.WARNING, "decision_note", f"Book '{self.name}': {note}")
        observers.notify("on_cycle", decision=decision)

    def _tell_fault(self, fault: Fault, decision: Decision) -> None:
        self.faults += 1
        made = self._members.get(fault.instance)
        when = f"in cycle {decision.at:%Y-%m-%d %H:%M}"
        call = CALLS.get(fault.method, f"{fault.method}()")
        text = describe_fault(made, call, fault.error, when) if made else f"{fault.instance}: {fault.error}"
        same = f"{fault.instance} {fault.method} {fault.error!r}"
        level = self._first_time(same, error=True)
        level("plugin_fault", plugin=fault.instance, method=fault.method, outcome=fault.outcome, text=text)
        told = f"{text}\n  {fault.outcome.capitalize()}."
        self._alerts.raise_(Severity.ERROR, "plugin_fault", told, same=f"{self.name} {same}")

    def _first_time(self, what: str, *, error: bool = False) -> Any:
        """The log method for it: loud once, then only in the file. A fault that comes every cycle fills no screen."""
        if what in self._told:
            return self._log.info
        self._told.add(what)
        return self._log.error if error else self._log.warning

    def summary(self) -> BookSummary:
        """The tally of this run and where the book stands."""
        engine, standing = self.engine, self.engine.standing
        positions = {}
        for symbol, held in sorted(engine.ledger.holdings.items()):
            if held.quantity and standing.row >= 0:
                price = standing.price(symbol)
                rules = engine.market.instruments[symbol]
                worth = held.quantity * price * rules.multiplier
                weight = float(worth / standing.equity) if standing.equity else 0.0
                positions[symbol] = Line(held.quantity, price, worth, weight)
        return BookSummary(
            self.name, engine.account.account_id, engine.account.currency, self.parts.feed.made.instance,
            self.cycles, engine.number, self.orders, self.filled, self.refusals, self.fills, self.fees, self.traded,
            self.start_equity if self.start_equity is not None else standing.equity,
            engine.ledger.cash, standing.equity, positions, dict(self.refused_by),
            self.curve[0][0] if self.curve else None, self.curve[-1][0] if self.curve else None, self.curve,
            len(engine.open_orders()), self.faults, self.parts.recorded and self.next_row >= self.rows,
        )  # fmt: skip


CALLS: Mapping[str, str] = {
    "score": "score(history)",
    "exits": "exits(history, positions)",
    "allocate": "allocate(signals, history, held)",
    "limit": "limit(targets, book)",
    "check": "check(plan, book)",
    "legs": "legs(trades)",
}


def members_of(books: list[Book]) -> list[Provided]:
    """Every plugin object of these books, once."""
    found: dict[int, Provided] = {}
    for book in books:
        for made in (book.parts.feed.made, book.parts.broker, *book.parts.members):
            found[id(made.object)] = made
    return list(found.values())
