"""What people are told, and what is done of it."""

from __future__ import annotations

from typing import Any

from trader.model import ZERO
from trader.safety.halts import Halts
from trader.session.reconcile import Reconciler
from trader.session.session import Session

from .registry import Plot, mutant


@mutant("pause_ignored")
def _pause_ignored(plot: Plot) -> None:
    """A book that is paused decides on."""

    def update(self: Halts, standing: Any) -> None:
        updated(self, standing)
        self.paused = False

    updated = plot.put(Halts, "update", update)


@mutant("hold_forgotten")
def _hold_forgotten(plot: Plot) -> None:
    """A session that was started with --hold says that it holds, and decides."""

    def hold(self: Session, held: bool) -> None:
        holding(self, held)
        self.held = False

    holding = plot.put(Session, "hold", hold)


@mutant("flow_as_profit")
def _flow_as_profit(plot: Plot) -> None:
    """Money that is paid in or taken out counts as profit or loss."""

    def book_events(self: Reconciler, events: Any, report: Any) -> None:
        booked(self, events, report)
        self.engine.standing.flow = ZERO

    booked = plot.put(Reconciler, "book_events", book_events)
