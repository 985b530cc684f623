"""Blocks: what may not trade, since when and why. They survive restarts, and only a person lifts them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from sqlalchemy import Connection, Select, insert, select, update

from trader.errors import storable
from trader.store import schema as s
from trader.store.database import Store

Level: TypeAlias = Literal["pause", "reduce", "halt"]
"""Decide nothing; send only what reduces a position; send nothing but cancels."""

EVERYTHING = "*"
"""The kill switch's scope."""


class Block(NamedTuple):
    """`scope`: "*" everything (the kill switch), "BOOK", "BOOK/SYMBOL" or "BOOK:STRATEGY". Moments are aware UTC."""

    id: int
    scope: str
    level: str
    reason: str
    since: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lifted_why: str | None


def block(store: Store, scope: str, level: Level, reason: str) -> Block:
    """Set a block; the same scope, level and reason while it stands is one block, and that one is returned."""
    values = {"scope": scope, "level": level, "reason": storable(reason)}

    def write(connection: Connection) -> Block:
        found = _blocks(connection, _STANDING.filter_by(**values).limit(1))
        if found:
            return found[0]
        new = insert(s.block).values(**values, since=store.clock.now()).returning(*_COLUMNS)
        return Block(*connection.execute(new).one())

    return store.write(write)


def lift(store: Store, scope: str, *, by: str, reason: str, level: Level | None = None) -> list[Block]:
    """Lift what stands on exactly this scope, at this level if one is named; what was lifted, oldest first."""
    at = store.clock.now()

    def write(connection: Connection) -> list[Block]:
        same = {"scope": scope} if level is None else {"scope": scope, "level": level}
        found = _blocks(connection, _STANDING.filter_by(**same))
        ids = [each.id for each in found]
        connection.execute(
            update(s.block).where(s.block.c.id.in_(ids)).values(lifted_by=by, lifted_at=at, lifted_why=reason)
        )
        return [each._replace(lifted_by=by, lifted_at=at, lifted_why=reason) for each in found]

    return store.write(write)


def standing(store: Store) -> list[Block]:
    """Not lifted, oldest first."""
    with store.reading() as connection:
        return _blocks(connection, _STANDING)


def last_lifted(store: Store, scope: str) -> Block | None:
    """The block of a scope that was lifted last."""
    statement = select(*_COLUMNS).filter_by(scope=scope).where(s.block.c.lifted_at.is_not(None))
    with store.reading() as connection:
        found = _blocks(connection, statement.order_by(s.block.c.lifted_at.desc(), s.block.c.id.desc()).limit(1))
    return found[0] if found else None


def _blocks(connection: Connection, statement: Select[Any]) -> list[Block]:
    return [Block(*row) for row in connection.execute(statement)]


_COLUMNS = tuple(s.block.c[name] for name in Block._fields)
_STANDING = select(*_COLUMNS).where(s.block.c.lifted_at.is_(None)).order_by(s.block.c.id)
