"""One cycle by hand: closes, what is held and what the plugins say go in, the Decision comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from trader.cycle.balancer import Threshold
from trader.cycle.coverage import Coverage
from trader.cycle.cycle import Desk, decide
from trader.cycle.decision import Verdict
from trader.cycle.market import Market, Panel, instant
from trader.cycle.pipeline import Stage
from trader.cycle.planner import Grid, Stamp
from trader.cycle.portfolio import Portfolio, WorkingOrder
from trader.model import Bars, Instrument, OrderRef, OrderType, Refusal, Signals, Weights
from trader.protocols import Leg


@dataclass
class Says:
    """A strategy that answers with what it was given, or with a function of its history."""

    answer: object
    lookback: int = 1
    asked: list = field(default_factory=list)

    def score(self, history):
        self.asked.append(history)
        return self.answer(history) if callable(self.answer) else self.answer


@dataclass
class Leaves(Says):
    """One that also has a word on what is held."""

    intents: object = ()

    def exits(self, history, positions):
        return self.intents(history, positions) if callable(self.intents) else self.intents


class InProportion:
    """Weights in proportion to the scores."""

    lookback = 1

    def allocate(self, signals, history, held):
        score = np.asarray(signals.score, float)
        return score / max(1e-12, np.abs(score).sum())


class AtMarket:
    def legs(self, trades):
        return (Leg(OrderType.MARKET),)


@dataclass
class Rule:
    """An order rule made of a function (plan, book) -> refusals."""

    of: object
    guards: str = "increasing"

    def check(self, plan, book):
        return self.of(plan, book)


@dataclass
class Shrinks:
    """A portfolio rule made of a function (targets, book) -> targets."""

    of: object

    def limit(self, targets, book):
        return self.of(targets, book)


def panel_of(close, *, timeframe="1d"):
    """close: symbol -> closes (None: no bar); the other prices are the close, volume is 1,000."""
    symbols = tuple(close)
    table = np.array([[np.nan if x is None else float(x) for x in close[symbol]] for symbol in symbols]).T
    step = np.timedelta64(1, "D")
    start = np.datetime64("2024-01-01", "ns") + np.arange(len(table)) * step
    volume = np.where(np.isnan(table), np.nan, 1000.0)
    bars = Bars(symbols, timeframe, start, start + step, *(table.copy() for _ in range(4)), volume)
    return Panel.of(bars)


def portfolio_of(market: Market, held: Mapping[str, float], cash, *, row, entry=None, entry_row=0, blocked=()):
    panel = market.panel
    price = np.nan_to_num(panel.close[row])
    portfolio = Portfolio.empty(len(panel.symbols), float(cash))
    equity = float(cash)
    for symbol, quantity in held.items():
        column, rules = panel.column[symbol], market.instruments[symbol]
        portfolio.quantity[column] = quantity
        portfolio.lots[column] = int(round(quantity / float(rules.lot), 6))
        portfolio.entry_price[column] = (entry or {}).get(symbol, price[column])
        portfolio.entry_row[column] = entry_row
        portfolio.entry_time[column] = panel.end[entry_row]
        portfolio.best[column] = price[column]
        if rules.settlement == "cash":
            equity += quantity * price[column] * float(rules.multiplier)
    portfolio.worst = portfolio.quantity.copy()
    portfolio.equity = portfolio.peak_equity = portfolio.day_equity = equity
    for symbol in blocked:
        portfolio.blocked[panel.column[symbol]] = True
    return portfolio


def at_work(market, portfolio, symbol, quantity, *, stop=None, cancellable=True, leaves=False, name="w1"):
    """Put an order to work: signed units, `stop` where it stands guard."""
    column = market.panel.column[symbol]
    portfolio.unresolved[column] = True
    if stop is None:
        portfolio.pending[column] += quantity
    sold, bought = portfolio.coming or (np.zeros(len(portfolio.quantity)), np.zeros(len(portfolio.quantity)))
    (bought if quantity > 0 else sold)[column] += abs(quantity)
    _may_come(portfolio, sold, bought)
    ref = OrderRef(name, name, symbol)
    portfolio.working = (*portfolio.working, WorkingOrder(ref, column, stop, cancellable, quantity, leaves))


def in_doubt(market, portfolio, doubt):
    """So much may yet be traded though no open order says so."""
    sold, bought = (np.array([doubt.get(symbol, (0.0, 0.0))[way] for symbol in market.panel.symbols]) for way in (0, 1))
    _may_come(portfolio, sold, bought)


def _may_come(portfolio, sold, bought):
    low, high = portfolio.quantity - sold, portfolio.quantity + bought
    portfolio.worst = np.where(np.abs(high) >= np.abs(low), high, low)
    portfolio.coming = (sold, bought)


def decision_of(
    close,
    stages: Sequence | object,
    *,
    held: Mapping[str, float] | None = None,
    cash=100_000.0,
    instruments: Mapping[str, Instrument] | None = None,
    rules=(),
    shrinks=(),
    style=None,
    allocator=None,
    balancer=None,
    references=(),
    max_age=5,
    blocked=(),
    working=(),
    doubt=None,
    entry=None,
    entry_row=0,
    row=None,
    settled_cash=None,
    frames=None,
    now=None,
    **desk_options,
):
    """The Decision on the last bar. `stages`: a strategy, or a list of strategies or Stages. `working`: argument
    tuples or dicts for `at_work`. `doubt`: symbol -> units that may yet be (sold, bought). `frames`: other time frames,
    as the market has them."""
    panel = close if isinstance(close, Panel) else panel_of(close)
    known = {symbol: Instrument(symbol) for symbol in panel.symbols} | dict(instruments or {})
    market = Market(panel, known, frames or {})
    row = panel.rows - 1 if row is None else row
    portfolio = portfolio_of(market, held or {}, cash, row=row, entry=entry, entry_row=entry_row, blocked=blocked)
    portfolio.settled_cash = settled_cash
    for order in working:
        at_work(market, portfolio, **order)
    if doubt:
        in_doubt(market, portfolio, doubt)
    listed = stages if isinstance(stages, list) else [stages]
    staged = [one if isinstance(one, Stage) else Stage(f"s{index}", one) for index, one in enumerate(listed, 1)]
    grid = Grid(panel.symbols, market.instruments)
    desk = Desk(
        staged,
        ("allocator", allocator or InProportion()),
        ("style", style or AtMarket()),
        Coverage(~np.isin(panel.symbols, list(references)), max_age),
        grid,
        balancer=balancer or Threshold(),
        portfolio_rules=[(f"p{number}", rule) for number, rule in enumerate(shrinks, 1)],
        order_rules=[(f"r{number}", rule) for number, rule in enumerate(rules, 1)],
        **desk_options,
    )
    at = instant(panel.end[row])
    stamp = Stamp("main", at, lambda symbol, leg=0: f"{symbol}-{leg}", lambda client_id: client_id)
    mark = grid.to_ticks(panel.close[row])
    return decide(desk, market, portfolio, row, number=1, cycle_id=at.isoformat(), stamp=stamp, mark=mark, now=now)


def verdicts(decision):
    return {symbol: Verdict(code).name for symbol, code in zip(decision.symbols, decision.verdict, strict=True)}


def orders(decision):
    """symbol, side, quantity of everything that was approved, in sending order."""
    return [(o.symbol, str(o.side), o.quantity) for o in (approved.order for approved in decision.approved)]


@pytest.fixture(scope="session")
def cycle():
    """The words that the tests of a cycle are written in."""
    return SimpleNamespace(
        Says=Says, Leaves=Leaves, InProportion=InProportion, AtMarket=AtMarket, Rule=Rule, Shrinks=Shrinks, Stage=Stage,
        Signals=Signals, Weights=Weights, Refusal=Refusal, panel=panel_of, decide=decision_of, verdicts=verdicts,
        orders=orders,
    )  # fmt: skip
