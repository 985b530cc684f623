"""Real parts that several benchmarks put together: bars, the plugins of this workspace, a desk."""

from __future__ import annotations

from collections.abc import Coroutine
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
from trader.cycle.balancer import Threshold
from trader.cycle.coverage import Coverage
from trader.cycle.cycle import Desk
from trader.cycle.market import Market, Panel
from trader.cycle.pipeline import Stage
from trader.cycle.planner import Grid
from trader.model import Array, Bars, Instrument, Weights
from trader.protocols import Allocator, History, RiskRule, Strategy
from trader_allocate_basic import inverse_volatility
from trader_execution_basic import market as at_market
from trader_risk_limits import (
    max_gross_exposure,
    max_order_notional,
    max_orders_per_cycle,
    max_position_weight,
    price_collar,
)
from trader_strategy_trend_following import Settings as TrendSettings
from trader_strategy_trend_following import TrendFollowing

T = TypeVar("T")
TICK = Decimal("0.0001")


def market_of(bars: Bars) -> Market:
    return Market(Panel.of(bars), {symbol: Instrument(symbol, tick=TICK) for symbol in bars.symbols})


class ReadyWeights:
    """Answers with weights that were made before."""

    lookback = 1

    def __init__(self, bars: Bars, weights: Array) -> None:
        self._at = dict(zip(bars.end.tolist(), weights, strict=True))

    def score(self, history: History) -> Weights:
        return Weights(self._at[history.time[-1].item()])


def trend_following(lookback: int) -> TrendFollowing:
    return TrendFollowing(TrendSettings(fast=max(1, lookback // 5), slow=lookback - 1))


def calm_first() -> inverse_volatility.InverseVolatility:
    return inverse_volatility.InverseVolatility(inverse_volatility.Settings())


def five_limits() -> list[tuple[str, RiskRule]]:
    """Every rule of trader-risk-limits; limits that a calm book does not meet, so that each order passes all five."""
    return [
        ("max_order_notional", max_order_notional.MaxOrderNotional(max_order_notional.Settings(limit=Decimal(10**7)))),
        ("max_position_weight", max_position_weight.MaxPositionWeight(max_position_weight.Settings(limit=0.5))),
        ("max_gross_exposure", max_gross_exposure.MaxGrossExposure(max_gross_exposure.Settings(limit=2.0))),
        ("max_orders_per_cycle", max_orders_per_cycle.MaxOrdersPerCycle(max_orders_per_cycle.Settings(limit=10**4))),
        ("price_collar", price_collar.PriceCollar(price_collar.Settings(limit=0.05))),
    ]


def desk_of(market: Market, strategy: Strategy, allocator: Allocator, band: Threshold) -> Desk:
    """Market orders under the five limits."""
    symbols = market.panel.symbols
    return Desk(
        [Stage("strategy", strategy)],
        ("allocator", allocator),
        ("market", at_market.Market()),
        Coverage(np.ones(len(symbols), bool), 5),
        Grid(symbols, market.instruments),
        balancer=band,
        order_rules=five_limits(),
    )


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The answer of a coroutine that waits for nothing: what runs in an inline lane needs no event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    raise AssertionError("an inline lane does not wait")
