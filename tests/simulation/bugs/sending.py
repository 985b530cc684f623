"""What leaves, in what order, past which look; and what a halt stops."""

from __future__ import annotations

from typing import Any

from msgspec import structs
from trader.model import (
    Approved,
    OrderState,
)
from trader.orders import conservation
from trader.orders.gate import Gate
from trader.orders.journal import CycleRecord
from trader.orders.store_journal import StoreJournal
from trader.safety import halts
from trader.safety.kill import KillSwitch
from trader.safety.sweep import Swept
from trader.session import killing
from trader.session.engine import Engine
from trader.session.lanes import Priority
from trader.session.sending import Sender

from .registry import Plot, mutant

S = OrderState


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

    async def send(self: Sender, approved: Any, report: Any, at: Any) -> None:
        if not approved:
            return
        engine = self._engine
        answers = await engine.lane.each(Priority.SUBMIT, engine.gate.submit, approved, late=self._answered_late)
        real, late = engine.journal.__dict__.pop("late")
        real(*late[0])
        moves: list[Any] = []
        now = engine.clock.monotonic()
        for one, answer in zip(approved, answers, strict=True):
            outcome = self.outcome(one.order, answer, now) if isinstance(answer, BaseException) else answer
            moves += engine.blotter.outcome(one.order.client_id, outcome, at, now)
        engine.journal.moved(moves)
        report.moves += moves

    journalled = plot.put(Engine, "_journal", journal)
    plot.put(Sender, "send", send)


@mutant("new_id_on_resend")
def _new_id_on_resend(plot: Plot) -> None:
    """No answer in time: the order is sent again at once, as a new order with an id of its own."""

    async def send(self: Sender, approved: Any, report: Any, at: Any) -> None:
        engine = self._engine
        await sent(self, approved, report, at)
        for one in approved:
            order, live = one.order, engine.blotter.get(one.order.client_id)
            if live is None or live.state is not S.UNKNOWN:
                continue
            cycle_id = f"again {order.client_id}"
            client_id = engine.ids.cycle(cycle_id)(order.symbol)
            again = structs.replace(order, client_id=client_id, key=engine.broker.key(client_id))
            record = CycleRecord(engine.name, cycle_id, 0, at, engine.standing.equity, engine.ledger.cash, b"{}")
            engine.journal.decided(record, [again], [], {}, [])
            self.commit([again])
            await sent(self, [Approved(again)], report, at)

    sent = plot.put(Sender, "send", send)


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


@mutant("kill_in_memory")
def _kill_in_memory(plot: Plot) -> None:
    """The kill switch is forgotten by a restart."""
    plot.put(KillSwitch, "_write_file", lambda _self, _trip: None)
    plot.put(KillSwitch, "_write_store", lambda _self, _trip: None)


@mutant("kill_not_cancelling")
def _kill_not_cancelling(plot: Plot) -> None:
    """The kill switch closes the gate and leaves what works at the venue."""
    plot.put(killing, "sweep", lambda _broker, **_more: Swept())
