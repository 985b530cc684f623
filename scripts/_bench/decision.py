"""One decision over 500 symbols, each with 250 bars: trend following, inverse volatility, five limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import numpy as np
from trader.cycle.balancer import Threshold
from trader.cycle.cycle import Desk, decide
from trader.cycle.decision import Decision
from trader.cycle.market import Market
from trader.cycle.planner import Stamp
from trader.cycle.portfolio import Portfolio
from trader.model import Signals
from trader.orders.ids import IdMint

from _bench.bars import made_up_bars
from _bench.parts import calm_first, desk_of, market_of, trend_following
from _bench.result import Conditions, Result, Target
from _bench.walks import CASH

NAME = "decision"
TARGET = Target(2.0)
PLUGINS = "the strategy and the allocator alone"


def measure(conditions: Conditions) -> Iterator[Result]:
    """The median decision where nothing is due, where some symbols are, and where all wanted ones are bought."""
    symbols, lookback, more = (20, 30, 5) if conditions.quick else (500, 250, 50)
    market = market_of(made_up_bars(lookback + more, symbols))
    rows = range(lookback, lookback + more)
    alone = _plugins_alone(market, lookback, rows)
    for case, (band, book) in CASES.items():
        desk = desk_of(market, trend_following(lookback), calm_first(), band)
        times, orders = [], []
        for row in rows:
            portfolio = book(desk, market, row)
            began = perf_counter()
            decision = _decide(desk, market, portfolio, row)
            times.append(perf_counter() - began)
            orders.append(len(decision.approved))
        what = f"{symbols} symbols x {lookback} bars, {case} ({median(orders):.0f} orders)"
        yield Result(NAME, what, median(times) * 1000, "ms", PLUGINS, alone * 1000, TARGET, not conditions.quick)


def _decide(desk: Desk, market: Market, portfolio: Portfolio, row: int) -> Decision:
    at = market.window(row, 1).now
    cycle_id = at.isoformat()
    stamp = Stamp("main", at, IdMint(b"bench", "bench", "main").cycle(cycle_id), lambda client_id: client_id)
    mark = desk.grid.to_ticks(market.panel.close[row])
    return decide(desk, market, portfolio, row, number=row, cycle_id=cycle_id, stamp=stamp, mark=mark)


def _in_cash(_desk: Desk, market: Market, _row: int) -> Portfolio:
    return Portfolio.empty(len(market.panel.symbols), float(CASH))


def _on_target(desk: Desk, market: Market, row: int) -> Portfolio:
    """A book that holds exactly what this row's decision wants."""
    book = _in_cash(desk, market, row)
    target = _decide(desk, market, book, row).target
    if target is None:
        raise AssertionError("a decision without targets")
    price = market.panel.close[row]
    book.quantity = np.trunc(CASH * np.nan_to_num(target) / price)
    book.lots = book.quantity.astype(np.int64)
    book.worst = book.quantity
    book.entry_price = price
    book.cash = CASH - float((book.quantity * price).sum())
    return book


def _of_yesterday(desk: Desk, market: Market, row: int) -> Portfolio:
    return _on_target(desk, market, row - 1)


CASES: dict[str, tuple[Threshold, Callable[[Desk, Market, int], Portfolio]]] = {
    "nothing is due": (Threshold(0.02), _on_target),
    "a day after the last one, band 1 % of the target": (Threshold(0.0, 0.01), _of_yesterday),
    "the first one, from cash": (Threshold(0.02), _in_cash),
}
"""Case -> (the band, what the book holds when row `row` is decided)."""


def _plugins_alone(market: Market, lookback: int, rows: range) -> float:
    """Seconds, the median: what NumPy needs for the scores and the weights."""
    strategy, allocator, times = trend_following(lookback), calm_first(), []
    for row in rows:
        began = perf_counter()
        score = np.asarray(strategy.score(market.window(row, lookback)).score)
        chosen = np.flatnonzero(score > 0)
        allocator.allocate(Signals(score[chosen]), market.window(row, allocator.lookback, chosen), score[chosen])
        times.append(perf_counter() - began)
    return median(times)
