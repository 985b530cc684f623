"""Epochs of the journal and the sessions that wrote in them."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from typing import Literal, NamedTuple

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from trader.errors import StoreError
from trader.store.blocks import EVERYTHING, last_lifted
from trader.store.chain import Chain, digest
from trader.store.database import Store
from trader.store.schema import cycle, epoch, micros, session


class Epoch(NamedTuple):
    """Client ids are made from `nonce`: another epoch never repeats one."""

    number: int
    nonce: bytes
    reason: str
    opened_at: datetime


def current_epoch(store: Store) -> Epoch | None:
    """The newest epoch; None if nothing was ever stored."""
    columns = (epoch.c.number, epoch.c.nonce, epoch.c.reason, epoch.c.opened_at)
    with store.reading() as connection:
        row = connection.execute(select(*columns).order_by(epoch.c.number.desc()).limit(1)).first()
    return None if row is None else Epoch(*row)


def open_epoch(store: Store, nonce: bytes, reason: Literal["first", "cold", "fresh"]) -> Epoch:
    """Close the present epoch and open the next: positions, orders and cash start blank, the old ones stay stored.

    `nonce`: never used in this database before; on recorded data made from the run's seed and the epoch's number.
    """
    now = store.clock.now()

    def write(connection: Connection) -> Epoch:
        last = connection.execute(select(epoch.c.number).order_by(epoch.c.number.desc()).limit(1)).scalar()
        opened = Epoch((last or 0) + 1, nonce, reason, now)
        connection.execute(update(epoch).where(epoch.c.closed_at.is_(None)).values(closed_at=now))
        connection.execute(insert(epoch).values(**opened._asdict()))
        chain = Chain(store, connection, opened.number, None, micros(now))
        chain.add("opened", reason=reason, digest=digest([(opened.number, nonce, reason, micros(now))]))
        chain.write()
        return opened

    try:
        return store.write(write)
    except IntegrityError as problem:
        raise StoreError(
            "This nonce opened an epoch before: its order ids would repeat.", where=store.where
        ) from problem


def start_session(store: Store, session_id: str, *, mode: str, version: str, settings_hash: str) -> None:
    """A session begins to write; an epoch is open."""
    now = store.clock.now()
    present = current_epoch(store)
    if present is None:
        raise StoreError("No epoch is open: a session starts after `open_epoch`.", where=store.where)
    row = {"id": session_id, "epoch": present.number, "mode": mode, "version": version, "settings_hash": settings_hash}
    try:
        store.write(lambda connection: connection.execute(insert(session).values(**row, started_at=now)))
    except IntegrityError as problem:
        raise StoreError(
            f"There was a session {session_id} before: its name must be new.", where=store.where
        ) from problem


def stop_session(store: Store, session_id: str, exit_reason: str) -> None:
    """It ended by itself; a session without an end died."""
    end = {"stopped_at": store.clock.now(), "exit_reason": exit_reason}
    store.write(lambda connection: connection.execute(update(session).where(session.c.id == session_id).values(**end)))


def died_in_a_row(store: Store) -> int:
    """How many of the newest sessions died one after the other before they decided a cycle: no end, and no cycle.

    A session that ended by itself or decided a cycle (number 0, what a person did by hand, is none) ends the row, and
    so does the moment when a person last lifted the kill switch. A session that
    runs looks as if it had died: ask before `start_session`.
    """
    lifted = last_lifted(store, EVERYTHING)
    newest = select(session.c.id, session.c.started_at, session.c.stopped_at)
    with store.reading() as connection:
        rows = connection.execute(newest.order_by(session.c.started_at.desc(), session.c.id.desc()))
        since = lifted.lifted_at if lifted is not None else None
        endless = takewhile(lambda row: row.stopped_at is None and (since is None or row.started_at > since), rows)
        names: list[str] = [row.id for row in endless]
        decided = select(cycle.c.session).where(cycle.c.session.in_(names), cycle.c.number > 0).distinct()
        busy = set(connection.execute(decided).scalars()) if names else set()
    return sum(1 for _ in takewhile(lambda name: name not in busy, names))
