"""Opens the database, and is the only one that writes to it.

One connection writes, under one lock: the hash chain has one end. Readers have connections of their own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Dialect, Engine, RootTransaction, Table, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFree

from trader.clock import Clock, SystemClock
from trader.errors import Refused, StoreError
from trader.store import MARK, connect
from trader.store.faults import is_conflict, no_connection, store_error
from trader.store.layout import make
from trader.store.layout import revision as stored_revision
from trader.store.lock import InstanceLock, Lock
from trader.store.schema import REVISION

T = TypeVar("T")
Row = tuple[Any, ...]
_CHAIN_END = 7233  # a number of our own among PostgreSQL's advisory locks
_TRIES = 5
_LOOK = 0.02
"""Somebody who only looks whether a session runs (`trader status`) has its lock for less than so long, seconds."""


def open_store(
    url: str | Path,
    *,
    create: bool = True,
    read_only: bool = False,
    check: bool = True,
    busy_seconds: float = 5.0,
    clock: Clock | None = None,
) -> Store:
    """The store at a path, `sqlite:///PATH` or `postgresql://USER@HOST/NAME`: made if `create`, upgraded if older.

    `read_only` looks on beside a running session: it makes, upgrades and writes nothing. `check` reads a SQLite file
    through once for damage. `busy_seconds`: how long to wait for another writer, or for a connection.
    Errors: StoreError where it is damaged, newer, of another program, not to be opened, or not there.
    """
    target = connect.target_of(url)
    create = create and not read_only
    path = Path(cast("str", target.database)) if target.get_backend_name() == "sqlite" else None
    if path is not None:
        connect.look_at(path, create=create, read_only=read_only)
    readers = connect.readers(target, read_only=read_only, busy_seconds=busy_seconds)
    writers = connect.writers(target, busy_seconds=busy_seconds)
    store = Store(readers, writers, path, clock or SystemClock(), read_only=read_only)
    try:
        store.prepare(create=create, check=check)
    except BaseException:
        store.close()
        raise
    return store


class Store:
    """An open database. `where` names it in messages, without a password."""

    def __init__(
        self, readers: Engine, writers: Engine, path: Path | None, clock: Clock, *, read_only: bool = False
    ) -> None:
        self.path, self.clock, self.read_only = path, clock, read_only
        self.where = str(path) if path else readers.url.render_as_string(hide_password=True)
        self._readers, self._writers = readers, writers
        self._lock = threading.RLock()
        self._writer: Connection | None = None
        self._pid = os.getpid()
        self._upserts: dict[tuple[str, ...], Any] = {}

    # ---- reading and writing ----------------------------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write: all of it is committed at the end, or nothing if the body raises. One at a time in the process.

        A PostgreSQL connection that was lost since the last transaction is made anew. If it is lost while the end is
        committed nobody here knows whether it was: read again by key before anything depends on it.
        Errors: StoreError (disk full, locked, lost); an IntegrityError is the caller's to explain and passes.
        """
        self._refuse_fork()
        if self.read_only:
            raise StoreError("It was opened for reading.", where=self.where)
        with self._lock, self._explained():
            connection, transaction = self._begun()
            with transaction:
                yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """What `work(connection)` answers, in a transaction of its own; again, a few times, if PostgreSQL gave way to
        another writer (40001, 40P01). Nothing of a try is left then, so `work` may run again: the same rows under the
        same keys, and nothing done elsewhere.
        """
        for left in reversed(range(_TRIES)):
            try:
                with self.transaction() as connection:
                    return work(connection)
            except StoreError as problem:
                if not left or not is_conflict(problem.__cause__):
                    raise
        raise AssertionError("the last try answers or raises")

    def _begun(self) -> tuple[Connection, RootTransaction]:
        try:
            return self._begin()
        except DBAPIError as problem:
            if not problem.connection_invalidated:
                raise
        return self._begin()  # nothing was asked of the lost connection yet, so a new one loses nothing

    def _begin(self) -> tuple[Connection, RootTransaction]:
        if self._writer is None:
            self._writer = self._writers.connect()
        try:
            transaction = self._writer.begin()
            if self.path is None:  # the chain has one end: writers of other processes wait
                self._writer.execute(text(f"SELECT pg_advisory_xact_lock({_CHAIN_END})"))
        except BaseException:
            self._drop_writer()
            raise
        return self._writer, transaction

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(SQLAlchemyError):
                writer.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read a consistent state, beside whoever writes."""
        self._refuse_fork()
        with self._explained(), self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def apart(self) -> Iterator[Connection]:
        """PostgreSQL: a connection that waits for no reader and no writer; each statement is committed by itself."""
        self._refuse_fork()
        with self._explained(), self._writers.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError("A forked process must not use its parent's connections.", where=self.where)

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Rows in the columns' order, as stored (see `schema`): strings, integers, bytes, None. The fast way in.

        The last columns may be left out of all rows: they are NULL then, or what the table says.
        """
        if rows:
            sql = _insert(table, len(rows[0]), type(connection.dialect))  # type: ignore[arg-type]  # hashed by identity
            connection.exec_driver_sql(sql, list(rows))

    def upsert(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert, or replace what is there under the same primary key. Values as read: Decimal, datetime, bool."""
        if not rows:
            return
        shape = (table.name, *rows[0])
        statement = self._upserts.get(shape)
        if statement is None:
            statement = self._upserts[shape] = self._upsert_statement(table, rows[0])
        connection.execute(statement, rows)

    def _upsert_statement(self, table: Table, row: Mapping[str, Any]) -> Any:
        statement = self._upsertable(table)
        keys = [column.name for column in table.primary_key.columns]
        rest = {name: statement.excluded[name] for name in row if name not in keys}
        if rest:
            return statement.on_conflict_do_update(index_elements=keys, set_=rest)
        return statement.on_conflict_do_nothing(index_elements=keys)

    def _upsertable(self, table: Table) -> Any:
        if self.path is not None:
            from sqlalchemy.dialects import sqlite

            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # slow to import, and most never need it

        return postgresql.insert(table)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as problem:
            raise store_error(problem, self.where) from problem
        except NoneFree as problem:
            raise no_connection(self.where, connect.READERS) from problem

    # ---- opening and closing ----------------------------------------------------------------------------------------
    def prepare(self, *, create: bool, check: bool) -> None:
        """Bring the schema to this version, or say why not. `open_store` calls it."""
        with self.reading() as connection:
            if check and self.path is not None and not self.read_only:
                self._check(connection)
            revision = stored_revision(connection, self.where)
        if revision == REVISION:
            return
        if revision is None and not create:
            raise StoreError("There is no trader database in it.", where=self.where, todo="`trader run` makes one.")
        if revision is not None and self.read_only:
            newer, older = "Use the newer version of trader.", "`trader db upgrade` brings it to this version."
            raise StoreError(_other(revision), where=self.where, todo=newer if revision > REVISION else older)
        if revision is None:
            self._make()
        else:
            self._upgrade(revision)

    def _make(self) -> None:
        with self.transaction() as connection:
            if stored_revision(connection, self.where) is None:  # another process may have been quicker
                make(connection)

    def _upgrade(self, revision: str) -> None:
        """Never under a session that works with the older schema. One that begins meanwhile meets the transaction."""
        from trader.store.upgrade import upgrade

        try:
            alone = self._alone("upgrade", 1.0, 15.0)
        except Refused as busy:
            raise Refused(
                f"{_other(revision)} It is not upgraded while a session runs on it. {busy.what}",
                where=self.where,
                todo="End it (Ctrl-C in its terminal, or its own version's `trader stop`), then start again.",
            ) from None
        with alone, self.transaction() as connection:
            if not alone.keep(connection):  # while it waited for a writer
                raise Refused("Another session has begun on this database.", where=self.where, todo="Try again.")
            stored = stored_revision(connection, self.where)  # another process may have been quicker
            if stored != REVISION:
                upgrade(connection, stored, self.where)

    def _check(self, connection: Connection) -> None:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise store_error(ValueError(f"corrupt: {' '.join(str(found).split())}"), self.where)

    def lock(self, *, session: str = "", ttl: float = 15.0, patience: float | None = None) -> Lock:
        """The right to be the one session on this database, or Refused, which names the holder.

        SQLite: a lock file beside it (it survives `archive` and `close`). PostgreSQL: a lease for `ttl` seconds, which
        its owner renews; one whose owner died is waited for, at most `patience` seconds (None: `ttl`).
        StoreError where another version of trader has upgraded it since it was opened.
        """
        lock = self._alone(session, ttl, patience)
        try:
            with self.reading() as connection:
                revision = stored_revision(connection, self.where)
            if revision != REVISION:
                todo = "Use the newer version of trader."
                raise StoreError(_other(str(revision)), where=self.where, todo=todo)
        except BaseException:
            lock.release()
            raise
        return lock

    def _alone(self, session: str, ttl: float, patience: float | None) -> Lock:
        if self.path is not None:
            lock = InstanceLock(self.path.with_name(self.path.name + ".lock"))
            for _ in range(_TRIES):
                with suppress(Refused):
                    return lock.acquire()
                self.clock.sleep(_LOOK)
            return lock.acquire()
        from trader.store.lease import Lease, owner

        return Lease(self, owner(session), ttl).acquire(patience)

    def archive(self, reason: str) -> Path:
        """Close the database and move it to `archive/<UTC time>-<reason>/` beside it. Nothing is deleted."""
        if self.path is None:
            raise StoreError(
                "trader does not move a PostgreSQL database away.",
                where=self.where,
                todo="Dump it, make an empty one, and name that in the settings.",
            )
        with self._lock:
            self._checkpoint()
            self.close()
            return _move_away(self.path, f"{self.clock.now():%Y%m%dT%H%M%SZ}-{reason}")

    def _checkpoint(self) -> None:
        with self._explained(), self._readers.connect() as connection:
            raw = connection.connection.cursor()
            busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreError("Another process reads the database.", where=self.where, todo="End it and try again.")

    def close(self) -> None:
        """Close all connections; again is no harm."""
        ours = os.getpid() == self._pid  # a forked child only forgets: the connections are its parent's
        with self._lock:
            if ours:
                self._drop_writer()
            self._readers.dispose(close=ours)
            self._writers.dispose(close=ours)


@cache
def _insert(table: Table, width: int, dialect: type[Dialect]) -> str:
    """The statement for rows of so many columns, by position."""
    style = "qmark" if dialect.name == "sqlite" else "format"
    names = table.columns.keys()[:width]
    return str(insert(table).compile(dialect=dialect(paramstyle=style), column_keys=names))  # type: ignore[call-arg]


def _other(revision: str) -> str:
    return f"Its schema is revision {revision}; this version of trader reads {REVISION}."


def _move_away(path: Path, name: str) -> Path:
    folder = path.parent / "archive" / name
    number = 1
    while folder.exists():
        number += 1
        folder = path.parent / "archive" / f"{name}-{number}"
    try:
        folder.mkdir(parents=True)
        # The log first: it is empty after the checkpoint, and a new database must never find it.
        for each in (f"{path.name}-wal", f"{path.name}-shm", MARK, path.name):
            part = path.with_name(each)
            if part.exists():
                part.rename(folder / part.name)
    except OSError as problem:
        raise StoreError(f"It cannot be moved to {folder}: {problem.strerror}.", where=str(path)) from None
    return folder
