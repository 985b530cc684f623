"""The journal played again from its first event: what its orders, positions and cash must be.

`replay` folds the events through the state table and the ledger; `stored` reads what the journal keeps ready of the
same. Both have the same hash, or the one was written without the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from functools import cache
from heapq import merge
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, literal, or_, select

from trader.model import ONE, ZERO, OrderState
from trader.orders.journal import Holding
from trader.orders.ledger import after_trade, base_of
from trader.orders.lifecycle import Cause, legal
from trader.orders.stored_book import holdings
from trader.store import schema as s
from trader.store.chain import stream
from trader.store.database import Store

S = OrderState
NOTES = (Cause.FILL, Cause.REPORT)
"""Causes of an event that leaves its order where it is: a part was filled, the venue gave it another id."""


class Standing(msgspec.Struct, frozen=True):
    """Where an order stands; `filled` counts booked units."""

    state: OrderState
    filled: Decimal
    venue_id: str | None


NEW, REFUSED = Standing(S.SUBMITTING, ZERO, None), Standing(S.DENIED, ZERO, None)


class Illegal(msgspec.Struct, frozen=True):
    """An event, by its number, that the state table has no way for."""

    seq: int
    client_id: str
    what: str


class Replayed(msgspec.Struct):
    """One book: orders of all epochs by client id; holdings by symbol (flat ones too) and cash of the newest epoch.
    `cash` is None before the first cycle or fact. `illegal`: in the order of the journal."""

    orders: dict[str, Standing]
    holdings: dict[str, Holding]
    cash: Decimal | None
    illegal: list[Illegal]


def state_hash(state: Replayed) -> str:
    """sha256 over orders, holdings and cash; amounts count as numbers (7.50 is 7.5)."""
    total = hashlib.sha256()
    encode = msgspec.json.Encoder().encode
    for client_id, order in sorted(state.orders.items()):
        total.update(encode((client_id, order.state, _plain(order.filled), order.venue_id)) + b"\n")
    for symbol, held in sorted(state.holdings.items()):
        amounts = (_plain(held.quantity), _plain(held.price), _plain(held.realized))
        total.update(encode((symbol, amounts, held.entry_time)) + b"\n")
    total.update(encode(_plain(state.cash)))
    return total.hexdigest()


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize() + ZERO:f}"


# ---- from the projections -------------------------------------------------------------------------------------------
def stored(store: Store, book: str) -> Replayed:
    """What the journal keeps ready. A book that was never opened is empty."""
    now = s.intent.c
    with store.reading() as connection, ExitStack() as stack:
        number = connection.execute(_NEWEST).scalar()
        orders = select(now.client_id, now.state, now.filled, now.venue_id).where(now.book == book)
        cash = select(s.book.c.cash).where(s.book.c.name == book, s.book.c.epoch == number)
        return Replayed(
            {row[0]: Standing(S(row[1]), row[2], row[3]) for row in stream(stack, connection, orders)},
            {held.symbol: held for held in holdings(connection, number, book)},
            connection.execute(cash).scalar(),
            [],
        )


# ---- from the events ------------------------------------------------------------------------------------------------
def replay(store: Store, book: str) -> Replayed:
    """Every event of a book in its order, from the first epoch on."""
    fold = _Fold()
    steps: dict[str, Callable[..., None]] = {
        each.__name__: each for each in (fold.opened, fold.decided, fold.intent, fold.moved, fold.fill, fold.cash)
    }
    with store.reading() as connection, ExitStack() as stack:
        for row in _history(stack, connection, book):
            steps[row[1]](row[0], *row[2:])
    return Replayed(fold.orders, fold.holdings, fold.money, fold.illegal)


class _Fold:
    """One book on its way through its events."""

    def __init__(self) -> None:
        self.orders: dict[str, Standing] = {}
        self.holdings: dict[str, Holding] = {}
        self.money: Decimal | None = None
        self.illegal: list[Illegal] = []

    def opened(self, *_row: Any) -> None:
        """A new epoch: positions and cash are blank again, orders keep their ends."""
        self.holdings, self.money = {}, None

    def decided(self, _seq: int, cash: Decimal) -> None:
        if self.money is None:
            self.money = cash

    def intent(self, seq: int, client_id: str, denied: str | None) -> None:
        if client_id in self.orders:
            self.illegal.append(Illegal(seq, client_id, "the order was decided before"))
        self.orders[client_id] = NEW if denied is None else REFUSED

    def moved(
        self, seq: int, client_id: str, state: str, cause: str, venue_id: str | None, filled: Decimal | None
    ) -> None:
        order = self.orders.get(client_id)
        if order is None:
            self.illegal.append(Illegal(seq, client_id, "the order was never decided"))
            return
        to = S(state)
        if not _may(order.state, to, cause):
            self.illegal.append(Illegal(seq, client_id, f"an order cannot go from {order.state} to {to} by {cause}"))
        self.orders[client_id] = Standing(
            to, order.filled if filled is None else filled, order.venue_id if venue_id is None else venue_id
        )

    def fill(
        self,
        _seq: int,
        symbol: str,
        side: str,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
        fee_currency: str,
        time: datetime,
        amount: Decimal | None,
        multiplier: Decimal | None,
        external: bool | None,
    ) -> None:
        if external:
            return
        if multiplier is None:
            multiplier = ONE
        signed = quantity if side == "buy" else -quantity
        held = self.holdings.get(symbol) or Holding(symbol, ZERO, ZERO, None, ZERO)
        after, profit = after_trade(held, signed, price, time, multiplier)
        gross = -signed * price * multiplier
        in_kind = fee and fee_currency and fee_currency == base_of(symbol)
        if amount is None:
            amount = gross if in_kind else gross - fee
        elif in_kind and amount in (gross, profit):  # the fee is not in it: it was paid in what was bought
            after, _ = after_trade(after, -fee, after.price, time, multiplier)
        self.holdings[symbol] = after
        self.money = (self.money or ZERO) + amount

    def cash(self, _seq: int, amount: Decimal, moved: Decimal | None) -> None:
        self.money = (self.money or ZERO) + (amount if moved is None else moved)


@cache
def _may(state: OrderState, to: OrderState, cause: str) -> bool:
    """Whether the table has this way; an end may be journalled without the CLOSING that it comes through."""
    by = Cause(cause)
    if state is to and by in NOTES:
        return True
    return legal(state, to, by) or (legal(state, S.CLOSING, by) and legal(S.CLOSING, to, by))


def _history(stack: ExitStack, connection: Connection, book: str) -> Iterator[tuple[int, str, Any]]:
    """(number, kind, row) of all that counts, each table read along once: the intents of a cycle follow it."""
    event, cycle, intent, fill, cash = (each.c for each in (s.order_event, s.cycle, s.intent, s.fill, s.cash_event))
    moved = and_(event.kind == "moved", event.book == book)
    moves = select(event.seq, event.kind, event.client_id, event.state, event.cause, event.venue_id, event.filled)
    cycles = select(cycle.seq, literal("decided"), cycle.cash).where(cycle.book == book)
    intents = select(intent.cycle, literal("intent"), intent.client_id, intent.denied).where(intent.book == book)
    fills = select(fill.seq, literal("fill"), *(fill[name] for name in _FILL)).where(fill.book == book)
    paid = select(cash.seq, literal("cash"), cash.amount, cash.moved).where(cash.book == book)
    statements = (
        moves.where(or_(event.kind == "opened", moved)).order_by(event.seq),
        cycles.order_by(cycle.seq),
        intents.order_by(intent.cycle, intent.line),
        fills.order_by(fill.seq),
        paid.order_by(cash.seq),
    )
    return merge(*(stream(stack, connection, each) for each in statements), key=itemgetter(0))


_FILL = ("symbol", "side", "quantity", "price", "fee", "fee_currency", "time", "amount", "multiplier", "external")


_NEWEST = select(func.max(s.epoch.c.number))
