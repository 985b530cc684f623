"""One book as a live session runs it: journal on the disk, calls in the thread of a lane, every check of the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trader.clock import Clock
from trader.cycle.balancer import Threshold
from trader.cycle.market import Market
from trader.orders.gate import Gate
from trader.orders.store_journal import StoreJournal
from trader.protocols import Strategy
from trader.safety.halts import Halts
from trader.safety.kill import KillSwitch
from trader.session.engine import Engine
from trader.session.lanes import Lane, ThreadLane
from trader.store.database import open_store
from trader.store.runs import current_epoch, open_epoch
from trader.testing.trading import EqualWeights

from _bench.exchange import Exchange
from _bench.parts import desk_of

BOOK, VENUE = "main", "bench"


@contextmanager
def live_book(
    folder: Path, market: Market, strategy: Strategy, exchange: Exchange, clock: Clock, *, lane: Lane | None = None,
    moment: Callable[[str], None] | None = None,
) -> Iterator[Engine]:  # fmt: skip
    """The book whose journal is `folder`/trader.db, new or as it was left. `moment` hears when a decision begins."""
    store = open_store(folder / "trader.db", clock=clock)
    thread = lane or ThreadLane("bench", timeout=60.0)
    try:
        if current_epoch(store) is None:
            open_epoch(store, b"bench", "first")
        journal = StoreJournal(
            store, book=BOOK, venue=VENUE, account=exchange.account().account_id, session="bench", clock=clock
        )
        brakes = Halts(BOOK, add=_halted)
        gate = Gate(exchange, checks=(KillSwitch(folder, store, clock.now, _halted), brakes))
        engine = Engine(
            BOOK, desk=desk_of(market, strategy, EqualWeights(), Threshold(0.0, 0.01)), market=market, broker=exchange,
            account=exchange.account(), journal=journal, gate=gate, lane=thread, state=journal.load(), recorded=False,
            moment=moment, clock=clock, brakes=brakes,
        )  # fmt: skip
        brakes.increases = engine.increases
        yield engine
    finally:
        thread.close()
        store.close()


def _halted(*what: object) -> None:
    raise AssertionError(f"a calm book was halted: {what}")
