"""What must hold when the faults are off and everything came to rest."""

from __future__ import annotations

from trader.orders.replay import replay, state_hash, stored
from trader.store.chain import verify_chain
from trader.store.database import open_store

from .case import Judge
from .orders import ENDED

MAY_END_IT = ("Unreachable:", "StoreError:", "PluginError:")
"""A session may end because its venue or its database cannot be reached, or a start because its broker talks nonsense;
the next one goes on."""


class Resolved(Judge):
    """I8: every order has an end or works at the venue, and what works there is known to work."""

    def end(self) -> None:
        case, rows = self.case, self.case.rows
        watched = case.watched
        if not watched.converged:
            case.object("I8", f"it did not come to rest: {watched.why_not}")
        working = {order.key for order in watched.venue.truth_working()}
        for order in rows.stands():
            key = rows.intents[order.client_id].key
            if order.state in ENDED:
                continue
            if order.state != "working":
                case.object("I8", f"{order.client_id} is {order.state}, and nothing is on its way any more")
            elif key not in working:
                case.object("I8", f"{order.client_id} is working, and does not work at the venue")
        for life, where, what in watched.errors:
            if where != "session" or not what.startswith(MAY_END_IT):
                case.object("I8", f"process {life}, {where}: {what}")


class Replayed(Judge):
    """I15: the journal played again from its first event gives the state that it keeps, and its chain is whole."""

    def end(self) -> None:
        case, path = self.case, self.case.watched.database
        if not path.exists():
            return
        store = open_store(path, read_only=True, check=False)
        try:
            broken = verify_chain(store)
            if broken is not None:
                case.object("I15", f"the chain does not hold: {broken}")
            for (book,) in case.rows.all("SELECT DISTINCT name FROM book"):
                again = replay(store, book)
                for illegal in again.illegal:
                    case.object("I15", f"event {illegal.seq}: {illegal.what}")
                if state_hash(again) != state_hash(stored(store, book)):
                    case.object("I15", f"the journal of {book}, played again, gives another state than it keeps")
        finally:
            store.close()


class Rebuilt(Judge):
    """I14: a session that starts with an empty journal on the same account comes to the same positions and cash. Looked
    at for some seeds: it takes as long as a start does."""

    EVERY = 4

    def end(self) -> None:
        watched = self.case.watched
        if watched.seed % self.EVERY or not watched.converged:
            return
        from simulation.rebuild import rebuilt

        positions, cash = rebuilt()
        there = {symbol: units for symbol, units in watched.venue.truth_positions().items() if units}
        if positions != there:
            self.case.object("I14", f"a fresh start holds {positions}, the venue {there}")
        if cash != watched.venue.truth_cash():
            self.case.object("I14", f"a fresh start has {cash}, the venue {watched.venue.truth_cash()}")
