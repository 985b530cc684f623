"""Wishes of other processes (stop, release, cancel, ...): asked here, answered by the session. Their own audit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import insert, select, update

from trader.errors import StoreError, storable
from trader.store.database import Store
from trader.store.schema import command


class Command(NamedTuple):
    """`state` is waiting, done or refused; `args` are plain JSON values."""

    id: int
    kind: str
    args: dict[str, Any]
    requested_by: str
    requested_at: datetime
    state: str
    answered_at: datetime | None
    answer: str | None


def ask(store: Store, kind: str, args: Mapping[str, Any], *, by: str) -> int:
    """Store a wish; its number."""
    row = {"kind": kind, "args": msgspec.json.encode(args).decode(), "requested_by": by, "state": "waiting"}
    statement = insert(command).values(**row, requested_at=store.clock.now()).returning(command.c.id)
    number: int = store.write(lambda connection: connection.execute(statement).scalar_one())
    return number


def waiting(store: Store) -> list[Command]:
    """What is not answered yet, oldest first."""
    with store.reading() as connection:
        return [_command(row) for row in connection.execute(_WAITING)]


def look(store: Store, number: int) -> Command:
    """One command, answered or not."""
    with store.reading() as connection:
        row = connection.execute(select(command).where(command.c.id == number)).first()
    if row is None:
        raise StoreError(f"There is no command {number}.", where=store.where)
    return _command(row)


def answer(store: Store, number: int, text: str, *, refused: bool = False) -> None:
    """Say what was done, or why not; once."""
    values = {"state": "refused" if refused else "done", "answer": storable(text), "answered_at": store.clock.now()}
    statement = update(command).where(command.c.id == number, command.c.state == "waiting").values(**values)
    if store.write(lambda connection: connection.execute(statement).rowcount) != 1:
        raise StoreError(f"Command {number} waits for no answer.", where=store.where)


def _command(row: Any) -> Command:
    number, kind, args, *rest = row
    return Command(number, kind, msgspec.json.decode(args), *rest)


_WAITING = select(command).where(command.c.state == "waiting").order_by(command.c.id)  # made once: asked all the time
