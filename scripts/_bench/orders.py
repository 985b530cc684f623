"""What a live book sends in a second: from the decision to the last order out of the gate, every intent on the disk.

Beside it nautilus_trader with its sandbox venue: one order after the other, and all at once.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from trader.clock import VirtualClock
from trader.cycle.market import instant
from trader.session.by_hand import open_book
from trader.session.engine import Engine
from trader.session.report import Report

from _bench.bars import made_up_bars
from _bench.exchange import Exchange
from _bench.live_book import live_book
from _bench.parts import ReadyWeights, market_of
from _bench.programs import Failed
from _bench.result import Conditions, Result, Target

NAME = "orders"
PEER = Path(__file__).with_name("peer_nautilus.py")
SINGLE = 2000
"""So many orders of the peer go one by one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """`gate`: seconds from the beginning of a decision to its last order at the venue; `whole`: of whole steps, from
    what the venue did before to the answers in the journal."""

    orders: int
    gate: float
    whole: float


def measure(conditions: Conditions) -> Iterator[Result]:
    """A thousand orders of one decision, then decisions of one order each; the peer takes turns with them."""
    many, few, rounds = (20, 3, 1) if conditions.quick else (1000, 300, 5)
    together: list[Sent] = []
    single: list[Sent] = []
    theirs: list[dict[str, float]] = []
    for turn in range(rounds + 1):
        taken = send(conditions.folder, many, 1), send(conditions.folder, 1, few)
        peer = _nautilus(conditions, many)
        if turn:  # the first round also imports and prepares statements
            together.append(taken[0])
            single.append(taken[1])
            theirs += [peer] if peer else []
    one_by_one = _beside(theirs, "one_by_one", "one by one")
    at_once = _beside(theirs, "at_once", f"{many:,} at once")
    target, judged, unit = Target(2, "ratio", least=True), not conditions.quick, "orders/s"
    out = median(sent.orders / sent.gate for sent in together)
    what = f"{many:,} orders of one decision, to the last out of the gate"
    yield Result(NAME, what, out, unit, *one_by_one, target, judged)
    yield Result(NAME, what, out, unit, *at_once, target, judged)
    whole = median(sent.orders / sent.whole for sent in together)
    yield Result(NAME, f"{many:,} orders of one decision, the whole step", whole, unit, *at_once)
    whole = median(sent.orders / sent.whole for sent in single)
    yield Result(NAME, "steps of one order each", whole, unit, *one_by_one)


def _beside(theirs: Sequence[dict[str, float]], way: str, words: str) -> tuple[str, float | None]:
    """What a figure is compared to, and its median."""
    if not theirs:
        return "nautilus_trader (not installed)", None
    return f"nautilus_trader, sandbox, {words}", median(rates[way] for rates in theirs)


def send(folder: Path, symbols: int, decisions: int) -> Sent:
    """Each decision trades each symbol; a fresh journal, a venue that answers at once."""
    place = folder / "book"
    place.mkdir()
    bars = made_up_bars(decisions + 1, symbols)
    shares = np.where(np.arange(len(bars)) % 2, 0.45, 0.9) / max(symbols, 2)
    strategy = ReadyWeights(bars, np.repeat(shares[:, None], symbols, axis=1))
    clock = VirtualClock(instant(bars.start[0]))
    exchange = Exchange(clock.now(), parts=1)
    moments: list[float] = []

    def decides(_cycle: str) -> None:
        moments.append(perf_counter())

    try:
        with live_book(place, market_of(bars), strategy, exchange, clock, moment=decides) as engine:
            return asyncio.run(_send(engine, exchange, moments, decisions))
    finally:
        shutil.rmtree(place)


async def _send(engine: Engine, exchange: Exchange, moments: list[float], decisions: int) -> Sent:
    await open_book(engine, Report(), 0, engine.clock.now())
    gate = whole = 0.0
    for row in range(decisions):
        began = perf_counter()
        report = await engine.step(row)
        whole += perf_counter() - began
        gate += exchange.submitted - moments[-1]
        if report.faults or report.refused or report.decision is None or not report.decision.approved:
            raise AssertionError(f"not every order was sent: {report}")
    return Sent(exchange.count, gate, whole)


def _nautilus(conditions: Conditions, group: int) -> dict[str, float] | None:
    """Orders a second of nautilus_trader, by way of sending, in its own environment; None if it is not installed."""
    python = conditions.peer("nautilus", "python")
    if python is None:
        return None
    command = [str(python), str(PEER), str(SINGLE), str(group)]
    done = subprocess.run(command, cwd=conditions.folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"nautilus_trader ended with code {done.returncode}: {done.stderr[-500:]}")
    rates: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return rates
