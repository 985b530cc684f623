"""One cycle: exits, coverage, pipeline, allocation, portfolio rules, balancer, planner, order rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from trader.cycle import allocation, exits, pipeline, planner, risk
from trader.cycle.balancer import Balancer, Threshold
from trader.cycle.coverage import Coverage
from trader.cycle.decision import Decision, Verdict
from trader.cycle.market import Market, instant64
from trader.cycle.pipeline import Opinion, Stage
from trader.cycle.planner import Grid, Orders, Stamp
from trader.cycle.portfolio import BookView, Portfolio, WorkingOrder
from trader.model import Array, Refusal
from trader.protocols import Allocator, ExecutionStyle, HasExits, PortfolioRule, RiskRule

WHOLE = 1 - 1e-9
"""Of a lot: sums of units may miss it by a billionth, as far as floats go."""


@dataclass(slots=True)
class Desk:
    """How one book decides: its plugins and its settings. Read once at start; nothing is looked up in a cycle.

    `gross`: sum of |weights| that may be invested. `plans`: False in read_only mode, nothing is planned.
    `reduce_only`: what would open or enlarge a position is left out. `paused`: strategies that a person silenced; while
    one of the pipeline is, everything is held, and only exits go out.
    """

    stages: Sequence[Stage]
    allocator: tuple[str, Allocator]
    style: tuple[str, ExecutionStyle]
    coverage: Coverage
    grid: Grid
    balancer: Balancer = field(default_factory=Threshold)
    portfolio_rules: Sequence[tuple[str, PortfolioRule]] = ()
    order_rules: Sequence[tuple[str, RiskRule]] = ()
    exits: exits.ExitRules = field(default_factory=exits.ExitRules)
    cash_buffer: float = 0.01
    allow_short: bool = False
    gross: float = 1.0
    sells_fund_buys: bool = True
    plans: bool = True
    reduce_only: bool = False
    paused: frozenset[str] = frozenset()
    lookback: int = field(init=False)
    """Bars that a symbol must have before it takes part; the longest of its plugins."""
    exiting: list[tuple[str, HasExits, int]] = field(init=False)
    """The strategies that have a word on what is held."""

    @property
    def asks_for_exits(self) -> bool:
        """Whether anybody has a word on what is held; where not, nobody needs to know when it was entered."""
        return self.exits.any or bool(self.exiting)

    def __post_init__(self) -> None:
        self.lookback = max([stage.strategy.lookback for stage in self.stages] + [self.allocator[1].lookback, 1])
        self.exiting = [
            (stage.name, stage.strategy, stage.strategy.lookback)
            for stage in self.stages
            if isinstance(stage.strategy, HasExits)
        ]


def decide(
    desk: Desk,
    market: Market,
    portfolio: Portfolio,
    row: int,
    *,
    number: int,
    cycle_id: str,
    stamp: Stamp,
    mark: planner.Ints,
    now: datetime | None = None,
) -> Decision:
    """The Decision of one book at the end of bar `row`. `mark`: (symbols,) the closes in ticks. `now`: the moment up to
    which the age of bars counts, on live data later than the bar's end (None). Pure."""
    panel, grid = market.panel, desk.grid
    price = panel.close[row]
    held = _held_weights(portfolio, price, grid)
    moment = panel.end[row] if now is None else instant64(now)
    verdict = desk.coverage.judge(market, portfolio, row, desk.lookback, moment)
    decision = Decision(
        stamp.book, cycle_id, number, stamp.at, panel.symbols, portfolio.equity, portfolio.cash, price,
        portfolio.quantity.copy(), held, verdict, allocator=desk.allocator[0], balancer=desk.balancer.name,
    )  # fmt: skip
    book = BookView(portfolio, panel.symbols, price, grid.multiplier, stamp.at, market.instruments, market.quotes)
    leaving = _exits(desk, market, portfolio, row, decision)
    opinion = _opinion(desk, market, row, verdict, decision)
    target = _targets(desk, market, row, opinion, held, book, decision)
    if not desk.plans:
        verdict[verdict == Verdict.HELD] = Verdict.NOT_PLANNED
        return decision
    due, guarded = _due(desk, target, held, portfolio, price, mark, verdict, decision)
    leaving_now = [one for one in leaving if not portfolio.blocked[one.column]]
    ready = _without_orders(leaving_now, portfolio, grid, decision)
    _retire_stops(leaving, portfolio, decision)
    _leave(desk, [one for one in ready if one.stop is None], portfolio, stamp, mark, book, decision)
    _plan(desk, market, due, target, portfolio, stamp, mark, book, decision)
    _step_aside(desk, market, guarded, target, portfolio, stamp, mark, book, decision)
    # A trade and a stop together could sell more than is held: the stop is placed when no trade is on its way.
    ordered = {approved.order.symbol for approved in decision.approved}
    stops = [one for one in ready if one.stop is not None and panel.symbols[one.column] not in ordered]
    _leave(desk, stops, portfolio, stamp, mark, book, decision)
    return decision


def _held_weights(portfolio: Portfolio, price: Array, grid: Grid) -> Array:
    if portfolio.equity <= 0:
        return np.zeros(len(price))
    value = portfolio.quantity * price * grid.multiplier
    return np.where(portfolio.quantity == 0.0, 0.0, value / portfolio.equity)


def _exits(desk: Desk, market: Market, portfolio: Portfolio, row: int, decision: Decision) -> list[exits.Exit]:
    found, faults = exits.ask(
        desk.exits, desk.exiting, market, portfolio, market.panel.close[row], desk.grid.multiplier, row
    )
    decision.faults += faults
    decision.exits = [one.record(market.panel.symbols) for one in found]
    for one in found:
        if one.stop is None:
            decision.verdict[one.column] = Verdict.EXITED
    return found


def _opinion(desk: Desk, market: Market, row: int, verdict: NDArray[np.int8], decision: Decision) -> Opinion:
    columns = np.flatnonzero(verdict == Verdict.HELD)
    silent = [stage.name for stage in desk.stages if stage.name in desk.paused]
    if silent:
        decision.notes.append(f"{', '.join(silent)}: paused by hand, everything is held")
        columns = columns[:0]
    opinion = pipeline.score(desk.stages, market, row, columns, allow_short=desk.allow_short, gross=desk.gross)
    decision.stages, decision.score = opinion.stages, opinion.score
    decision.notes += opinion.notes
    decision.faults += opinion.faults
    if silent:
        verdict[verdict == Verdict.HELD] = Verdict.NO_OPINION
    elif opinion.faults:
        verdict[columns] = Verdict.FAULT
    else:
        verdict[columns[np.isnan(opinion.score[columns])]] = Verdict.NO_OPINION
    return opinion


def _targets(
    desk: Desk, market: Market, row: int, opinion: Opinion, held: Array, book: BookView, decision: Decision
) -> Array:
    """Target weights (symbols,) after the portfolio rules; NaN: keep."""
    if opinion.weights is not None:
        targets = allocation.Targets(opinion.score, [])
        decision.allocator = ""
    else:
        investable = max(0.0, desk.gross * (1.0 - desk.cash_buffer))
        name, allocator = desk.allocator
        targets = allocation.allocate(name, allocator, opinion.score, market, row, held, investable)
    if targets.fault is None:
        targets = allocation.shrink(targets, desk.portfolio_rules, book, held)
    if targets.fault is not None:
        decision.faults.append(targets.fault)
        decision.verdict[decision.verdict == Verdict.HELD] = Verdict.FAULT
    decision.target, decision.shrunk = targets.weight, targets.shrunk
    return targets.final


def _due(
    desk: Desk,
    target: Array,
    held: Array,
    portfolio: Portfolio,
    price: Array,
    mark: planner.Ints,
    verdict: NDArray[np.int8],
    decision: Decision,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a trade is due and may be planned now, and where only a stop stands in its way. Any other order that still
    works for a symbol and no longer fits is cancelled."""
    guarded = np.zeros(len(target), bool)
    if portfolio.equity <= 0:
        decision.notes.append("equity is not above 0: nothing is planned")
        return guarded, guarded
    tiny = (verdict == Verdict.HELD) & (mark == 0)
    if tiny.any():
        names = ", ".join(decision.symbols[column] for column in np.flatnonzero(tiny).tolist())
        decision.notes.append(f"{names}: the price is below half a tick, nothing is planned")
        verdict[tiny] = Verdict.BELOW_TICK
    heading = np.where(portfolio.lots == 0, 0.0, held)  # less than a lot cannot be sold: for a trade it is flat
    if portfolio.working:
        grid, units = desk.grid, portfolio.quantity + portfolio.pending
        weight = np.where(np.abs(units) < grid.lot * WHOLE, 0.0, units * price * grid.multiplier / portfolio.equity)
        heading = np.where(portfolio.pending == 0.0, heading, weight)
    due = desk.balancer.due(target, heading)
    open_to = verdict == Verdict.HELD
    still = open_to & ~due
    verdict[still] = np.where(target[still] == 0.0, Verdict.NO_CHANGE, Verdict.IN_BAND)
    wanted: NDArray[np.bool_] = due & open_to
    if not portfolio.working:
        return wanted, guarded
    guarded = wanted & portfolio.unresolved
    for order in portfolio.working:
        guarded[order.column] &= order.stop is not None and order.cancellable
    for order in portfolio.working:
        if wanted[order.column] and not guarded[order.column] and order.cancellable:
            decision.cancels.append(order.ref)
    verdict[wanted & portfolio.unresolved] = Verdict.UNRESOLVED
    wanted &= ~portfolio.unresolved
    return wanted, guarded


def _step_aside(
    desk: Desk, market: Market, guarded: NDArray[np.bool_], target: Array, portfolio: Portfolio, stamp: Stamp,
    mark: planner.Ints, book: BookView, decision: Decision,
) -> None:  # fmt: skip
    """A stop is cancelled for a trade that could go if it were gone; for one that cannot (below a lot, refused, not
    paid for) what is held would stand unguarded every other cycle."""
    if not guarded.any():
        return
    planned, judgement = _judged(desk, market, guarded, target, portfolio, stamp, mark, book, decision)
    orders = planned.orders
    decision.faults += judgement.faults
    _deny(orders, judgement.refusals, decision)
    known = {ref.client_id for ref in decision.cancels}
    for column in np.unique(orders.column[judgement.passed]).tolist():
        decision.verdict[column] = Verdict.UNRESOLVED
        refs = [order.ref for order in portfolio.working if order.column == column]
        decision.cancels += [ref for ref in refs if ref.client_id not in known]


def _without_orders(
    leaving: list[exits.Exit], portfolio: Portfolio, grid: Grid, decision: Decision
) -> list[exits.Exit]:
    """Exits that can be planned now. One whose symbol has an order at work waits for its cancel; a stop that already
    stands at its level stays, and so does an order that leaves already."""
    at_work: dict[int, list[WorkingOrder]] = {}
    for order in portfolio.working:
        at_work.setdefault(order.column, []).append(order)
    ready = []
    for one in leaving:
        orders = at_work.get(one.column, [])
        if not orders:
            ready.append(one)
        elif not any(_stands(order, one, portfolio, grid) for order in orders):
            known = {ref.client_id for ref in decision.cancels}
            decision.cancels += [
                order.ref for order in orders if order.cancellable and order.ref.client_id not in known
            ]
    return ready


def _retire_stops(leaving: list[exits.Exit], portfolio: Portfolio, decision: Decision) -> None:
    """Cancel standing stops that nobody asked for again. One whose strategy failed in this cycle is left standing."""
    if any(fault.method == "exits" for fault in decision.faults):
        return
    asked = {one.column for one in leaving}
    known = {ref.client_id for ref in decision.cancels}
    for order in portfolio.working:
        if order.stop is not None and order.column not in asked and order.cancellable:
            decision.cancels += [order.ref] if order.ref.client_id not in known else []


def _stands(order: WorkingOrder, one: exits.Exit, portfolio: Portfolio, grid: Grid) -> bool:
    """Whether an order does what this exit would do: leaves, or is a stop at its level that guards all that is held
    (a fraction may have been filled in part). Somebody else's trade may have left less than the order would trade."""
    held, closes = int(portfolio.lots[one.column]), -round(order.rest / grid.lot[one.column])
    if not 0 < closes / held <= 1:
        return False
    if one.stop is None or order.stop is None:
        return one.stop is None and order.leaves
    here = slice(one.column, one.column + 1)
    (level,) = planner.stop_ticks(np.array([one.stop]), portfolio.lots[here], grid.tick[here])
    return (closes == held or one.fraction < 1) and bool(abs(order.stop / grid.tick[one.column] - level) < 0.5)


def _leave(
    desk: Desk, leaving: list[exits.Exit], portfolio: Portfolio, stamp: Stamp, mark: planner.Ints, book: BookView,
    decision: Decision,
) -> None:  # fmt: skip
    for plan in planner.plan_exits(leaving, portfolio, desk.grid, stamp, mark):
        _approve(plan, risk.judge(plan, desk.order_rules, book), decision)


def _plan(
    desk: Desk, market: Market, due: NDArray[np.bool_], target: Array, portfolio: Portfolio, stamp: Stamp,
    mark: planner.Ints, book: BookView, decision: Decision,
) -> None:  # fmt: skip
    planned, judgement = _judged(desk, market, due, target, portfolio, stamp, mark, book, decision)
    orders = planned.orders
    refused_sells = ~judgement.passed & ~orders.increases & (orders.lots < 0)
    if refused_sells.any():
        planned = _fund_anew(orders, judgement, portfolio, desk, mark, decision)
        judgement = risk.Judgement(np.ones(len(planned.orders), bool), {}, [])
    decision.trimmed = planned.trimmed
    _approve(planned.orders, judgement, decision)


def _judged(
    desk: Desk, market: Market, due: NDArray[np.bool_], target: Array, portfolio: Portfolio, stamp: Stamp,
    mark: planner.Ints, book: BookView, decision: Decision,
) -> tuple[planner.Planned, risk.Judgement]:  # fmt: skip
    """The orders of the trades that are due, and what the rules say of them."""
    planned = planner.plan(
        due, target, portfolio, desk.grid, stamp, mark, desk.style, decision.verdict,
        cash_buffer=desk.cash_buffer, sells_fund_buys=desk.sells_fund_buys, reduce_only=desk.reduce_only,
        quotes=market.quotes,
    )  # fmt: skip
    if planned.fault is not None:
        decision.faults.append(planned.fault)
    orders = planned.orders
    opens = orders.increases
    judgement = risk.judge(orders, desk.order_rules, book.facing(orders.column[opens], orders.lots[opens]))
    return planned, judgement


def _fund_anew(
    orders: Orders, judgement: risk.Judgement, portfolio: Portfolio, desk: Desk, mark: planner.Ints, decision: Decision
) -> planner.Planned:
    """A sell was refused: what is left of the plan is funded again without its proceeds. Buys only shrink."""
    _deny(orders, judgement.refusals, decision)
    decision.faults += judgement.faults
    budget = planner.spendable(portfolio, desk.grid, mark, desk.cash_buffer)
    rest = orders.keep(judgement.passed)
    return planner.fund(rest, budget, decision.verdict, sells_fund_buys=desk.sells_fund_buys)


def _approve(orders: Orders, judgement: risk.Judgement, decision: Decision) -> None:
    decision.faults += judgement.faults
    _deny(orders, judgement.refusals, decision)
    passed = orders if judgement.passed.all() else orders.keep(judgement.passed)
    decision.approved += risk.approve(passed)


def _deny(orders: Orders, refusals: Mapping[int, Refusal], decision: Decision) -> None:
    for row, refusal in sorted(refusals.items()):
        decision.denied.append((orders.orders[row], refusal))
        decision.verdict[orders.column[row]] = Verdict.REFUSED
