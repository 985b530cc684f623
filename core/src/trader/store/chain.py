"""The hash chain: every event carries the hash of the one before, so that a change of the past shows.

    hash = blake2b(previous hash + canonical JSON of the event's columns)

An event that stands for other rows (a cycle with its intents, a fill, a cash event) carries a digest of them. What a
chain cannot show is a cut at its end: that needs its newest hash to be kept elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, select, type_coerce
from sqlalchemy.types import TypeDecorator

from trader.store.schema import FIXED, cash_event, cycle, epoch, fill, intent, order_event

if TYPE_CHECKING:
    from trader.store.database import Row, Store

GENESIS = bytes(32)

_encode = msgspec.json.Encoder().encode


def digest(rows: Iterable[Row]) -> bytes:
    """Of rows as they are stored."""
    return hashlib.blake2b(_encode(list(rows)), digest_size=32).digest()


class Chain:
    """The chain's end within one transaction: `add` events, then `write` them."""

    def __init__(self, store: Store, connection: Connection, epoch: int, session: str | None, recorded_at: int) -> None:
        self._store, self._connection = store, connection
        self._epoch, self._session, self._recorded_at = epoch, session, recorded_at
        last = connection.execute(_LAST).first()
        self.seq: int = last.seq if last else 0
        self._hash: bytes = last.hash if last else GENESIS
        self._rows: list[Row] = []

    def add(
        self,
        kind: str,
        *,
        book: str | None = None,
        client_id: str | None = None,
        state: str | None = None,
        cause: str | None = None,
        reason: str | None = None,
        venue_id: str | None = None,
        filled: str | None = None,
        digest: bytes | None = None,
        at: int | None = None,
    ) -> None:
        """One more event, numbered `seq` + 1."""
        self.seq += 1
        happened = (client_id, state, cause, reason, venue_id, filled, digest, at)
        row = (self.seq, kind, self._epoch, book, *happened, self._recorded_at, self._session)
        before, self._hash = self._hash, _hash(self._hash, row)
        self._rows.append((*row, before, self._hash))

    def write(self) -> None:
        """Insert what was added."""
        self._store.insert(self._connection, order_event, self._rows)
        self._rows = []


def _hash(before: bytes, row: Row) -> bytes:
    return hashlib.blake2b(before + _encode(row), digest_size=32).digest()


# ---- verification ---------------------------------------------------------------------------------------------------
def verify_chain(store: Store) -> int | None:
    """The number of the first event that does not fit what came before, or whose rows were changed; None if all fit."""
    with store.reading() as connection:
        loose = _loose(connection)
        before = GENESIS
        statement = select(*raw(order_event)).order_by(order_event.c.seq)
        events = connection.execute(statement, execution_options={"yield_per": 1000})
        for seq, row in enumerate(events, start=1):
            facts, was_before, is_hash = tuple(row[:-2]), row[-2], row[-1]
            fits = row[0] == seq and was_before == before and is_hash == _hash(before, facts)
            if not fits or row.digest != _stands_for(connection, row) or (loose is not None and loose <= seq):
                return seq
            before = is_hash
    return loose


def _stands_for(connection: Connection, event: Any) -> bytes | None:
    """The digest of the rows that an event stands for, as they are now."""
    match event.kind:
        case "opened":
            return digest(_stored(connection, select(*raw(epoch)[:4]).where(epoch.c.number == event.epoch)))
        case "decided":
            decided = select(*raw(cycle)).where(cycle.c.seq == event.seq)
            orders = select(*raw(intent)[:FIXED]).where(intent.c.cycle == event.seq).order_by(intent.c.line)
            return digest([*_stored(connection, decided), *_stored(connection, orders)])
        case "fill":
            return digest(_stored(connection, select(*raw(fill)).where(fill.c.seq == event.seq)))
        case "cash":
            return digest(_stored(connection, select(*raw(cash_event)).where(cash_event.c.seq == event.seq)))
    return None


def _loose(connection: Connection) -> int | None:
    """The smallest number of a row that has no event of its kind."""
    found: list[int] = []
    for table, kind in ((cycle, "decided"), (fill, "fill"), (cash_event, "cash")):
        events = select(order_event.c.seq).where(order_event.c.kind == kind)
        statement = select(table.c.seq).where(table.c.seq.not_in(events)).order_by(table.c.seq).limit(1)
        found += connection.execute(statement).scalars().all()
    return min(found, default=None)


def _stored(connection: Connection, statement: Select[Any]) -> list[Row]:
    return [tuple(row) for row in connection.execute(statement)]


def raw(table: Table) -> list[ColumnElement[Any]]:
    """The columns as they are stored, not as they are read."""
    return [
        type_coerce(c, c.type.impl).label(c.name) if isinstance(c.type, TypeDecorator) else c for c in table.columns
    ]


_LAST = select(order_event.c.seq, order_event.c.hash).order_by(order_event.c.seq.desc()).limit(1)
