"""A whole run without files: the real cycle, engine, order life and ledger on the simulated venue, in memory."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np

from trader.cycle.balancer import Balancer, Threshold
from trader.cycle.coverage import Coverage
from trader.cycle.cycle import Desk
from trader.cycle.decision import Decision
from trader.cycle.exits import ExitRules
from trader.cycle.market import Market, check_bars, instant
from trader.cycle.pipeline import Stage
from trader.cycle.planner import MARKET, Grid
from trader.errors import UsageError
from trader.model import Account, Array, Bars, Fill, Instrument, OrderRequest, Position, Refusal, Signals
from trader.orders.gate import Gate
from trader.orders.journal import MemoryJournal
from trader.protocols import (
    Allocator,
    ExecutionStyle,
    HasState,
    History,
    Leg,
    PortfolioRule,
    RiskRule,
    Strategy,
    Trades,
)
from trader.session.assemble import references
from trader.session.by_hand import open_book
from trader.session.engine import Engine
from trader.session.lanes import InlineLane
from trader.session.report import Report
from trader.simulation import SimulatedVenue, Terms
from trader.testing.fakes import market

T = TypeVar("T")


class Venue(SimulatedVenue):
    """The simulated venue as a whole Broker: always open, a client id is its own key."""

    def open(self) -> Account:
        return self.account()

    def close(self) -> None:
        """Nothing is held open."""

    def key(self, client_id: str) -> str:
        return client_id


class EqualWeights:
    """The same weight for every symbol with an opinion."""

    lookback = 0

    def allocate(self, signals: Signals, history: History, held: Array) -> Array:  # noqa: ARG002 - scores say it all
        direction: Array = np.sign(np.asarray(signals.score, np.float64))
        return direction / max(1, int(np.abs(direction).sum()))


class AtMarket:
    """Everything at market."""

    def legs(self, trades: Trades) -> Sequence[Leg]:  # noqa: ARG002 - all trades go out alike
        return (MARKET,)


@dataclass(slots=True)
class Run:
    """What came of a run. `times` and `curve`: the end of each bar and the equity there; the first is that of the first
    bar. `orders` passed every rule and were sent; `refused` did not. Exact money, market time, oldest first."""

    start: Decimal
    """The cash that it began with."""
    times: list[datetime] = field(default_factory=list)
    curve: list[Decimal] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    orders: list[OrderRequest] = field(default_factory=list)
    refused: list[tuple[OrderRequest, Refusal]] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    """Held at the end, by symbol."""
    cash: Decimal = Decimal(0)

    @property
    def equity(self) -> Decimal:
        """At the last close."""
        return self.curve[-1] if self.curve else self.start

    @property
    def total_return(self) -> float:
        """0.1 is ten per cent."""
        return float(self.equity / self.start) - 1.0


def trade(
    strategy: Strategy | Sequence[Strategy],
    bars: Bars,
    *,
    cash: Decimal | float = 100_000,
    allocator: Allocator | None = None,
    style: ExecutionStyle | None = None,
    rules: Sequence[RiskRule | PortfolioRule] = (),
    balancer: Balancer | None = None,
    exits: ExitRules | None = None,
    drop_threshold: float = 0.0,
    cash_buffer: float = 0.01,
    allow_short: bool = False,
    terms: Terms | None = None,
    instruments: Mapping[str, Instrument] | None = None,
    frames: Mapping[str, Bars] | None = None,
) -> Run:
    """Trade `bars` with the real cycle and engine: `run = trade(MyStrategy(), bars({"AAPL": [...]}))`.

    Several strategies are a pipeline. Without an `allocator` every symbol with an opinion gets the same weight, without
    a `style` all goes out at market; what is decided on a bar fills at the next one's open. `terms`: fees, slippage,
    volume limits (`trader.simulation.Terms`); nothing by default. `frames`: bars of other time frames.

    Raises:
        UsageError: no strategy, or cash that is not above 0.
        DataError: bars that nobody can trade on.
        What a plugin raises or a `trader.errors.BadAnswer`, as it is: a session would hold all positions instead.
    """
    stages = _stages(strategy, drop_threshold)
    money = Decimal(str(cash))
    if not money > 0:
        raise UsageError(f"Expected cash above 0, was {cash}.", where="trade(cash=...)")
    check_bars(bars, "trade(bars)")
    place = market(bars, frames=frames, shown=_shown(stages), instruments=instruments)
    desk = Desk(
        stages,
        ("allocator", allocator or EqualWeights()),
        ("style", style or AtMarket()),
        Coverage(~np.isin(bars.symbols, references(stages)), max(1, len(bars))),
        Grid(bars.symbols, place.instruments),
        balancer=balancer or Threshold(),
        portfolio_rules=[
            (_name(rule), rule) for rule in rules if isinstance(rule, PortfolioRule) and callable(rule.limit)
        ],
        order_rules=[(_name(rule), rule) for rule in rules if isinstance(rule, RiskRule)],
        exits=exits or ExitRules(),
        cash_buffer=cash_buffer,
        allow_short=allow_short,
    )
    conditions = terms or Terms()
    conditions = replace(conditions, shorting=allow_short or conditions.shorting)
    venue = Venue(money, terms=conditions, instruments=place.instruments.values())
    plugins: list[object] = [*(stage.strategy for stage in stages), allocator, *rules]
    return _play(_engine(desk, place, venue, plugins), money)


def _engine(desk: Desk, place: Market, venue: Venue, plugins: Sequence[object]) -> Engine:
    journal = MemoryJournal(b"trade", keep=True)
    return Engine(
        "main",
        desk=desk,
        market=place,
        broker=venue,
        account=venue.account(),
        journal=journal,
        gate=Gate(venue),
        lane=InlineLane(),
        state=journal.load(),
        stateful=[(_name(plugin), plugin) for plugin in plugins if isinstance(plugin, HasState)],
    )


def _play(engine: Engine, cash: Decimal) -> Run:
    run, panel = Run(cash, cash=cash), engine.market.panel
    for row in range(panel.rows):
        if row == 0:
            _now(open_book(engine, Report(), 0, instant(panel.end[0])))
        report = _now(engine.step(row))
        for fault in report.faults:
            fault.error.add_note(f"in {fault.method} in the cycle of {instant(panel.end[row]):%Y-%m-%d %H:%M}")
            raise fault.error
        run.fills += report.fills
        run.times.append(instant(panel.end[row]))
        run.curve.append(engine.standing.equity)
        if report.decision is not None:
            run.decisions.append(report.decision)
            run.orders += [approved.order for approved in report.decision.approved]
            run.refused += report.decision.denied
    run.cash = engine.ledger.cash
    held = sorted(symbol for symbol, held in engine.ledger.holdings.items() if held.quantity)
    run.positions = {symbol: engine.position(symbol) for symbol in held}
    return run


def _stages(strategy: Strategy | Sequence[Strategy], threshold: float) -> list[Stage]:
    strategies = list(strategy) if isinstance(strategy, Sequence) else [strategy]
    if not strategies:
        raise UsageError("Expected a strategy, was none.", where="trade()")
    return [Stage(_name(one), one, threshold) for one in strategies]


def _shown(stages: Sequence[Stage]) -> dict[str, int]:
    """Rows of each other time frame that the strategies declare."""
    shown: dict[str, int] = {}
    for stage in stages:
        for timeframe, rows in getattr(stage.strategy, "timeframes", {}).items():
            shown[timeframe] = max(rows, shown.get(timeframe, 0))
    return shown


def _name(plugin: object) -> str:
    return type(plugin).__name__


def _now(work: Coroutine[Any, Any, T]) -> T:
    """The answer of a coroutine that waits for nothing: an inline lane answers at once, so no event loop is needed."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    work.close()
    raise AssertionError("an inline lane does not wait")
