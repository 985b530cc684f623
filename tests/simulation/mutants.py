"""Bugs to plant in the program: each is one that trading systems have had, and each must be found.

    with planted("send_first"):
        history = run(seed)

A plant changes the program's own functions while it stands; nothing else knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from msgspec import structs
from sqlalchemy import insert as insert_into
from trader.model import (
    ZERO,
    Accepted,
    Approved,
    CashEvent,
    NotFound,
    OrderState,
    Outcome,
    Rejected,
    Unavailable,
    Unknown,
)
from trader.orders import blotter, conservation, ledger
from trader.orders.blotter import Blotter
from trader.orders.gate import Gate
from trader.orders.journal import CycleRecord, fact_key
from trader.orders.ledger import Ledger
from trader.orders.lifecycle import TERMINAL, Cause
from trader.orders.store_journal import StoreJournal
from trader.safety import halts
from trader.safety.kill import KillSwitch
from trader.safety.sweep import Swept
from trader.session import killing, reconcile
from trader.session.engine import Engine
from trader.session.lanes import Priority
from trader.session.reconcile import Reconciler
from trader.session.standing import Standing
from trader.store.database import Store

S = OrderState


@dataclass(frozen=True, slots=True)
class Mutant:
    """`what` says in one sentence what the bug does; `plant` enters it into a stack that takes it out again."""

    name: str
    what: str
    plant: Callable[[Plot], None]


MUTANTS: dict[str, Mutant] = {}


class Plot:
    """Where bugs are planted, and what stood there before."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, thing: Any) -> Any:
        """Put `thing` in its place; what stood there."""
        before = vars(owner)[name]
        self._before.append((owner, name, before))
        setattr(owner, name, thing)
        return before

    def clear(self) -> None:
        """Everything as it was."""
        while self._before:
            setattr(*self._before.pop())


def mutant(name: str) -> Callable[[Callable[[Plot], None]], Callable[[Plot], None]]:
    """Enter a plant into MUTANTS; its docstring is the sentence."""

    def enter(plant: Callable[[Plot], None]) -> Callable[[Plot], None]:
        MUTANTS[name] = Mutant(name, " ".join((plant.__doc__ or "").split()), plant)
        return plant

    return enter


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """The program with this bug in it; None: as it is."""
    plot = Plot()
    with ExitStack() as stack:
        stack.callback(plot.clear)
        if name is not None:
            MUTANTS[name].plant(plot)
        yield


# ---- sending -------------------------------------------------------------------------------------------------------
@mutant("send_first")
def _send_first(plot: Plot) -> None:
    """The order leaves first, and is journalled when its answer is there."""

    def journal(self: Engine, decision: Any, report: Any) -> None:
        late: list[tuple[Any, ...]] = []
        real = self.journal.decided
        self.journal.decided = lambda *values: late.append(values)  # type: ignore[method-assign]
        try:
            journalled(self, decision, report)
        finally:
            del self.journal.decided
        if decision.approved:
            self.journal.late = (real, late)  # type: ignore[attr-defined]
        else:
            real(*late[0])

    async def send(self: Engine, approved: Any, report: Any, at: Any) -> None:
        if not approved:
            return
        answers = await self.lane.each(Priority.SUBMIT, self.gate.submit, approved, late=self._answered_late)
        real, late = self.journal.__dict__.pop("late")
        real(*late[0])
        moves: list[Any] = []
        now = self.clock.monotonic()
        for one, answer in zip(approved, answers, strict=True):
            moves += self.blotter.outcome(one.order.client_id, self._outcome(one.order, answer, now), at, now)
        self.journal.moved(moves)
        report.moves += moves

    journalled = plot.put(Engine, "_journal", journal)
    plot.put(Engine, "_send", send)


@mutant("new_id_on_resend")
def _new_id_on_resend(plot: Plot) -> None:
    """No answer in time: the order is sent again at once, as a new order with an id of its own."""

    async def send(self: Engine, approved: Any, report: Any, at: Any) -> None:
        await sent(self, approved, report, at)
        for one in approved:
            order, live = one.order, self.blotter.get(one.order.client_id)
            if live is None or live.state is not S.UNKNOWN:
                continue
            cycle_id = f"again {order.client_id}"
            client_id = self.ids.cycle(cycle_id)(order.symbol)
            again = structs.replace(order, client_id=client_id, key=self.broker.key(client_id))
            record = CycleRecord(self.name, cycle_id, 0, at, self.standing.equity, self.ledger.cash, b"{}")
            self.journal.decided(record, [again], [], {}, [])
            self._commit([again])
            await sent(self, [Approved(again)], report, at)

    sent = plot.put(Engine, "_send", send)


@mutant("blind_resend")
def _blind_resend(plot: Plot) -> None:
    """After a restart everything that was being submitted is sent again, with the id it had."""

    async def awaken(self: Engine, report: Any, row: int, at: Any) -> bool:
        doubtful = [order.request for order in self.blotter.open() if order.state is S.SUBMITTING]
        answered = await awoken(self, report, row, at)
        self.gate.committed(doubtful)
        await self.lane.each(Priority.SUBMIT, self.gate.submit, [Approved(request) for request in doubtful])
        return bool(answered)

    awoken = plot.put(Engine, "awaken", awaken)


@mutant("lost_row")
def _lost_row(plot: Plot) -> None:
    """The last order of a plan of several is sent and not journalled, and nobody counts what leaves."""

    def decided(self: StoreJournal, record: Any, intents: Any, *rest: Any) -> None:
        journalled(self, record, intents[:-1] if len(intents) > 1 else intents, *rest)

    def moved(self: StoreJournal, moves: Any) -> None:
        with self._store.reading() as connection:
            unknown = self._unknown(connection, moves)
        kept = [move for move in moves if move.client_id not in unknown]
        noted(self, kept)

    journalled = plot.put(StoreJournal, "decided", decided)
    noted = plot.put(StoreJournal, "moved", moved)
    plot.put(conservation.Tally, "mismatch", lambda _self, _under_way: None)


@mutant("no_gate")
def _no_gate(plot: Plot) -> None:
    """The gate asks none of its checks."""
    plot.put(Gate, "_refusal", lambda _self, _order: None)


@mutant("block_ignored")
def _block_ignored(plot: Plot) -> None:
    """Halted symbols and books are decided on and sent as any other."""
    plot.put(halts.Halts, "refuse", lambda _self, _order: None)
    plot.put(Engine, "_brake", lambda _self, _portfolio: None)


# ---- what an answer means ------------------------------------------------------------------------------------------
@mutant("timeout_as_reject")
def _timeout_as_reject(plot: Plot) -> None:
    """No answer is taken for a no."""

    def outcome(self: Blotter, client_id: str, answer: Any, at: Any, now: float = 0.0) -> Any:
        if isinstance(answer, Unknown):
            answer = Rejected(answer.kind, answer.reason)
        return judged(self, client_id, answer, at, now)

    judged = plot.put(Blotter, "outcome", outcome)


@mutant("cancel_as_closed")
def _cancel_as_closed(plot: Plot) -> None:
    """A cancel that was accepted is taken for done."""

    def outcome(self: Blotter, client_id: str, answer: Outcome, at: Any) -> Any:
        order = self._open.get(client_id)
        if order is not None and order.state is S.CANCEL_SENT and isinstance(answer, Accepted):
            return [self._move(order, S.CLOSING, Cause.REPORT, at), self._move(order, S.CANCELED, Cause.REPORT, at)]
        return judged(self, client_id, answer, at)

    judged = plot.put(Blotter, "cancel_outcome", outcome)


@mutant("silence_as_empty")
def _silence_as_empty(plot: Plot) -> None:
    """A question that was not answered counts as: there is nothing."""

    async def ask(lane: Any, priority: Any, question: Any, *args: Any, fits: Any = None) -> Any:
        answer = await asked(lane, priority, question, *args, fits=fits)
        if isinstance(answer, Unavailable):
            name = question.__name__
            return NotFound() if name == "order" else () if name != "account" else answer
        return answer

    asked = plot.put(reconcile, "ask", ask)


@mutant("no_horizon")
def _no_horizon(plot: Plot) -> None:
    """What the venue does not show at once is taken for absent."""

    def perhaps(self: Reconciler, order: Any, _asked: float, report: Any, at: Any) -> None:
        moves = self.engine.blotter.proven_absent(order, at)
        self.engine.journal.moved(moves)
        report.moves += moves
        self.engine.absent_now.append(order.request)

    plot.put(Reconciler, "_perhaps_absent", perhaps)


@mutant("illegal_step")
def _illegal_step(plot: Plot) -> None:
    """The state table is not asked: whatever the venue says, the order follows."""
    plot.put(blotter, "legal", lambda _state, _to, _cause: True)
    plot.put(blotter, "step", lambda _state, to, _cause: to)


@mutant("part_as_whole")
def _part_as_whole(plot: Plot) -> None:
    """The first fill of an order is taken for all of it."""

    def fill(self: Blotter, order: Any, one: Any) -> Any:
        moves = filled(self, order, one)
        if order.state is S.WORKING:
            moves += [
                self._move(order, S.CLOSING, Cause.FILL, one.time),
                self._move(order, S.FILLED, Cause.FILL, one.time),
            ]
        return moves

    filled = plot.put(Blotter, "fill", fill)


# ---- booking -------------------------------------------------------------------------------------------------------
def _ignore_known(plot: Plot, table_name: str) -> None:
    """Take the key away from a table of facts: what is there already is left out without a word."""

    def insert(self: Store, connection: Any, table: Any, rows: Any) -> None:
        if table.name != table_name or not rows:
            inserted(self, connection, table, rows)
            return
        names = table.columns.keys()[: len(rows[0])]
        statement = str(
            insert_into(table).prefix_with("OR IGNORE").compile(dialect=self._positional, column_keys=names)
        )
        connection.exec_driver_sql(statement, list(rows))

    inserted = plot.put(Store, "insert", insert)


@mutant("dedup_in_memory")
def _dedup_in_memory(plot: Plot) -> None:
    """Which fills are booked is known in memory only; a restart forgets it."""

    def begin(self: Ledger, currency: str, cash: Any, holdings: Any = (), seen: Any = None, **rest: Any) -> None:
        begun(self, currency, cash, holdings, {}, **rest)

    begun = plot.put(Ledger, "__init__", begin)
    _ignore_known(plot, "fill")
    _ignore_known(plot, "cash_event")


@mutant("late_fill_dropped")
def _late_fill_dropped(plot: Plot) -> None:
    """A fill of an order that had ended is thrown away."""

    async def book(self: Reconciler, fills: Any, report: Any, row: int, at: Any) -> None:
        kept = [fill for fill in fills if not ended(self, fill)]
        await booked(self, kept, report, row, at)

    def ended(self: Reconciler, fill: Any) -> bool:
        known = self.engine.blotter.by_key(fill.key) or self.engine.journal.find(fill.key, fill.venue_id)
        return known is not None and known.state in TERMINAL

    booked = plot.put(Reconciler, "book", book)


@mutant("marked_first")
def _marked_first(plot: Plot) -> None:
    """A fill is marked as booked in a transaction of its own, before the one that moves the position."""
    _torn(plot, fact_first=True)


@mutant("position_first")
def _position_first(plot: Plot) -> None:
    """The position moves in a transaction of its own, before the one that writes the fill."""
    _torn(plot, fact_first=False)


def _torn(plot: Plot, *, fact_first: bool) -> None:
    def insert(self: Store, connection: Any, table: Any, rows: Any) -> None:
        if table.name in ("fill", "cash_event") and state["part"] == "position":
            return
        inserted(self, connection, table, rows)

    def upsert(self: Store, connection: Any, table: Any, rows: Any) -> None:
        if table.name == "holding" and state["part"] == "fact":
            return
        upserted(self, connection, table, rows)

    def booked(self: StoreJournal, bookings: Any, moves: Any) -> None:
        try:
            for part in ("fact", "position") if fact_first else ("position", "fact"):
                state["part"] = part
                both(self, bookings, moves if part == "position" else [])
        finally:
            state["part"] = ""

    state = {"part": ""}
    inserted, upserted = plot.put(Store, "insert", insert), plot.put(Store, "upsert", upsert)
    both = plot.put(StoreJournal, "booked", booked)


@mutant("cash_twice")
def _cash_twice(plot: Plot) -> None:
    """A cash event is booked as often as the venue shows it."""

    def after(self: Ledger, event: CashEvent) -> Any:
        self.seen.pop(fact_key(event), None)
        self._older.pop(fact_key(event), None)
        return booked(self, event)

    booked = plot.put(Ledger, "after_event", after)
    _ignore_known(plot, "cash_event")


@mutant("no_overlap")
def _no_overlap(plot: Plot) -> None:
    """Fills are asked for from the newest booked one on, so that one that shows up late is not asked for again."""
    plot.put(reconcile, "OVERLAP", reconcile.OVERLAP * 0)


@mutant("external_dropped")
def _external_dropped(plot: Plot) -> None:
    """What somebody else trades on the account is thrown away."""
    plot.put(Reconciler, "_not_ours", lambda *_args: [])


@mutant("fee_forgotten")
def _fee_forgotten(plot: Plot) -> None:
    """Fees are written down and not paid."""

    def after(self: Ledger, fill: Any, client_id: Any, instrument: Any) -> Any:
        booking = booked(self, structs.replace(fill, fee=ZERO), client_id, instrument)
        return None if booking is None else structs.replace(booking, fact=fill)

    booked = plot.put(ledger.Ledger, "after_fill", after)


# ---- what is uncertain ---------------------------------------------------------------------------------------------
@mutant("unknown_not_counted")
def _unknown_not_counted(plot: Plot) -> None:
    """An order that may or may not be at the venue does not count, and its symbol is traded on."""

    def view(self: Standing, *args: Any, **more: Any) -> Any:
        opened = self.blotter.open
        self.blotter.open = lambda: [each for each in opened() if each.state not in (S.UNKNOWN, S.SUBMITTING)]  # type: ignore[method-assign]
        try:
            return viewed(self, *args, **more)
        finally:
            del self.blotter.open

    viewed = plot.put(Standing, "view", view)


@mutant("absent_forgotten")
def _absent_forgotten(plot: Plot) -> None:
    """An order that was found absent is neither watched nor counted any more."""

    def proven(self: Blotter, order: Any, at: Any) -> Any:
        moves = found(self, order, at)
        self.forget(order)
        return moves

    def load(self: StoreJournal, _watched_since: Any = None) -> Any:
        return loaded(self, None)

    def find(self: StoreJournal, key: str, venue_id: Any) -> Any:
        stored = looked(self, key, venue_id)
        return None if stored is not None and stored.state is S.ABSENT else stored

    found = plot.put(Blotter, "proven_absent", proven)
    loaded, looked = plot.put(StoreJournal, "load", load), plot.put(StoreJournal, "find", find)


@mutant("never_absent")
def _never_absent(plot: Plot) -> None:
    """An order that never arrived stays unresolved for ever."""
    plot.put(Reconciler, "_perhaps_absent", lambda *_args: None)


@mutant("no_recovery")
def _no_recovery(plot: Plot) -> None:
    """A restart goes on where the last process was, and asks the venue nothing first."""

    async def awaken(_self: Engine, _report: Any, _row: int, _at: Any) -> bool:
        return True

    plot.put(Engine, "awaken", awaken)


@mutant("cancel_forgotten")
def _cancel_forgotten(plot: Plot) -> None:
    """A cancel whose answer did not come is neither asked for again nor looked into."""

    async def cancel(
        self: Engine, refs: Any, report: Any, at: Any, *, again: bool = False, journal: bool = False
    ) -> None:
        if not again:
            await asked(self, refs, report, at, again=again, journal=journal)

    asked = plot.put(Engine, "cancel", cancel)


@mutant("positions_not_compared")
def _positions_not_compared(plot: Plot) -> None:
    """What the venue says is held is not compared with the books."""
    plot.put(Reconciler, "_compare", lambda *_args: None)


# ---- halting -------------------------------------------------------------------------------------------------------
@mutant("kill_in_memory")
def _kill_in_memory(plot: Plot) -> None:
    """The kill switch is forgotten by a restart."""
    plot.put(KillSwitch, "_write_file", lambda _self, _trip: None)
    plot.put(KillSwitch, "_write_store", lambda _self, _trip: None)


@mutant("kill_not_cancelling")
def _kill_not_cancelling(plot: Plot) -> None:
    """The kill switch closes the gate and leaves what works at the venue."""
    plot.put(killing, "sweep", lambda _broker: Swept())
