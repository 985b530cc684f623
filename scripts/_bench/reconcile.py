"""How long it takes to agree with a venue on a thousand open orders, of trader's own time: the venue answers at once.

Three cases: the program was killed while it sent, so that each order was possibly sent; nothing happened; each order
was filled meanwhile. Beside them the same number of rows into SQLite, one commit a row.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from trader.clock import VirtualClock
from trader.cycle.market import instant
from trader.model import OrderState
from trader.session.by_hand import open_book
from trader.session.engine import Engine
from trader.session.report import Report

from _bench.bars import made_up_bars
from _bench.exchange import Exchange
from _bench.journal import raw
from _bench.live_book import live_book
from _bench.parts import ReadyWeights, market_of
from _bench.result import Conditions, Result, Target

NAME = "reconcile"


class Killed(BaseException):
    """The program ended there."""


FILLED = "each was filled meanwhile"
CASES: dict[str, Callable[[Engine], Callable[[Report, int, datetime], Awaitable[bool]]]] = {
    "each was possibly sent": lambda engine: engine.awaken,
    "nothing new": lambda engine: engine.reconcile,
    FILLED: lambda engine: engine.reconcile,
}
"""Case -> what is measured, one after the other."""


def measure(conditions: Conditions) -> Iterator[Result]:
    """Medians of rounds, each with a journal of its own; the first round also imports and prepares statements."""
    orders, rounds = (20, 1) if conditions.quick else (1000, 5)
    taken: dict[str, list[float]] = {case: [] for case in CASES}
    rows: list[float] = []
    for turn in range(rounds + 1):
        folder = conditions.folder / f"reconcile-{turn}"
        folder.mkdir()
        found = reconcile(folder, orders)
        row = [[(number, "x" * 200)] for number in range(orders)]
        single = raw(folder / "raw.db", ["CREATE TABLE intent (number, text)"], row)
        shutil.rmtree(folder)
        if turn:
            rows.append(single)
            for case, seconds in found.items():
                taken[case].append(seconds)
    for case in CASES:
        what = f"{orders:,} open orders, {case}"
        against, judged = f"SQLite, {orders:,} commits of one row", not conditions.quick
        reference = median(rows) * 1000
        yield Result(NAME, what, median(taken[case]) * 1000, "ms", against, reference, Target(1000.0), judged)


def reconcile(folder: Path, orders: int) -> dict[str, float]:
    """Seconds of each case. Refuses to answer if the orders do not end where the case says."""
    bars = made_up_bars(1, orders)
    market, strategy = market_of(bars), ReadyWeights(bars, np.full(bars.close.shape, 0.9 / orders))
    clock = VirtualClock(instant(bars.start[0]))
    exchange = Exchange(clock.now())
    with live_book(folder, market, strategy, exchange, clock) as engine:
        asyncio.run(_die_sending(engine))
    with live_book(folder, market, strategy, exchange, clock) as engine:
        return asyncio.run(_cases(engine, exchange, orders))


async def _die_sending(engine: Engine) -> None:
    """Every order of a decision is at the venue, and no answer is in the journal."""

    def die(point: str) -> None:
        if point == "broker>journal":
            raise Killed

    await open_book(engine, Report(), 0, engine.clock.now())
    engine.point = die
    with suppress(Killed):
        await engine.step(0)


async def _cases(engine: Engine, exchange: Exchange, orders: int) -> dict[str, float]:
    seconds: dict[str, float] = {}
    at = engine.clock.now()
    for case, agree in CASES.items():
        if case == FILLED:
            exchange.fill_all(Decimal(50))
        working, report = len(engine.open_orders()), Report()
        began = perf_counter()
        whole = await agree(engine)(report, 0, at)
        seconds[case] = perf_counter() - began
        states = Counter(state for _, state in engine.open_orders())
        expected = {} if case == FILLED else {OrderState.WORKING: orders}
        if not whole or working != orders or states != expected or report.unreached or report.alarms:
            raise AssertionError(f"{case}: {working} orders, then {states}: {report.unreached}, {report.alarms}")
    return seconds
