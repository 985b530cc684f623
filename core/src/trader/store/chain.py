"""The hash chain: every event carries the hash of the one before, so that a change of the past shows.

    hash = blake2b(previous hash + canonical JSON of the event's columns)

An event that stands for other rows (a cycle with its intents, a fill, a cash event) carries a digest of them. What a
chain cannot show is a cut at its end: that needs its newest hash to be kept elsewhere.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, select, type_coerce
from sqlalchemy.types import TypeDecorator

from trader.store.schema import FIXED, cash_event, cycle, epoch, fill, intent, order_event

if TYPE_CHECKING:
    from trader.store.database import Row, Store

GENESIS = bytes(32)

_encode = msgspec.json.Encoder().encode


def digest(rows: Iterable[Row]) -> bytes:
    """Of rows as they are stored."""
    return hashlib.blake2b(_encode(list(rows)), digest_size=32).digest()


def fact_digest(row: Row) -> bytes:
    """Of a fill or a cash event as it is stored. Columns at its end that are NULL do not count: they came later."""
    size = len(row)
    while row[size - 1] is None:
        size -= 1
    return digest([row[:size]])


def newest_event(connection: Connection) -> tuple[int, bytes]:
    """Number and hash of the chain's end; 0 and GENESIS before the first event."""
    last = connection.execute(_LAST).first()
    return (last.seq, last.hash) if last else (0, GENESIS)


class Broken(NamedTuple):
    """Where the journal does not hold: the number of the event, what kind it is, and what is wrong with it."""

    seq: int
    kind: str
    what: str


class Chain:
    """The chain's end within one transaction: `add` events, then `write` them."""

    def __init__(self, store: Store, connection: Connection, epoch: int, session: str | None, recorded_at: int) -> None:
        self._store, self._connection = store, connection
        self._epoch, self._session, self._recorded_at = epoch, session, recorded_at
        self.seq, self._hash = newest_event(connection)
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
def verify_chain(
    store: Store,
    *,
    since: tuple[int, bytes] = (0, GENESIS),
    stop: Callable[[int, bytes], bool] | None = None,
) -> Broken | None:
    """The first row that does not fit what came before, or was changed; None if all fit.

    `since`: number and hash of an event that is known to be right; only what came after it is checked. `stop(number,
    hash)` is asked at every thousandth event that fits, and ends it there by answering True: `since` of the next time.
    """
    with store.reading() as connection, ExitStack() as stack:
        number, before = since
        if number and connection.execute(_HASH, {"of": number}).scalar() != before:
            return Broken(number, "", "the event that was right before is another one now, or missing")
        check = _Check(stack, connection, number)
        for event in _after(stack, connection, order_event, number):
            number += 1
            facts = tuple(event[:-2])
            wrong = _wrong(number, before, event, facts) or check.rows_of(event)
            if wrong is not None:
                return wrong
            before = event[-1]
            if stop is not None and number % _STEP == 0 and stop(number, before):
                return None
        return check.left_over()


def _wrong(number: int, before: bytes, event: Row, facts: Row) -> Broken | None:
    seq, kind = facts[:2]
    if seq != number:
        return Broken(number, kind, f"the event is missing: {seq} comes next")
    if event[-2] != before:
        return Broken(seq, kind, "it does not carry the hash of the event before it")
    if event[-1] != _hash(before, facts):
        return Broken(seq, kind, "the event was changed")
    return None


class _Check:
    """The rows that events stand for, read along with the events: each table once, in the order of its numbers."""

    def __init__(self, stack: ExitStack, connection: Connection, since: int) -> None:
        self._connection = connection
        self._tables = {
            "decided": _Rows(_after(stack, connection, cycle, since)),
            "fill": _Rows(_after(stack, connection, fill, since)),
            "cash": _Rows(_after(stack, connection, cash_event, since)),
        }
        of_cycles = select(*raw(intent)[:FIXED]).where(intent.c.cycle > since).order_by(intent.c.cycle, intent.c.line)
        self._intents = _Rows(stream(stack, connection, of_cycles))

    def rows_of(self, event: Row) -> Broken | None:
        """What is wrong with the rows of an event; and rows up to it that no event stands for."""
        seq, kind = event[:2]
        wanted: bytes | None = None
        for name, table in self._tables.items():
            if table.next <= seq and (name != kind or table.next < seq):
                return Broken(table.next, name, "the row has no event of its kind")
        if kind == "decided":
            rows = self._tables[kind].of(seq)
            wanted = digest(rows + self._intents.of(seq)) if rows else b""
        elif kind in ("fill", "cash"):
            rows = self._tables[kind].of(seq)
            wanted = fact_digest(rows[0]) if rows else b""
        elif kind == "opened":
            found = self._connection.execute(select(*raw(epoch)[:4]).where(epoch.c.number == event[2]))
            rows = [tuple(row) for row in found]
            wanted = digest(rows)
        if wanted == event[_DIGEST]:
            return None
        changed = "the rows that it stands for were changed" if wanted else "the row that it stands for is missing"
        return Broken(seq, kind, changed)

    def left_over(self) -> Broken | None:
        """The first row behind the last event."""
        found = [(table.next, kind) for kind, table in self._tables.items() if table.next < _END]
        return Broken(*min(found), "the row has no event of its kind") if found else None


class _Rows:
    """Rows in the order of their first column; `next` is the number of the first one that nobody took."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._advance()

    def _advance(self) -> None:
        self._row = next(self._rows, None)
        self.next: int = self._row[0] if self._row is not None else _END

    def of(self, seq: int) -> list[Row]:
        """All with this number."""
        found = []
        while self.next == seq and self._row is not None:
            found.append(tuple(self._row))
            self._advance()
        return found


_END = sys.maxsize
_STEP = 1000
_DIGEST = order_event.columns.keys().index("digest")


def _after(stack: ExitStack, connection: Connection, table: Table, since: int) -> Iterator[Row]:
    return stream(stack, connection, select(*raw(table)).where(table.c.seq > since).order_by(table.c.seq))


def stream(stack: ExitStack, connection: Connection, statement: Select[Any]) -> Iterator[Any]:
    """Rows as they are read, some at a time; `stack` ends what is not read to its end."""
    result = stack.enter_context(connection.execute(statement, execution_options={"yield_per": _STEP}))
    return chain.from_iterable(result.partitions())


def raw(table: Table) -> list[ColumnElement[Any]]:
    """The columns as they are stored, not as they are read."""
    return [
        type_coerce(c, c.type.impl).label(c.name) if isinstance(c.type, TypeDecorator) else c for c in table.columns
    ]


_HASH = select(order_event.c.hash).where(order_event.c.seq == bindparam("of"))
_LAST = select(order_event.c.seq, order_event.c.hash).order_by(order_event.c.seq.desc()).limit(1)
