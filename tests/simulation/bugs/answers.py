"""What an answer means, and its absence."""

from __future__ import annotations

from typing import Any

from trader.model import (
    Accepted,
    NotFound,
    OrderState,
    Outcome,
    Rejected,
    Unavailable,
    Unknown,
)
from trader.orders import blotter
from trader.orders.blotter import Blotter
from trader.orders.lifecycle import Cause
from trader.session import reconcile
from trader.session.reconcile import Reconciler

from .registry import Plot, mutant

S = OrderState


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
