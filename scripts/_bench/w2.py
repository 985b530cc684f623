"""A book of 500 symbols over ten years, through all of trader but the disk.

Each day an inverse-volatility target is compared with what is held, and what is 1 % or more (of its target) away from
it is traded at the next open. Cycle, planner, rules, order life, simulated venue and ledger are those of every run; a
journal in memory stands in the place of the database. Weights are made before the clock starts: what is measured is
trader, not NumPy.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec
from trader.cycle.balancer import Threshold
from trader.cycle.market import instant
from trader.orders.gate import Gate
from trader.orders.journal import MemoryJournal
from trader.session.engine import Engine
from trader.session.lanes import InlineLane
from trader.testing.trading import Venue

from _bench import walks
from _bench.bars import made_up_bars
from _bench.parts import ReadyWeights, at_once, calm_first, desk_of, market_of
from _bench.programs import Failed
from _bench.result import Conditions, Result, Target

NAME = "w2"
INVESTED = 0.98
NEVER = 1e9
PEER = Path(__file__).with_name("peer_bt.py")


@dataclass(frozen=True, slots=True)
class Played:
    """One run. `bars`: symbols x days."""

    bars: int
    orders: int
    seconds: float

    @property
    def bars_a_second(self) -> float:
        return self.bars / self.seconds


def play(days: int, symbols: int, band: float) -> Played:
    """Play the whole span once; `band` is a share of the target. Refuses to answer if the books do not close."""
    bars = made_up_bars(days, symbols)
    market = market_of(bars)
    strategy = ReadyWeights(bars, walks.inverse_volatility(bars.close, INVESTED))
    venue = Venue(Decimal(walks.CASH), instruments=market.instruments.values())
    account, journal = venue.account(), MemoryJournal(b"bench")
    engine = Engine(
        "main", desk=desk_of(market, strategy, calm_first(), Threshold(0.0, band)), market=market, broker=venue,
        account=account, journal=journal, gate=Gate(venue), lane=InlineLane(),
        state=msgspec.structs.replace(journal.load(), cash=account.cash),
    )  # fmt: skip

    async def every_day() -> None:
        for row in range(days):
            report = await engine.step(row)
            for fault in report.faults:
                raise fault.error
            if row % 20 == 19:  # closed orders are booked: the venue need not keep ten years of them
                venue.forget(instant(bars.end[row - 10]))

    began = perf_counter()
    at_once(every_day())
    seconds = perf_counter() - began
    _closes(engine, venue)
    return Played(days * symbols, journal.intents, seconds)


def _closes(engine: Engine, venue: Venue) -> None:
    last = engine.market.panel.close[engine.market.panel.rows - 1]
    worth = engine.ledger.cash
    for symbol, held in engine.ledger.holdings.items():
        worth += held.quantity * Decimal(str(last[engine.market.panel.column[symbol]]))
    if not worth == engine.standing.equity == venue.account().equity:
        raise AssertionError(f"the books do not close: {worth}, {engine.standing.equity}, {venue.account().equity}")


def measure(conditions: Conditions) -> Iterator[Result]:
    """The work itself, the same without a band and without orders, and what bt does of it."""
    symbols, days, short = (10, 90, 80) if conditions.quick else (500, 2520, 504)
    judged, unit = not conditions.quick, "symbol-bars/s"
    size, smaller = f"{symbols} symbols x {days:,} days", f"{symbols} symbols x {short} days"
    every, theirs = _in_turns(conditions, symbols, short)
    beside = (f"bt, {smaller}, no band" if theirs else "bt (not installed)", theirs)
    traded = play(days, symbols, 0.01)
    what = f"{size}, band 1 % ({traded.orders:,} orders)"
    yield Result(NAME, what, traded.bars_a_second, unit, *beside, Target(100_000, least=True), judged)
    yield Result(NAME, f"{size}, band 1 %", traded.orders / traded.seconds, "orders/s")
    still = play(days, symbols, NEVER)
    what = f"{size}, wide band ({still.orders} orders, all to open)"
    yield Result(NAME, what, still.bars_a_second, unit, *beside, Target(1_000_000, least=True), judged)
    what = f"{smaller}, no band ({every[0].orders:,} orders)"
    yield Result(NAME, what, median(played.bars_a_second for played in every), unit, *beside)


def _in_turns(conditions: Conditions, symbols: int, days: int) -> tuple[list[Played], float | None]:
    """The same work here and in bt, taking turns: what trader did, and the median of bt's symbol-bars a second."""
    ours, theirs = [], []
    python = conditions.peer("bt", "python")
    for _ in range(1 if conditions.quick else 3):
        ours.append(play(days, symbols, 0.0))
        if python is not None:
            theirs.append(symbols * days / _bt(python, conditions.folder, symbols, days))
    return ours, median(theirs) if theirs else None


def _bt(python: Path, folder: Path, symbols: int, days: int) -> float:
    """Seconds that bt takes on the same prices and weights, in its own environment."""
    path = {**os.environ, "PYTHONPATH": str(PEER.parents[1])}
    command = [str(python), str(PEER), str(symbols), str(days), str(INVESTED)]
    done = subprocess.run(command, env=path, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"bt ended with code {done.returncode}: {done.stderr[-500:]}")
    seconds: float = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return seconds
