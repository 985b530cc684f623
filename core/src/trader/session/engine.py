"""One book at work: a step takes the bars of a moment, learns what the venue did, decides, journals, sends.

The same step runs in backtest, paper and live; what differs is the clock that calls it, the lane that its calls run
in, and the journal that keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from trader.cycle.cycle import Desk, decide
from trader.cycle.decision import Decision, Fault
from trader.cycle.market import Market, instant, instant64
from trader.cycle.planner import Stamp
from trader.errors import ESCAPES, BadAnswer, PluginError, Refused, Unreachable
from trader.model import (
    Account,
    Cancel,
    CashEvent,
    Fill,
    NotFound,
    OrderRef,
    OrderReport,
    OrderState,
    Position,
    Refusal,
    Unavailable,
    Unknown,
)
from trader.orders.blotter import Blotter, LiveOrder
from trader.orders.gate import Gate
from trader.orders.ids import IdMint
from trader.orders.journal import Booking, BookState, CycleRecord, Journal, Move
from trader.orders.ledger import Ledger
from trader.protocols import Broker, HasCashEvents, HasState, NeedsBars
from trader.session.lanes import Lane, Priority
from trader.session.standing import Standing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(days=1)
STRIKES = 3
CORE = "trader.core"
"""What the engine itself keeps among the plugins' states; no instance can have a dot in its name."""
NO_ANSWER = Unknown("timeout", "no answer in time")


@dataclass(slots=True)
class Report:
    """What one step did, for observers, logs and counters."""

    decision: Decision | None = None
    fills: list[Fill] = field(default_factory=list)
    events: list[CashEvent] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    refused: list[tuple[str, Refusal]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    heartbeat: Account | None = None
    moves_before: int = 0
    """How many of the moves came before the decision."""


class Engine:
    """One book. `stateful`: (instance, plugin) pairs whose state survives restarts. `moment(cycle_id)` is told before
    each decision: it seeds the plugins' random numbers. `horizon_seconds`: how late an order may still turn up at the
    venue (None: nobody knows)."""

    def __init__(
        self,
        name: str,
        *,
        desk: Desk,
        market: Market,
        broker: Broker,
        account: Account,
        journal: Journal,
        gate: Gate,
        lane: Lane,
        state: BookState,
        recorded: bool = True,
        horizon_seconds: float | None = None,
        stateful: Sequence[tuple[str, HasState]] = (),
        moment: Callable[[str], None] | None = None,
    ) -> None:
        self.name, self.desk, self.market, self.broker = name, desk, market, broker
        self.journal, self.gate, self.lane = journal, gate, lane
        self.account, self.recorded, self._moment = account, recorded, moment
        self.horizon_seconds = horizon_seconds
        self._stateful = list(stateful)
        self._saved: dict[str, bytes] = dict(state.plugins)
        self._before: dict[str, bytes] = {instance: self._begin(instance, plugin) for instance, plugin in stateful}
        """What each plugin kept after the last cycle: what a call that raises is rolled back to."""
        self.number, self.cycle_id = state.number, state.cycle_id
        self.ledger = Ledger(account.currency, state.cash or Decimal(0), state.holdings, state.seen)
        self.blotter = Blotter(state.orders)
        self.standing = Standing(
            market.panel, desk.grid, market.instruments, self.ledger, self.blotter, entries=desk.asks_for_exits
        )
        self.ids = IdMint(journal.nonce, account.account_id, name)
        self._since = state.fills_since or EPOCH
        # A protocol check walks its methods: once, not in every step.
        self._needs_bars = broker if isinstance(broker, NeedsBars) else None
        self._has_cash = broker if isinstance(broker, HasCashEvents) else None
        self._head: tuple[int, str] = (0, "")
        """How many fills of the moment `_since` are booked, and the id of the last one."""
        self._strikes: dict[str, int] = {}
        self._sent: list[tuple[str, int]] = []
        self._recall(state)

    def _begin(self, instance: str, plugin: HasState) -> bytes:
        """Hand a plugin what was stored of it; PluginError if it cannot go on from there."""
        stored = self._saved.get(instance)
        try:
            if stored is not None:
                plugin.load(stored)
            return stored if stored is not None else _bytes(plugin.save())
        except ESCAPES as exc:
            raise PluginError(
                f"It cannot take up the state that it kept: {type(exc).__name__}: {exc}",
                where=f"book '{self.name}', {instance}",
            ) from exc

    def _recall(self, state: BookState) -> None:
        kept = json.loads(self._saved.get(CORE, b"{}"))
        if kept and state.at is not None:
            self.standing.day, self.standing.day_equity = kept["day"], Decimal(kept["day_equity"])
            self.standing.equity, self.standing.peak = Decimal(kept["equity"]), Decimal(kept["peak"])
            self._sent = [(at, count) for at, count in kept["sent"]]
            self.standing.recall(self.market.panel.row_at(instant64(state.at)))

    @property
    def next_row(self) -> int:
        """The first row that no cycle was decided on."""
        if self.cycle_id is None:
            return 0
        return self.market.panel.row_at(instant64(datetime.fromisoformat(self.cycle_id))) + 1

    # ---- one step --------------------------------------------------------------------------------------------------
    async def step(self, row: int) -> Report:
        """Play bar `row`: the venue first (if it trades on our bars), then its news, then the cycle."""
        report = await self.catch_up(row)
        at = instant(self.market.panel.end[row])
        report.moves_before = len(report.moves)
        decision = self._decide(row, at)
        report.decision = decision
        report.faults += decision.faults
        self._journal(decision, report)
        await self._cancel(decision.cancels, at, report)
        await self._send(decision, at, report)
        return report

    async def catch_up(self, row: int) -> Report:
        """A bar without a cycle: the venue trades on it, its news are booked, the book is marked."""
        report = Report()
        at = instant(self.market.panel.end[row])
        if self._needs_bars is not None:
            answer = await self._ask(Priority.BARS, self._needs_bars.on_bars, self.market.panel.bars(row))
            if isinstance(answer, Unavailable):
                raise Unreachable(
                    f"The broker did not take the bars of {at:%Y-%m-%d %H:%M}: {answer.reason}",
                    where=f"book '{self.name}'",
                )
        await self.sync(report, row, at)
        if not self.recorded:
            await self._refresh_account(report)
        self.standing.mark(row, at)
        return report

    async def _refresh_account(self, report: Report) -> None:
        """What may be spent now, and a proof of life; the last known account stays where there is no answer."""
        account = await self._ask(Priority.QUERY, self.broker.account)
        if isinstance(account, Unavailable):
            report.unreached.append(f"account: {account.reason}")
        else:
            self.account = report.heartbeat = account

    def _decide(self, row: int, at: datetime) -> Decision:
        cycle_id = at.isoformat()
        if self._moment is not None:
            self._moment(cycle_id)
        passes = [(np.datetime64(text, "ns"), count) for text, count in self._recent(at)]
        times = np.array([time for time, _ in passes], "datetime64[ns]")
        sent = np.repeat(times, [count for _, count in passes]) if passes else times
        portfolio = self.standing.view(self.account, sent)
        stamp = Stamp(self.name, at, self.ids.cycle(cycle_id), self.broker.key)
        decision = decide(
            self.desk, self.market, portfolio, row,
            number=self.number + 1, cycle_id=cycle_id, stamp=stamp, mark=self.standing.marks,
        )  # fmt: skip
        self._strike(decision)
        self.number, self.cycle_id = decision.number, cycle_id
        return decision

    def _strike(self, decision: Decision) -> None:
        """Count cycles in a row that a plugin failed in; three make the book reduce-only."""
        if self._stateful:
            self._keep(decision)
        failed = {fault.instance for fault in decision.faults}
        self._strikes = {name: self._strikes.get(name, 0) + 1 for name in failed}
        if any(count >= STRIKES for count in self._strikes.values()) and not self.desk.reduce_only:
            self.desk.reduce_only = True
            names = ", ".join(name for name, count in self._strikes.items() if count >= STRIKES)
            decision.notes.append(f"{names} failed in {STRIKES} cycles in a row: the book may only reduce from now on")

    def _keep(self, decision: Decision) -> None:
        """Take what plugins want to survive; one that failed is rolled back to what it kept before."""
        failed = {fault.instance for fault in decision.faults}
        for instance, plugin in self._stateful:
            method = "load" if instance in failed else "save"
            try:
                if instance in failed:
                    plugin.load(self._before[instance])
                else:
                    self._before[instance] = _bytes(plugin.save())
            except ESCAPES as exc:
                decision.faults.append(Fault(instance, method, exc, "its state is kept as it was before"))

    def _journal(self, decision: Decision, report: Report) -> None:
        """T1: the decision, its intents and cancels, what plugins keep: committed before anything is sent."""
        requests = [approved.order for approved in decision.approved]
        if requests:
            self._sent = [*self._recent(decision.at), (decision.at.replace(tzinfo=None).isoformat(), len(requests))]
        encoded = decision.encode() if self.journal.diary else b""
        record = CycleRecord(
            self.name, decision.cycle_id, decision.number, decision.at, self.standing.equity, self.ledger.cash, encoded
        )
        changed = self._changed_states() if self.journal.diary else {}
        denied = [(order, f"{refusal.rule}: {refusal.reason}") for order, refusal in decision.denied]
        cancels = [move for ref in decision.cancels for move in self.blotter.cancel_sent(ref.client_id, decision.at)]
        self.journal.decided(record, requests, denied, changed, cancels)
        report.moves += cancels
        self._saved.update(changed)
        self.blotter.submitting(requests)
        self.gate.committed(requests)

    def _recent(self, at: datetime) -> list[tuple[str, int]]:
        edge = (at - timedelta(days=1)).replace(tzinfo=None).isoformat()
        return [(text, count) for text, count in self._sent if text > edge]

    def _changed_states(self) -> dict[str, bytes]:
        standing = self.standing
        core = {
            "day": standing.day,
            "day_equity": str(standing.day_equity),
            "equity": str(standing.equity),
            "peak": str(standing.peak),
            "sent": self._sent,
        }
        states = {CORE: json.dumps(core).encode()}
        states.update(self._before)
        return {name: state for name, state in states.items() if self._saved.get(name) != state}

    async def _cancel(self, refs: Sequence[OrderRef], at: datetime, report: Report) -> None:
        """Ask the venue for every cancel that is journalled and has no end yet."""
        for ref in refs:
            order = self.blotter.get(ref.client_id)
            if order is None or order.state not in (OrderState.CANCEL_SENT, OrderState.CANCEL_UNKNOWN):
                continue
            (outcome,) = await self.lane.each(Priority.CANCEL, self.gate.cancel, [Cancel(ref)])
            answered = self.blotter.cancel_outcome(ref.client_id, outcome or NO_ANSWER, at)
            self.journal.moved(answered)
            report.moves += answered

    async def repeat_cancels(self, report: Report, at: datetime) -> None:
        """At a start: ask again. Asking twice for a cancel does what asking once does."""
        await self._cancel([_ref(order) for order in self.blotter.open()], at, report)

    async def _send(self, decision: Decision, at: datetime, report: Report) -> None:
        """Through the lane and the gate, in sending order; what came of it is one transaction."""
        if not decision.approved:
            return
        outcomes = await self.lane.each(Priority.SUBMIT, self.gate.submit, decision.approved)
        moves: list[Move] = []
        for approved, outcome in zip(decision.approved, outcomes, strict=True):
            client_id = approved.order.client_id
            if type(outcome) is Refusal:
                report.refused.append((client_id, outcome))
            moves += self.blotter.outcome(client_id, outcome or NO_ANSWER, at)
        if moves:
            self.journal.moved(moves)
            report.moves += moves

    # ---- what the venue did ----------------------------------------------------------------------------------------
    async def sync(self, report: Report, row: int, at: datetime, *, resolve: bool = False) -> None:
        """Ask for fills, cash events and the state of open orders; book what is new. Unavailable changes nothing.

        `resolve`: nothing of ours is on its way (a start), so what a venue without late arrivals does not show is
        absent."""
        asked_since = max(self._since - OVERLAP, EPOCH) if not self.recorded else self._since
        fills = await self._ask(Priority.QUERY, self.broker.fills, asked_since)
        if isinstance(fills, Unavailable):
            report.unreached.append(f"fills: {fills.reason}")
            return
        self._book(self._news(fills), report, row)
        if self._has_cash is not None:
            events = await self._ask(Priority.QUERY, self._has_cash.cash_events, asked_since)
            if isinstance(events, Unavailable):
                report.unreached.append(f"cash events: {events.reason}")
            else:
                self._book_events(events, report)
        for order in self.blotter.open():
            await self._look_up(order, report, at, resolve=resolve)

    def _news(self, fills: Sequence[Fill]) -> Sequence[Fill]:
        """Without the head that was booked the last time: an answer begins with the fills of the moment asked from."""
        count, last = self._head
        if 0 < count <= len(fills) and fills[count - 1].execution_id == last:
            return fills[count:]
        return fills

    def _book(self, fills: Sequence[Fill], report: Report, row: int) -> None:
        """What is new: ledger, orders, journal (one transaction), portfolio."""
        bookings: list[Booking] = []
        moves: list[Move] = []
        instruments, blotter, ledger = self.market.instruments, self.blotter, self.ledger
        for fill in fills:
            if fill.symbol not in instruments:
                report.unreached.append(f"fill {fill.execution_id} of {fill.symbol}: not a symbol of this book")
                continue
            order = blotter.by_key(fill.key)
            client_id = order.request.client_id if order is not None else None
            booking = ledger.after_fill(fill, client_id, instruments[fill.symbol])
            if booking is None:
                continue
            bookings.append(booking)
            report.fills.append(fill)
            if order is not None:
                moves += blotter.fill(order, fill)
        if bookings:
            self._note_newest(report.fills)
            self.journal.booked(bookings, moves)
            report.moves += moves
            self.standing.booked(bookings, row)

    def _book_events(self, events: Sequence[CashEvent], report: Report) -> None:
        """Money that moved without a trade."""
        bookings = [booking for event in events if (booking := self.ledger.after_event(event)) is not None]
        if bookings:
            self.journal.booked(bookings, [])
            report.events += [booking.fact for booking in bookings if isinstance(booking.fact, CashEvent)]

    def _note_newest(self, fills: Sequence[Fill]) -> None:
        """Fills come oldest first; a source that does not keep to it costs time, not truth (`ledger.seen`)."""
        newest, last = max(fills[0].time, fills[-1].time), fills[-1]
        if newest >= self._since:
            before = self._head[0] if newest == self._since else 0
            now = len(fills) if fills[0].time == newest else sum(fill.time == newest for fill in fills)
            self._head = (before + now, last.execution_id) if last.time == newest else (0, "")
            self._since = newest

    async def _look_up(self, order: LiveOrder, report: Report, at: datetime, *, resolve: bool) -> None:
        request = order.request
        found = await self._ask(Priority.QUERY, self.broker.order, _ref(order))
        if isinstance(found, OrderReport):
            moves = self.blotter.report(found, at)
        elif isinstance(found, NotFound) and resolve and self.horizon_seconds == 0:
            moves = self.blotter.absent(order, at)
        elif isinstance(found, NotFound):
            report.unreached.append(f"order {request.client_id}: the venue does not show it")
            return
        else:
            report.unreached.append(f"order {request.client_id}: {found.reason}")
            return
        if moves:
            self.journal.moved(moves)
            report.moves += moves

    async def _ask(self, priority: Priority, question: Callable[..., Any], *args: Any) -> Any:
        """The answer, or Unavailable for whatever went wrong on the way."""
        try:
            return await self.lane.call(priority, question, *args)
        except TimeoutError:
            return Unavailable("timeout", "no answer in time")
        except ESCAPES as exc:  # a plugin's query that raises is a question that was not answered
            return Unavailable("plugin", f"{type(exc).__name__}: {exc}")

    # ---- start -----------------------------------------------------------------------------------------------------
    async def open_book(self, report: Report, at: datetime) -> None:
        """First start of a book: the account's cash becomes the opening transfer. Refused unless it is clean."""
        positions = await self._ask(Priority.QUERY, self.broker.positions)
        orders = await self._ask(Priority.QUERY, self.broker.orders)
        for answer in (positions, orders):
            if isinstance(answer, Unavailable):
                raise Unreachable(f"Broker of book '{self.name}' does not answer: {answer.reason}")
        if positions or orders:
            shown = [f"{p.quantity:f} {p.symbol}" for p in positions] + [
                f"order {o.venue_id} {o.symbol}" for o in orders
            ]
            raise Refused(
                f"The account {self.account.account_id} is not clean and book '{self.name}' has no journal of it: "
                + ", ".join(shown),
                todo="Close what is open there, or use the state folder that this account was traded with.",
            )
        opening = CashEvent(
            f"opening {self.account.account_id} {self.journal.nonce.hex()[:12]}",
            "transfer",
            self.account.cash,
            self.account.currency,
            at,
        )
        self._book_events([opening], report)

    async def agree(self) -> None:
        """Warm start: the positions must be what the venue says. Refused with the difference otherwise."""
        positions = await self._ask(Priority.QUERY, self.broker.positions)
        if isinstance(positions, Unavailable):
            raise Unreachable(f"Broker of book '{self.name}' does not answer: {positions.reason}")
        there = {position.symbol: position.quantity for position in positions if position.quantity}
        here = {symbol: held.quantity for symbol, held in self.ledger.holdings.items() if held.quantity}
        if there != here:
            raise Refused(_difference(self.name, here, there), todo="Nothing was changed, here or there.")

    def position(self, symbol: str) -> Position:
        """What the ledger holds of a symbol."""
        held = self.ledger.holdings[symbol]
        return Position(symbol, held.quantity, held.price)

    def open_orders(self) -> list[tuple[str, OrderState]]:
        """Client ids and states of what is not terminal."""
        return [(order.request.client_id, order.state) for order in self.blotter.open()]


def _bytes(state: object) -> bytes:
    if not isinstance(state, bytes):
        raise BadAnswer(f"Expected the state to keep as bytes, was {type(state).__name__}.")
    return state


def _ref(order: LiveOrder) -> OrderRef:
    return OrderRef(order.request.client_id, order.request.key, order.request.symbol, order.venue_id)


def _difference(book: str, here: Mapping[str, Decimal], there: Mapping[str, Decimal]) -> str:
    zero = Decimal(0)
    lines = [
        f"{symbol}: expected {here.get(symbol, zero):f}, the venue says {there.get(symbol, zero):f}"
        for symbol in sorted({*here, *there})
        if here.get(symbol, zero) != there.get(symbol, zero)
    ]
    return f"The positions of book '{book}' are not what the venue says.\n" + "\n".join(lines)
