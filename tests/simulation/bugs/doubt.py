"""What is uncertain, and what is done about it."""

from __future__ import annotations

from typing import Any

from trader.model import OrderState
from trader.orders.blotter import Blotter
from trader.orders.store_journal import StoreJournal
from trader.session.engine import Engine
from trader.session.reconcile import Reconciler
from trader.session.sending import Sender
from trader.session.standing import Standing

from .registry import Plot, mutant

S = OrderState


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
        self: Sender, refs: Any, report: Any, at: Any, *, again: bool = False, journal: bool = False
    ) -> None:
        if not again:
            await asked(self, refs, report, at, again=again, journal=journal)

    asked = plot.put(Sender, "cancel", cancel)


@mutant("positions_not_compared")
def _positions_not_compared(plot: Plot) -> None:
    """What the venue says is held is not compared with the books."""
    plot.put(Reconciler, "_compare", lambda *_args: None)
