"""Trades to orders: whole lots, whole ticks, sells before the buys they fund. The one place where rounding happens.

Every rounding goes towards less risk: target positions and bought quantities toward zero, reductions up to the lot,
a buy's limit down and a sell's limit up to the tick. Lots and ticks are integers in arrays; `OrderRequest`s with
`Decimal`s are made where an order leaves for the store or a venue.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trader.cycle.decision import Fault, Verdict
from trader.cycle.exits import Exit
from trader.cycle.portfolio import Portfolio
from trader.errors import BadAnswer, escaped
from trader.model import Array, Instrument, OrderRequest, OrderType, Purpose, Quote, Side, TimeInForce
from trader.protocols import ExecutionStyle, Leg, Trades

Ints = NDArray[np.int64]
MARKET = Leg(OrderType.MARKET)
MOST = 2.0**61
"""Lots of one position: with what is held they still fit in 64 bits."""
GUARD = -1
"""The leg in the id of a protective stop: a trade of its symbol that was refused in the same cycle has an id too."""
NEAREST = {TimeInForce.DAY: TimeInForce.GTC, TimeInForce.GTC: TimeInForce.DAY}


class Grid:
    """The venue's steps for a panel's columns: ticks, lots, multipliers as floats and as exact decimals; and how long
    its orders may last (`times`, empty: any way), where an instrument's tag "time_in_force" does not say it."""

    def __init__(
        self, symbols: Sequence[str], instruments: Mapping[str, Instrument], times: Collection[str] = ()
    ) -> None:
        rows = [instruments[symbol] for symbol in symbols]
        self.times = [row.tags["time_in_force"].split() if "time_in_force" in row.tags else times for row in rows]
        self.choosy = any(self.times)
        self.symbols = tuple(symbols)
        self.ticks = [row.tick for row in rows]
        self.lots = [row.lot for row in rows]
        self.whole_lots = [row.lot == 1 for row in rows]
        self.tick = np.array([float(row.tick) for row in rows])
        self.lot = np.array([float(row.lot) for row in rows])
        self.multiplier = np.array([float(row.multiplier) for row in rows])
        self.min_notional = np.array([float(row.min_notional) for row in rows])
        self.cash_settled = np.array([row.settlement == "cash" for row in rows])
        self.shortable = np.array([row.shortable for row in rows])

    def price(self, column: int, ticks: int) -> Decimal:
        """`ticks` in currency, exact."""
        return ticks * self.ticks[column]

    def lasting(self, column: int, wanted: TimeInForce) -> TimeInForce:
        """`wanted`, or what comes nearest to it at a venue that has no days, or nothing but days: an order that is not
        filled is cancelled before its trade is planned anew, so both end in time."""
        times, other = self.times[column], NEAREST.get(wanted)
        return other if other is not None and times and wanted not in times and other in times else wanted

    def to_ticks(self, prices: Array) -> Ints:
        """(symbols,) the nearest tick of each price; 0 where there is none."""
        ticks: Ints = np.rint(np.where(np.isnan(prices), 0.0, prices) / self.tick).astype(np.int64)
        return ticks


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every order of a cycle carries. `ids(symbol, leg)` mints a client id, `key` is the broker's."""

    book: str
    at: datetime
    ids: Callable[[str, int], str]
    key: Callable[[str], str]


@dataclass
class Orders:
    """The `Plan` of a cycle: one row an order, in sending order. `lots` are signed; `level` is the limit or stop in
    ticks (0: none)."""

    grid: Grid
    stamp: Stamp
    mark: Ints
    """(symbols,) the marks in ticks."""
    column: NDArray[np.intp]
    lots: Ints
    increases: NDArray[np.bool_]
    leg: Ints
    legs: Sequence[Leg]
    """`legs[leg // 2]` is how an order goes out; an odd `leg` opens, an even one reduces."""
    level: Ints
    purpose: Purpose = Purpose.REBALANCE

    def __len__(self) -> int:
        return len(self.column)

    @cached_property
    def quantity(self) -> Array:
        quantity: Array = self.lots * self.grid.lot[self.column]
        return quantity

    @cached_property
    def price(self) -> Array:
        price: Array = np.where(self.level > 0, self.level, self.mark[self.column]) * self.grid.tick[self.column]
        return price

    @cached_property
    def notional(self) -> Array:
        at_mark = self.mark[self.column] * self.grid.tick[self.column]
        worst = np.where(self.increases, np.maximum(at_mark, self.price), at_mark)
        notional: Array = self.quantity * worst * self.grid.multiplier[self.column]
        return notional

    @cached_property
    def orders(self) -> list[OrderRequest]:
        """The rows as they leave: exact, with their ids."""
        grid, ids, key, book, at = self.grid, self.stamp.ids, self.stamp.key, self.stamp.book, self.stamp.at
        symbols, purpose, buy, sell = grid.symbols, self.purpose, Side.BUY, Side.SELL
        guards = purpose is Purpose.STOP
        whole, lot, tick = grid.whole_lots, grid.lots, grid.ticks
        kinds = [(leg.type, leg.time_in_force, leg.type is OrderType.LIMIT) for leg in self.legs]
        made = []
        rows = zip(
            self.column.tolist(), self.lots.tolist(), self.increases.tolist(), self.leg.tolist(), self.level.tolist(),
            self.mark[self.column].tolist(), strict=True,
        )  # fmt: skip
        for column, lots, increases, number, ticks, mark in rows:
            kind, time_in_force, limits = kinds[number // 2]
            level = ticks * tick[column] if ticks else None
            symbol = symbols[column]
            if grid.choosy:
                time_in_force = grid.lasting(column, time_in_force)
            client_id = ids(symbol, GUARD if guards else number)
            made.append(
                OrderRequest(
                    client_id,
                    key(client_id),
                    book,
                    symbol,
                    buy if lots > 0 else sell,
                    Decimal(abs(lots)) if whole[column] else abs(lots) * lot[column],
                    kind,
                    time_in_force,
                    level if limits else None,
                    None if limits else level,
                    not increases,
                    purpose,
                    mark * tick[column],
                    at,
                )
            )
        return made

    def cost(self) -> Array:
        """Cash that each order takes (> 0) or brings (< 0); 0 for margin-settled instruments."""
        return np.where(self.grid.cash_settled[self.column], self.notional, 0.0)

    def keep(self, rows: NDArray[np.bool_], lots: Ints | None = None) -> Orders:
        """The rows where `rows`, with other lots if given."""
        lots = self.lots if lots is None else lots
        picked = (self.column[rows], lots[rows], self.increases[rows], self.leg[rows])
        return Orders(self.grid, self.stamp, self.mark, *picked, self.legs, self.level[rows], self.purpose)


def nothing(grid: Grid, stamp: Stamp, mark: Ints) -> Orders:
    """A plan without orders."""
    none = np.empty(0, np.int64)
    return Orders(grid, stamp, mark, none.astype(np.intp), none, none.astype(bool), none, (MARKET,), none)


@dataclass(slots=True)
class Planned:
    """The orders, what cash did not reach (symbol, wished, planned), and a style that failed."""

    orders: Orders
    trimmed: list[tuple[str, float, float]]
    fault: Fault | None = None


def plan(
    due: NDArray[np.bool_],
    target: Array,
    portfolio: Portfolio,
    grid: Grid,
    stamp: Stamp,
    mark: Ints,
    style: tuple[str, ExecutionStyle],
    verdict: NDArray[np.int8],
    *,
    cash_buffer: float,
    sells_fund_buys: bool = True,
    reduce_only: bool = False,
    quotes: Mapping[str, Quote] | None = None,
) -> Planned:
    """Orders for the trades that are `due` (symbols,), towards `target` weights. Writes what stops a trade into
    `verdict`. Sells and covers come first; buys are funded in plan order from settled cash, what the sells bring, less
    the buffer and what working buys may still take."""
    columns = np.flatnonzero(due)
    if len(columns) == 0:
        return Planned(nothing(grid, stamp, mark), [])
    held = portfolio.lots[columns]
    worth = mark[columns] * grid.tick[columns] * grid.multiplier[columns] * grid.lot[columns]
    wanted = np.trunc(np.clip(target[columns] * portfolio.equity / worth, -MOST, MOST)).astype(np.int64)
    delta = wanted - held
    reduce = np.where(np.sign(delta) == -np.sign(held), np.sign(delta) * np.minimum(np.abs(delta), np.abs(held)), 0)
    opening = delta - reduce
    verdict[columns] = np.where(delta == 0, Verdict.BELOW_LOT, Verdict.ORDERED)
    bare = (opening < 0) & ~grid.shortable[columns]
    verdict[columns[bare & (reduce == 0)]] = Verdict.NOT_SHORTABLE
    opening[bare] = 0
    if reduce_only:
        verdict[columns[(opening != 0) & (reduce == 0)]] = Verdict.REDUCE_ONLY
        opening[:] = 0
    for part in (reduce, opening):
        small = (part != 0) & (np.abs(part) * worth < grid.min_notional[columns])
        verdict[columns[small]] = Verdict.BELOW_NOTIONAL
        part[small] = 0
        if part is reduce:
            opening[small] = 0  # the other side is opened only behind what closes this one
    first, sells, buys = np.flatnonzero(reduce), np.flatnonzero(opening < 0), np.flatnonzero(opening > 0)
    order = np.concatenate([first, sells, buys])
    lots = np.concatenate([reduce[first], opening[sells], opening[buys]])
    increases = np.arange(len(order)) >= len(first)
    column = columns[order]
    try:
        orders = _place(
            style[1], Orders(grid, stamp, mark, column, lots, increases, lots * 0, (MARKET,), lots * 0), quotes, verdict
        )
    except BaseException as error:  # noqa: BLE001 - what a plugin lets escape becomes the cautious outcome
        exc = escaped(error)
        verdict[columns] = Verdict.FAULT
        fault = Fault(style[0], "legs", exc, "nothing was ordered, all positions were held as they were")
        return Planned(nothing(grid, stamp, mark), [], fault)
    budget = spendable(portfolio, grid, mark, cash_buffer)
    return fund(orders, budget, verdict, sells_fund_buys=sells_fund_buys)


def spendable(portfolio: Portfolio, grid: Grid, mark: Ints, cash_buffer: float) -> float:
    """Cash for buys before any sell: settled cash less the buffer and what working buys may still take."""
    cash = portfolio.cash if portfolio.settled_cash is None else min(portfolio.cash, portfolio.settled_cash)
    free = cash - cash_buffer * max(portfolio.equity, 0.0)
    if portfolio.coming is None:
        return free
    _, bought = portfolio.coming
    opened = np.maximum(bought - np.maximum(-portfolio.quantity, 0.0), 0.0)  # what covers a short is paid by its sale
    pending = opened * mark * grid.tick * grid.multiplier
    return free - float(pending[grid.cash_settled].sum())


def fund(orders: Orders, budget: float, verdict: NDArray[np.int8], *, sells_fund_buys: bool) -> Planned:
    """Cut buys that increase risk, in plan order, to what `budget` and the reducing sells pay for."""
    cost = orders.cost()
    needs = orders.increases & (orders.lots > 0) & (cost > 0)
    if not needs.any():
        return Planned(orders, [])
    covers = cost[~orders.increases & (cost > 0)].sum()
    if sells_fund_buys:
        budget -= cost[~orders.increases & (cost < 0)].sum()
    budget = max(0.0, budget - covers)
    spent = np.cumsum(np.where(needs, cost, 0.0))
    if spent[-1] <= budget:
        return Planned(orders, [])
    lots = orders.lots.copy()
    left = np.maximum(0.0, budget - (spent - cost))
    fits = np.floor(left / np.where(needs, cost / np.maximum(lots, 1), 1.0) * (1 - 1e-12))
    fits = np.minimum(fits, MOST).astype(np.int64)
    lots[needs] = np.minimum(lots[needs], fits[needs])
    grid, column = orders.grid, orders.column
    worth = _least_worth(grid, column, orders.mark[column] * grid.tick[column], orders.level)
    lots[needs & (lots * worth < grid.min_notional[column])] = 0
    cut = np.flatnonzero(lots != orders.lots)
    trimmed = [
        (grid.symbols[column[row]], float(orders.quantity[row]), float(lots[row] * grid.lot[column[row]]))
        for row in cut.tolist()
    ]
    verdict[column[cut[lots[cut] == 0]]] = Verdict.NO_CASH
    return Planned(orders.keep(lots != 0, lots), trimmed)


def _place(
    style: ExecutionStyle, orders: Orders, quotes: Mapping[str, Quote] | None, verdict: NDArray[np.int8]
) -> Orders:
    """Let the execution style say how the orders go out, and round its limits to ticks. What is too little for the
    venue at its limit, and so does not go out at all, is written into `verdict`."""
    grid, column = orders.grid, orders.column
    if len(column) == 0:
        return orders
    symbols = tuple(grid.symbols[index] for index in column.tolist())
    unknown = np.full(len(column), np.nan)
    bid, ask = unknown, unknown
    if quotes:
        bid = np.array([quotes[symbol].bid if symbol in quotes else np.nan for symbol in symbols])
        ask = np.array([quotes[symbol].ask if symbol in quotes else np.nan for symbol in symbols])
    sign = np.sign(orders.lots).astype(np.float64)
    price = orders.mark[column] * grid.tick[column]
    legs = tuple(style.legs(Trades(symbols, sign, np.abs(orders.quantity), price, bid, ask)))
    _check_legs(legs, len(column))
    if len(legs) == 1 and legs[0].fraction == 1.0 and legs[0].limit is None:  # nearly always: all at market
        numbers = orders.increases.astype(np.int64)
        return Orders(
            grid, orders.stamp, orders.mark, column, orders.lots, orders.increases, numbers, legs, orders.level
        )
    levels = [_levels(leg, sign, grid.tick[column], orders.level) for leg in legs]
    worths = [_least_worth(grid, column, price, level) for level in levels]
    parts = []
    left = np.abs(orders.lots)
    whole = sum(leg.fraction for leg in legs) > 1 - 1e-9
    least = grid.min_notional[column]
    small = np.zeros(len(column), bool)
    for number, (leg, worth) in enumerate(zip(legs, worths, strict=True)):
        last = whole and number == len(legs) - 1
        lots = left if last else np.minimum(left, np.floor(np.abs(orders.lots) * leg.fraction).astype(np.int64))
        # A part below the venue's minimum goes with a later leg; what would then be too little to send goes with this.
        small |= (lots > 0) & (lots * worth < least)
        lots = np.where(lots * worth < least, 0, lots)
        lots = np.where(whole & ((left - lots) * worths[-1] < least) & (left * worth >= least), left, lots)
        left = left - lots
        parts.append((lots * sign.astype(np.int64), np.full(len(column), 2 * number) + orders.increases))
    unsent = column[small & (left == np.abs(orders.lots))]
    verdict[unsent] = Verdict.BELOW_NOTIONAL
    # Who opens the other side of a flip goes only with the whole of what closes this one.
    halted = orders.increases & np.isin(column, column[~orders.increases & (left > 0)])
    # Sells of every leg go before buys: a stable sort on "increases" keeps plan order otherwise.
    every = np.concatenate([np.where(halted, 0, part[0]) for part in parts])
    increases = np.tile(orders.increases, len(parts))
    order = np.argsort(increases, kind="stable")
    order = order[every[order] != 0]
    leg_numbers = np.concatenate([part[1] for part in parts]).astype(np.int64)
    level = np.concatenate(levels)
    columns = np.tile(column, len(parts))
    return Orders(
        grid,
        orders.stamp,
        orders.mark,
        columns[order],
        every[order],
        increases[order],
        leg_numbers[order],
        legs,
        level[order],
    )


def _least_worth(grid: Grid, column: NDArray[np.intp], price: Array, level: Ints) -> Array:
    """What a lot is worth where a venue measures the least: at the mark, or at a limit that is below it."""
    price = np.where(level > 0, np.minimum(level * grid.tick[column], price), price)
    worth: Array = price * grid.multiplier[column] * grid.lot[column]
    return worth


def _levels(leg: Leg, sign: Array, tick: Array, none: Ints) -> Ints:
    """A leg's limits in ticks, a buy's down and a sell's up; `none` where it has none."""
    if leg.limit is None:
        return none
    ticks = np.asarray(leg.limit, np.float64) / tick
    rounded: Ints = np.where(sign > 0, np.floor(ticks + 1e-9), np.ceil(ticks - 1e-9)).astype(np.int64)
    at_least: Ints = np.maximum(rounded, 1)
    return at_least


def _check_legs(legs: Sequence[Leg], count: int) -> None:
    if not legs or not all(isinstance(leg, Leg) for leg in legs):
        raise BadAnswer("Expected one Leg or more.")
    total = sum(leg.fraction for leg in legs)
    if not all(0 < leg.fraction <= 1 for leg in legs) or not total <= 1 + 1e-9:
        raise BadAnswer(f"Expected fractions above 0 that sum to at most 1, was {total:g}.")
    for leg in legs:
        if leg.type not in (OrderType.MARKET, OrderType.LIMIT):
            raise BadAnswer(f"Expected market or limit legs, was {leg.type}.")
        if (leg.type is OrderType.LIMIT) is not (leg.limit is not None):
            raise BadAnswer("Expected limit prices for a limit leg, and for no other.")
        if leg.limit is not None:
            limit = np.asarray(leg.limit, np.float64)
            if limit.shape != (count,) or not (np.isfinite(limit) & (limit > 0)).all():
                raise BadAnswer(f"Expected finite limit prices above 0 of shape ({count},).")


def stop_ticks(stop: Array, held: Ints, tick: Array) -> Ints:
    """A protective stop in ticks: a long's (`held` > 0) rounds up, a short's down: out earlier, not later."""
    ticks = stop / tick
    level: Ints = np.where(held > 0, np.ceil(ticks - 1e-9), np.floor(ticks + 1e-9)).astype(np.int64)
    return level


def plan_exits(exits: Sequence[Exit], portfolio: Portfolio, grid: Grid, stamp: Stamp, mark: Ints) -> list[Orders]:
    """Orders for exits: at market to leave, stop orders (good till cancelled) to stand guard. Never more than is held;
    a fraction of it is rounded up to the lot."""
    plans = []
    for leaving in (True, False):
        rows = [one for one in exits if (one.stop is None) is leaving]
        if not rows:
            continue
        column = np.array([one.column for one in rows], np.intp)
        held = portfolio.lots[column]
        part = np.ceil(np.abs(held) * np.array([one.fraction for one in rows]) - 1e-9).astype(np.int64)
        lots = -np.sign(held) * np.minimum(part, np.abs(held))
        level = lots * 0
        leg = MARKET
        if not leaving:
            leg = Leg(OrderType.STOP, TimeInForce.GTC)
            level = stop_ticks(np.array([one.stop or 0.0 for one in rows]), held, grid.tick[column])
        none = np.zeros(len(column), bool)
        purpose = Purpose.EXIT if leaving else Purpose.STOP
        orders = Orders(grid, stamp, mark, column, lots, none, lots * 0, (leg,), level, purpose)
        plans.append(orders.keep(lots != 0))
    return plans
