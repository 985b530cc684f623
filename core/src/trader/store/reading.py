"""What the command line reads: plain rows (dicts with Decimal and aware datetimes), newest epoch, oldest first.

`open_store(url, read_only=True)` beside a running session is enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection, Select, func, select

from trader.errors import UsageError
from trader.store import schema as s
from trader.store.chain import raw
from trader.store.database import Store

Facts: TypeAlias = dict[str, Any]

_NEWEST = select(func.max(s.epoch.c.number)).scalar_subquery()
_CYCLE = (s.cycle.c.book, s.cycle.c.cycle_id, s.cycle.c.number, s.cycle.c.at, s.cycle.c.equity, s.cycle.c.cash)
_ORDERS = (
    select(*s.intent.c, s.cycle.c.cycle_id, s.cycle.c.number.label("cycle_number"))
    .join(s.cycle, s.cycle.c.seq == s.intent.c.cycle)
    .where(s.cycle.c.epoch == _NEWEST)
)


# ---- books, sessions -----------------------------------------------------------------------------------------------
def books(store: Store) -> list[Facts]:
    """name, venue, account, cash, peak_equity; equity, number, cycle_id and at of the last cycle (None before it)."""
    with store.reading() as connection:
        found = _all(connection, select(s.book).where(s.book.c.epoch == _NEWEST).order_by(s.book.c.name))
        return [each | _standing(connection, each["name"]) for each in found]


def _standing(connection: Connection, book: str) -> Facts:
    last = _all(connection, _cycles(book).limit(1))
    return {name: last[0][name] if last else None for name in ("equity", "number", "cycle_id", "at")}


def sessions(store: Store) -> list[Facts]:
    """Every session of every epoch; `stopped_at` None: it runs, or it died."""
    with store.reading() as connection:
        return _all(connection, select(s.session).order_by(s.session.c.started_at, s.session.c.id))


def holdings(store: Store, book: str | None = None) -> list[Facts]:
    """book, symbol, quantity, price, entry_time, realized; flat ones too (quantity 0)."""
    statement = select(s.holding).where(s.holding.c.epoch == _NEWEST).order_by(s.holding.c.book, s.holding.c.symbol)
    with store.reading() as connection:
        return _all(connection, statement if book is None else statement.where(s.holding.c.book == book))


# ---- cycles --------------------------------------------------------------------------------------------------------
def cycles(store: Store, book: str, last: int | None = None) -> list[Facts]:
    """book, cycle_id, number, at, equity, cash of the newest `last` cycles (None: all), oldest first."""
    with store.reading() as connection:
        return _all(connection, _cycles(book).limit(last))[::-1]


def cycle(store: Store, book: str, which: int | str | None = None) -> Facts | None:
    """One cycle by number or id (None: the newest), with its `decision` (JSON decoded) and its `orders`."""
    statement = _cycles(book).add_columns(s.cycle.c.decision, s.cycle.c.seq)
    if which is not None:
        statement = statement.where((s.cycle.c.number if isinstance(which, int) else s.cycle.c.cycle_id) == which)
    with store.reading() as connection:
        return _whole(connection, statement)


def latest_cycle_touching(store: Store, symbol: str, book: str | None = None) -> Facts | None:
    """The newest cycle with an order in the symbol, whole as from `cycle`; denied orders count."""
    wanted = (
        select(func.max(s.intent.c.cycle))
        .join(s.cycle, s.cycle.c.seq == s.intent.c.cycle)
        .where(s.intent.c.symbol == symbol, s.cycle.c.number > 0)
    )
    if book is not None:
        wanted = wanted.where(s.intent.c.book == book)
    statement = _cycles(None).add_columns(s.cycle.c.decision, s.cycle.c.seq)
    with store.reading() as connection:
        return _whole(connection, statement.where(s.cycle.c.seq == wanted.scalar_subquery()))


def _cycles(book: str | None) -> Select[Any]:
    decided = (s.cycle.c.epoch == _NEWEST, s.cycle.c.number > 0)  # 0: what a person did by hand
    statement = select(*_CYCLE).where(*decided).order_by(s.cycle.c.seq.desc())
    return statement if book is None else statement.where(s.cycle.c.book == book)


def _whole(connection: Connection, statement: Select[Any]) -> Facts | None:
    found = _all(connection, statement.limit(1))
    if not found:
        return None
    orders = _ORDERS.where(s.intent.c.cycle == found[0].pop("seq")).order_by(s.intent.c.line)
    decision = found[0].pop("decision")
    return found[0] | {"decision": msgspec.json.decode(decision or b"null"), "orders": _all(connection, orders)}


# ---- orders, fills -------------------------------------------------------------------------------------------------
def orders(store: Store, book: str | None = None, *states: str) -> list[Facts]:
    """The columns of `schema.intent`, with cycle_id and cycle_number; only these states, if any are named."""
    statement = _ORDERS.order_by(s.intent.c.cycle, s.intent.c.line)
    if book is not None:
        statement = statement.where(s.intent.c.book == book)
    if states:
        statement = statement.where(s.intent.c.state.in_(states))
    with store.reading() as connection:
        return _all(connection, statement)


def order(store: Store, prefix: str) -> Facts | None:
    """One order by the beginning of its client id, with its `events`, `fills` and former `venue_ids`.

    Errors: UsageError where several orders begin like this.
    """
    ids = s.intent.c.client_id
    # A database may sort as people do: letters and digits have their order there too, other signs have not.
    between = (ids >= prefix, ids < (prefix and prefix + "z"), func.substr(ids, 1, len(prefix)) == prefix)
    with store.reading() as connection:
        found = _all(connection, _ORDERS.where(*between).order_by(ids).limit(5))
        if len(found) > 1:
            raise UsageError(
                f"Several orders begin with {prefix}: {', '.join(each['client_id'] for each in found)}.",
                todo="Write more of the id.",
            )
        if not found:
            return None
        event, fill, former = s.order_event.c, s.fill.c, s.id_map.c
        this = found[0]["client_id"]
        columns = (
            event.seq,
            event.kind,
            event.state,
            event.cause,
            event.reason,
            event.venue_id,
            event.filled,
            event.at,
        )
        of_it = (event.client_id == this, event.seq > found[0]["cycle"])
        events = select(*columns, event.recorded_at).where(*of_it).order_by(event.seq)
        return found[0] | {
            "events": _all(connection, events),
            "fills": _all(connection, select(s.fill).where(fill.client_id == this).order_by(fill.seq)),
            "venue_ids": list(connection.execute(select(former.venue_id).where(former.client_id == this)).scalars()),
        }


def fills(store: Store, book: str | None = None, symbol: str | None = None) -> list[Facts]:
    """The columns of `schema.fill` in the order of booking, of all epochs: facts stay."""
    statement = select(s.fill).order_by(s.fill.c.seq)
    if book is not None:
        statement = statement.where(s.fill.c.book == book)
    if symbol is not None:
        statement = statement.where(s.fill.c.symbol == symbol)
    with store.reading() as connection:
        return _all(connection, statement)


def cash_events(store: Store, book: str | None = None) -> list[Facts]:
    """The columns of `schema.cash_event` in the order of booking, of all epochs."""
    statement = select(s.cash_event).order_by(s.cash_event.c.seq)
    with store.reading() as connection:
        return _all(connection, statement if book is None else statement.where(s.cash_event.c.book == book))


def _all(connection: Connection, statement: Select[Any]) -> list[Facts]:
    return [dict(row) for row in connection.execute(statement).mappings()]


# ---- the determinism hash ------------------------------------------------------------------------------------------
def fingerprint(store: Store, book: str) -> str:
    """sha256 over the book's decisions, orders and fills in market time: the same run gives the same one.

    It leaves out wall time, sessions, versions, sequence numbers, and the venue's own ids.
    """
    total = hashlib.sha256()
    encode = msgspec.json.Encoder().encode
    with store.reading() as connection:
        for row in _what_counts(connection, book):
            total.update(encode(row) + b"\n")
    return total.hexdigest()


def _what_counts(connection: Connection, book: str) -> Iterator[tuple[Any, ...]]:
    c, i, f = ({column.name: column for column in raw(table)} for table in (s.cycle, s.intent, s.fill))
    of_cycles = [c[name] for name in ("cycle_id", "number", "at", "equity", "cash", "decision")]
    mine = (s.cycle.c.epoch == _NEWEST, s.cycle.c.book == book)
    yield from _rows(connection, select(*of_cycles).where(*mine).order_by(s.cycle.c.seq))
    ours = [i[name] for name in _ORDER_FACTS]
    joined = select(*ours).join(s.cycle, s.cycle.c.seq == s.intent.c.cycle).where(*mine)
    yield from _rows(connection, joined.order_by(s.intent.c.cycle, s.intent.c.line))
    begun = select(func.min(s.cycle.c.seq)).where(*mine).scalar_subquery()
    of_fills = [f[name] for name in ("client_id", "symbol", "side", "quantity", "price", "fee", "fee_currency", "time")]
    booked = select(*of_fills).where(s.fill.c.book == book, s.fill.c.seq > begun)
    yield from _rows(connection, booked.order_by(s.fill.c.seq))


_ORDER_FACTS = (
    *("client_id", "symbol", "side", "quantity", "type", "time_in_force", "limit_price", "stop_price"),
    *("reduce_only", "purpose", "price", "decided_at", "denied", "state", "filled"),
)


def _rows(connection: Connection, statement: Select[Any]) -> Iterator[tuple[Any, ...]]:
    for row in connection.execute(statement, execution_options={"yield_per": 1000}):
        yield tuple(row)
