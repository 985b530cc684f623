"""A book with a long life behind it: every cycle of it traded, through the parts that trade in a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from trader.clock import VirtualClock
from trader.cycle.market import instant
from trader.model import Bars
from trader.session.by_hand import open_book
from trader.session.engine import Engine
from trader.session.lanes import InlineLane
from trader.session.report import Report

from _bench.exchange import Exchange
from _bench.live_book import live_book
from _bench.parts import ReadyWeights, at_once, market_of

PARTS = 2
"""Executions of each order."""


@dataclass(frozen=True, slots=True)
class Life:
    """What a book did, and what its account is after it. `account`: for `Exchange.taken_up`."""

    orders: int
    fills: int
    account: bytes


def live_through(folder: Path, bars: Bars) -> Life:
    """Decide on every bar but the last; each cycle trades each symbol: half of it is sold, and bought again."""
    market = market_of(bars)
    shares = np.where(np.arange(len(bars)) % 2, 0.9, 0.45) / len(bars.symbols)
    strategy = ReadyWeights(bars, np.repeat(shares[:, None], len(bars.symbols), axis=1))
    clock = VirtualClock(instant(bars.start[0]))
    exchange = Exchange(clock.now(), parts=PARTS)
    with live_book(folder, market, strategy, exchange, clock, lane=InlineLane()) as engine:
        at_once(_trade(engine, clock))
    fills = len(exchange.fills(instant(bars.start[0])))
    return Life(exchange.count, fills, exchange.keep(clock.now() - timedelta(days=2)))


async def _trade(engine: Engine, clock: VirtualClock) -> None:
    panel = engine.market.panel
    await open_book(engine, Report(), 0, clock.now())
    for row in range(panel.rows - 1):
        clock.advance((instant(panel.end[row]) - clock.now()).total_seconds())
        report = await engine.step(row)
        for fault in report.faults:
            raise fault.error
    if not await engine.reconcile(Report(), row, clock.now()) or engine.open_orders():
        raise AssertionError("the last orders are not closed")
