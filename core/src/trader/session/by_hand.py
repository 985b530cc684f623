"""What a person asks of a book: open it on an account that is not clean, cancel, close, take the venue's word.

The same journal and the same gate as a decision; its record has number 0, and says that it was done by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from trader.cycle.decision import plain
from trader.cycle.exits import Exit
from trader.cycle.planner import Stamp, plan_exits
from trader.errors import Refused, Unreachable
from trader.model import (
    ZERO,
    Account,
    Cancel,
    CashEvent,
    Fill,
    OrderRef,
    OrderReport,
    OrderRequest,
    Position,
    Purpose,
    Side,
    Unavailable,
)
from trader.model import OrderState as S
from trader.orders.blotter import LiveOrder
from trader.orders.differences import CASH
from trader.orders.journal import WITHDRAWN, CycleRecord
from trader.session import asking
from trader.session.asking import ask
from trader.session.awaited import Waiting
from trader.session.lanes import Priority
from trader.session.reconcile import reference

if TYPE_CHECKING:
    from trader.session.engine import Engine
    from trader.session.report import Report

PATIENCE = 30.0
"""Seconds in which a cancelled order must be gone."""
LOOK = 0.5
NOT_CLEAR = (S.SUBMITTING, S.UNKNOWN, S.CANCEL_UNKNOWN, S.REPLACE_UNKNOWN, S.CLOSING)
"""The venue has not said yet what became of it."""


# ---- opening a book ------------------------------------------------------------------------------------------------
async def open_book(
    engine: Engine, report: Report, row: int, at: datetime, *, adopt: bool = False, cancel_open: bool = False
) -> None:
    """First start of a book in this epoch: the account's cash becomes the opening transfer. Refused unless the account
    is clean, or `adopt` takes its positions over, or `cancel_open` cancels its orders. Unreachable without answers."""
    if cancel_open:
        await _clear(engine)
    positions = await _needed(engine, engine.broker.positions, asking.are_positions)
    orders = await _needed(engine, engine.broker.orders, asking.are_reports)
    account = await _needed(engine, engine.broker.account, asking.is_account)
    held = [one for one in positions if one.quantity]
    if not adopt:
        refuse_unclean(engine.name, account, held, orders)
    at = at if engine.recorded else engine.clock.now()
    engine.account = account
    mark, cash = engine.journal.nonce.hex()[:12], account.cash
    instruments = engine.market.instruments
    # An average is an estimate: in 8 places, quantity x price stays exact.
    held = [structs.replace(one, price=round(one.price, 8)) for one in held]
    taken = [one for one in held if one.symbol in instruments]
    for one in taken:
        if instruments[one.symbol].settlement == "cash":
            cash += one.quantity * one.price * instruments[one.symbol].multiplier
    event = CashEvent(f"opening {account.account_id} {mark}", "transfer", cash, account.currency, at)
    engine.opened, engine.reconciler.opened_at = at, None if engine.recorded else at
    fills = [
        Fill(
            f"opening {one.symbol} {mark}{_nth(held[:place], one.symbol)}",
            "",
            "",
            one.symbol,
            Side.BUY if one.quantity > 0 else Side.SELL,
            abs(one.quantity),
            one.price,
            ZERO,
            at,
        )
        for place, one in enumerate(held)
    ]
    engine.reconciler.take_over(fills, report, row, [event])
    for one in orders:
        report.alarm("adopted_order", f"{one.symbol}: order {one.venue_id} of somebody else works on this account")


def _nth(before: Sequence[Position], symbol: str) -> str:
    """What tells two positions of a symbol apart: a hedging account may show them."""
    count = sum(one.symbol == symbol for one in before)
    return f" {count + 1}" if count else ""


def refuse_unclean(book: str, account: Account, held: Sequence[Position], orders: Sequence[OrderReport]) -> None:
    """Refused where a book without a journal of the account would begin on what somebody else left there."""
    if not held and not orders:
        return
    shown = [f"{p.quantity:f} {p.symbol}" for p in held] + [f"order {o.venue_id} {o.symbol}" for o in orders]
    raise Refused(
        f"The account {account.account_id} is not clean and book '{book}' has no journal of it: " + ", ".join(shown),
        todo="Close what is open there, use the state folder that this account was traded with, or take it over: "
        "trader run --cold-start --adopt (or --cancel-open for its orders).",
    )


async def _needed(engine: Engine, question: Callable[[], Any], fits: Callable[[Any], bool]) -> Any:
    answer = await ask(engine.lane, Priority.QUERY, question, fits=fits)
    if isinstance(answer, Unavailable):
        raise Unreachable(f"Broker of book '{engine.name}' does not answer: {answer.reason}")
    return answer


async def _clear(engine: Engine) -> None:
    """Cancel every order that the venue shows, until it shows none."""
    until = engine.clock.monotonic() + PATIENCE
    while True:
        orders: list[OrderReport] = list(await _needed(engine, engine.broker.orders, asking.are_reports))
        if not orders:
            return
        if engine.clock.monotonic() >= until:
            raise Refused(
                f"{len(orders)} orders of account {engine.account.account_id} are still working after {PATIENCE:g} s.",
                todo="Cancel them at the venue, or wait, and start again.",
            )
        cancels = [Cancel(OrderRef("", one.key, one.symbol, one.venue_id)) for one in orders]
        await engine.lane.each(Priority.CANCEL, engine.gate.cancel, cancels)
        await asyncio.sleep(LOOK)


# ---- one order -----------------------------------------------------------------------------------------------------
def known(engine: Engine, beginning: str) -> bool:
    """Whether the book has an open order that `cancel` may mean."""
    ours = any(order.request.client_id.startswith(beginning) for order in engine.blotter.open())
    return ours or any(one.venue_id == beginning for one in engine.reconciler.foreign)


async def cancel(engine: Engine, beginning: str, report: Report, at: datetime) -> str | None:
    """Cancel an open order by the beginning of its client id, or somebody else's by its venue id. What was done; None
    if the book has no such order. Refused where several orders begin like this."""
    known = [order for order in engine.blotter.open() if order.request.client_id.startswith(beginning)]
    if len(known) > 1:
        raise Refused(f"{len(known)} open orders begin with {beginning}. Write more of the id.")
    if known:
        order = known[0]
        client_id = order.request.client_id
        if order.state in (S.SUBMITTING, S.UNKNOWN):
            engine.journal.odd(client_id, WITHDRAWN, at)
            engine.withdrawn.add(client_id)
            return f"{client_id} may or may not be at the venue: it is cancelled as soon as it turns up"
        if order.state is S.CLOSING:
            return f"{client_id} has ended at the venue; its last fills are awaited"
        engine.withdrawn.add(client_id)
        await engine.sender.cancel([reference(order)], report, at, again=True, journal=True)
        return f"{client_id}: cancel asked for, it is {order.state} now"
    for one in engine.reconciler.foreign:
        if one.venue_id == beginning:
            await engine.lane.each(
                Priority.CANCEL, engine.gate.cancel, [Cancel(OrderRef("", one.key, one.symbol, one.venue_id))]
            )
            return f"order {one.venue_id} of somebody else: cancel asked for"
    return None


# ---- one position --------------------------------------------------------------------------------------------------
async def close(engine: Engine, symbol: str, report: Report, row: int, at: datetime) -> str:
    """Cancel what works in a symbol, then sell (or buy back) all whole lots that are held, at market. What was done.

    Refused where nothing is held, or an order of the symbol may be on its way.
    """
    await _none_working(engine, symbol, report, row, at)
    held = engine.ledger.holdings.get(symbol)
    if held is None or not held.quantity:
        raise Refused(f"Book '{engine.name}' holds no {symbol}.")
    column = engine.market.panel.column[symbol]
    cycle_id = f"by hand {at.isoformat()}"
    stamp = Stamp(engine.name, at, engine.ids.cycle(cycle_id), engine.broker.key)
    leaving = [Exit(column, "closed by hand", "a person", 1.0, None)]
    portfolio, grid, marks = engine.standing.portfolio, engine.desk.grid, engine.standing.marks
    plans = [orders for orders in plan_exits(leaving, portfolio, grid, stamp, marks) if len(orders)]
    if not plans:
        raise Refused(f"{held.quantity:f} {symbol} is less than one lot: nothing can be sent.")
    order = structs.replace(plans[0].orders[0], purpose=Purpose.MANUAL)
    await engine.sender.send_by_hand(order, CycleRecord(
        engine.name, cycle_id, 0, at, engine.standing.equity, engine.ledger.cash, _diary(engine, order, at),
        engine.standing.peak,
    ), report)  # fmt: skip
    for refused, refusal in report.refused:
        if refused is order:
            raise Refused(f"Nothing was sent: {refusal.reason}.")
    became = [move for move in report.moves if move.client_id == order.client_id]
    state = f" ({became[-1].state}{f': {became[-1].reason}' if became[-1].reason else ''})" if became else ""
    return f"{order.side} {order.quantity:f} {symbol} at market, order {order.client_id}{state}"


async def _none_working(engine: Engine, symbol: str, report: Report, row: int, at: datetime) -> None:
    until = engine.clock.monotonic() + PATIENCE
    while orders := [order for order in engine.blotter.open() if order.request.symbol == symbol]:
        if any(order.state in (S.SUBMITTING, S.UNKNOWN) for order in orders):
            raise Refused(f"An order of {symbol} may or may not be at the venue. Try again when that is known.")
        if engine.clock.monotonic() >= until:
            raise Refused(f"The orders of {symbol} are not cancelled yet. Try again.")
        await engine.sender.cancel([reference(order) for order in orders], report, at, again=True, journal=True)
        await engine.reconciler.news(report, row, at)
        if any(order.request.symbol == symbol for order in engine.blotter.open()):
            await asyncio.sleep(LOOK)


def _diary(engine: Engine, order: OrderRequest, at: datetime) -> bytes:
    """What `trader why` shows of it."""
    return msgspec.json.encode(
        {
            "book": engine.name,
            "at": at.isoformat(),
            "number": 0,
            "by_hand": f"{order.side} {plain(order.quantity)} {order.symbol}: closed by a person",
        }
    )


# ---- the venue's word ----------------------------------------------------------------------------------------------
def differs(engine: Engine, symbol: str) -> bool:
    """Whether there is something to take the venue's word for."""
    found = any(one.symbol == symbol for one in engine.reconciler.differences)
    return found or engine.reconciler.missing(symbol) is not None or bool(engine.reconciler.awaited.overdue(symbol))


async def take_the_venues_word(engine: Engine, symbol: str, report: Report, row: int, at: datetime) -> str:
    """Book what the venue says of a symbol (or of the cash) as an adjustment: units move without money, money without
    units. Or of an order, by its client id: one that it acknowledged and does not show any more has ended, and so has
    one whose executions never came. Refused where nothing differs."""
    gone = engine.reconciler.missing(symbol)
    if gone is not None:
        why = "the venue does not show it any more, a person took it for ended"
        return _take_for_ended(engine, gone, S.CANCELED, why, report, at)
    texts = [_wait_no_more(engine, one, report, at) for one in engine.reconciler.awaited.overdue(symbol)]
    if texts:  # its symbol can be compared only now
        await engine.reconcile(report, row, at)
    found = next((one for one in engine.reconciler.differences if one.symbol == symbol), None)
    if found is None and texts:
        return "; ".join(texts)
    if found is None:
        raise Refused(f"Nothing differs for {symbol} in book '{engine.name}'.", todo="See: trader reconcile")
    if not (found.told or texts):  # a trade between the two answers, or one that is listed late
        raise Refused(
            f"{symbol} of book '{engine.name}': {found.text()}: it may be a trade that is still on its way.",
            todo=f"Try again when it has stood for {engine.policy.horizon_seconds:g} s, and is halted for it.",
        )
    name = f"adjustment {symbol} {at.isoformat()}"
    change: Decimal = found.found - found.expected
    if symbol == CASH:
        engine.reconciler.book_events([CashEvent(name, "adjustment", change, engine.ledger.currency, at)], report)
    else:
        side = Side.BUY if change > 0 else Side.SELL
        fill = Fill(name, "", "", symbol, side, abs(change), _without_money(engine, symbol, change), ZERO, at)
        engine.reconciler.take_over([fill], report, row)
    engine.reconciler.differences.forget(symbol)
    return "; ".join([*texts, f"{symbol}: booked {change:+f}, as the venue says"])


def _without_money(engine: Engine, symbol: str, change: Decimal) -> Decimal:
    """The price at which units that come or go move no money: where only profit is settled, what closes has none at
    the average, and what opens none at the mark."""
    rules, held = engine.market.instruments.get(symbol), engine.ledger.holdings.get(symbol)
    if rules is None or rules.settlement == "cash":
        return ZERO
    closes = held is not None and held.quantity * change < 0
    return held.price if held is not None and closes else engine.standing.price(symbol)


def _wait_no_more(engine: Engine, one: Waiting, report: Report, at: datetime) -> str:
    """It ended as the venue says, but never as filled: that it is not, in the journal."""
    said = one.said.state if one.said is not None and one.said.state is not S.FILLED else S.CANCELED
    why = f"the venue says {one.expected} filled, a person took it for ended without the executions that never came"
    return _take_for_ended(engine, one.order, said, why, report, at)


def _take_for_ended(engine: Engine, order: LiveOrder, state: S, why: str, report: Report, at: datetime) -> str:
    request = order.request
    ended = OrderReport(
        request.key, order.venue_id or "", request.symbol, request.side, request.quantity, order.filled, state, at,
        reason=why,
    )  # fmt: skip
    engine.reconciler.shown([ended], report, at)
    return f"{request.client_id}: taken for ended, {order.filled:f} of {request.quantity:f} filled"
