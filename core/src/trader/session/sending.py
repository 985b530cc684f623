"""The way out of one book: orders and cancels through lane and gate, and their answers, in time or late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trader.model import Approved, Cancel, OrderRef, OrderRequest, OrderState, Outcome, Refusal, Unknown
from trader.orders.blotter import UNCERTAIN
from trader.orders.conservation import Tally
from trader.orders.journal import CycleRecord, Move
from trader.session.lanes import NotStarted, Priority

if TYPE_CHECKING:
    from trader.session.engine import Engine
    from trader.session.report import Report

NO_ANSWER = Unknown("timeout", "no answer in time")
TOO_LATE = Refusal(0, "its turn in the lane came after its deadline", 0.0, 0.0, "deadline")


class Sender:
    """What leaves a book. `wake()` is told of an answer that comes after its deadline: `settle_late` books it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.wake: Callable[[], None] | None = None
        self.in_flight: dict[str, float] = {}
        """Sends that their lane has given up and that may still be running: since when, process seconds."""
        self._late: list[tuple[str, Any]] = []
        self._tally = Tally(engine.gate)

    def commit(self, requests: Sequence[OrderRequest]) -> None:
        """The journal holds these: they may leave."""
        self._engine.blotter.submitting(requests)
        self._engine.gate.committed(requests)
        self._tally.committed += len(requests)

    async def send(self, approved: Sequence[Approved], report: Report, at: datetime) -> None:
        """Through the lane and the gate, in sending order; what came of it is one transaction."""
        if not approved:
            return
        engine, moves = self._engine, list[Move]()
        engine.point("commit>send")
        answers = await engine.lane.each(Priority.SUBMIT, engine.gate.submit, approved, late=self._answered_late)
        engine.point("broker>journal")
        now = engine.clock.monotonic()
        for one, answer in zip(approved, answers, strict=True):
            order = one.order
            outcome = self.outcome(order, answer, now) if isinstance(answer, BaseException) else answer
            if type(outcome) is Refusal:
                self._tally.not_sent += 1
                report.refused.append((order, outcome))
            moves += engine.blotter.outcome(order.client_id, outcome, at, now)
        self._note(moves, report)
        self.conserve()

    async def send_by_hand(self, order: OrderRequest, record: CycleRecord, report: Report) -> None:
        """A person's order, that only reduces: it needs no rule's consent, but journal and gate as any other."""
        self._engine.journal.decided(record, [order], [], {}, [])
        self.commit([order])
        await self.send([Approved(order)], report, record.at)

    async def cancel(
        self, refs: Sequence[OrderRef], report: Report, at: datetime, *, again: bool = False, journal: bool = False
    ) -> None:
        """Ask the venue for every cancel that is journalled and has no end yet. `again`: also those asked for before;
        `journal`: note the wish first."""
        engine, moves, wanted = self._engine, list[Move](), []
        for ref in refs:
            order = engine.blotter.get(ref.client_id)
            if journal or (again and order is not None and order.state is OrderState.CANCEL_UNKNOWN):
                moves += engine.blotter.cancel_sent(ref.client_id, at)
            asked = order is not None and order.state in (OrderState.CANCEL_SENT, OrderState.CANCEL_UNKNOWN)
            if asked or (journal and order is None):
                wanted.append(Cancel(ref))
        self._note(moves, report)
        if not wanted:
            return
        engine.point("cancel>send")
        answers = await engine.lane.each(Priority.CANCEL, engine.gate.cancel, wanted)
        engine.point("cancel>journal")
        outcomes = [answer if isinstance(answer, Outcome) else NO_ANSWER for answer in answers]
        answered = [
            move
            for cancel, outcome in zip(wanted, outcomes, strict=True)
            for move in engine.blotter.cancel_outcome(cancel.ref.client_id, outcome, at)
        ]
        self._note(answered, report)

    def outcome(self, order: OrderRequest, answer: BaseException, now: float) -> Outcome | Refusal:
        """What it means that the lane has no answer; whatever else was raised is raised."""
        if isinstance(answer, NotStarted):
            self._engine.gate.withdraw(order)
            return TOO_LATE
        if isinstance(answer, TimeoutError):
            if getattr(answer, "running", True):
                self.in_flight[order.client_id] = now
            return NO_ANSWER
        raise answer

    def _answered_late(self, approved: Approved, answer: Any) -> None:
        """After its deadline: a fact like any other."""
        self._late.append((approved.order.client_id, answer))
        if self.wake is not None:
            self.wake()

    def settle_late(self, report: Report, at: datetime) -> None:
        """Book the answers that came after their deadline."""
        engine = self._engine
        while self._late:
            client_id, answer = self._late.pop(0)
            self.in_flight.pop(client_id, None)
            order, now = engine.blotter.get(client_id), engine.clock.monotonic()
            if order is not None and order.state in UNCERTAIN:
                order.since = now
            if isinstance(answer, BaseException):
                continue
            if type(answer) is Refusal:
                self._tally.not_sent += order is not None and order.state is OrderState.SUBMITTING
                continue  # it waited at the gate so long that it was taken for sent: the venue will not show it
            self._note(engine.blotter.outcome(client_id, answer, at, now), report)

    def conserve(self) -> None:
        """What left against what is written: a mismatch is a fault of the program, and halts."""
        if self._tally.mismatch(0) is None:
            return
        uncertain = sum(order.state in UNCERTAIN for order in self._engine.blotter.open())
        text = self._tally.mismatch(uncertain)
        if text is not None:
            self._engine.panic(f"book '{self._engine.name}': {text}")

    def _note(self, moves: Sequence[Move], report: Report) -> None:
        if moves:
            self._engine.journal.moved(moves)
            report.moves += moves
