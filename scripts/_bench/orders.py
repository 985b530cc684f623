"""What a live book sends in a second: from the decision to the last order out of the gate, every intent on the disk.

Beside it nautilus_trader with its sandbox venue, an order at a time.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from trader.clock import VirtualClock
from trader.cycle.market import instant
from trader.session.by_hand import open_book
from trader.session.engine import Engine, Report

from _bench.bars import made_up_bars
from _bench.exchange import Exchange
from _bench.live_book import live_book, run
from _bench.parts import ReadyWeights, market_of
from _bench.programs import Failed
from _bench.result import Conditions, Result, Target

NAME = "orders"
PEER = Path(__file__).with_name("peer_nautilus.py")


@dataclass(frozen=True, slots=True)
class Sent:
    """`gate`: seconds from the beginning of the decision to the last order at the venue; `whole`: to the end of the
    step, when every answer is in the journal."""

    orders: int
    gate: float
    whole: float


def measure(conditions: Conditions) -> Iterator[Result]:
    """A thousand orders of one decision, then decisions of one order each; the peer takes turns with them."""
    many, few, rounds = (20, 3, 1) if conditions.quick else (1000, 300, 5)
    at_once, one_by_one, theirs = [], [], []
    for turn in range(rounds + 1):
        together, single = send(conditions.folder, many, 1), send(conditions.folder, 1, few)
        rate = _nautilus(conditions, 2000)
        if turn:  # the first round also imports and prepares statements
            at_once.append(together)
            one_by_one.append(single)
            theirs.append(rate)
    reference = median(rate for rate in theirs if rate) if all(theirs) else None
    against = "nautilus_trader, sandbox" if reference else "nautilus_trader (not installed)"
    judged, unit = not conditions.quick, "orders/s"
    for what, target in (("gate", Target(2, "ratio", least=True)), ("whole", None)):
        rate = median(sent.orders / getattr(sent, what) for sent in at_once)
        end = "out of the gate" if what == "gate" else "answered and in the journal"
        yield Result(NAME, f"{many:,} orders of one decision, {end}", rate, unit, against, reference, target, judged)
    rate = median(sent.orders / sent.whole for sent in one_by_one)
    yield Result(NAME, "1 order a decision, answered and in the journal", rate, unit, against, reference)


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
    try:
        with live_book(
            place, market_of(bars), strategy, exchange, clock=clock, moment=lambda _cycle: moments.append(perf_counter())
        ) as engine:
            return run(_send(engine, exchange, moments, decisions))
    finally:
        shutil.rmtree(place)


async def _send(engine: Engine, exchange: Exchange, moments: list[float], decisions: int) -> Sent:
    await open_book(engine, Report(), 0, engine.clock.now())
    gate = whole = 0.0
    for row in range(decisions):
        began = perf_counter()
        report = await engine.step(row)
        whole += perf_counter() - (moments[-1] if decisions == 1 else began)
        gate += exchange.submitted - moments[-1]
        if report.faults or report.refused or report.decision is None or not report.decision.approved:
            raise AssertionError(f"not every order was sent: {report}")
    return Sent(exchange.count, gate, whole)


def _nautilus(conditions: Conditions, orders: int) -> float | None:
    """Orders a second of nautilus_trader in its own environment; None if it is not installed."""
    python = conditions.peer("nautilus", "python")
    if python is None:
        return None
    command = [str(python), str(PEER), str(orders)]
    done = subprocess.run(command, cwd=conditions.folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"nautilus_trader ended with code {done.returncode}: {done.stderr[-500:]}")
    seconds: float = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return orders / seconds
