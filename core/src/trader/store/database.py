"""Opens the database, and is the only one that writes to it.

One connection writes, under one lock: the hash chain has one end. Readers have connections of their own.
SQLite runs in WAL with synchronous=FULL and PostgreSQL with synchronous_commit=on: what is committed survives a loss
of power. Both are set on every connection and asked back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, insert, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from trader.clock import Clock, SystemClock
from trader.errors import StoreError
from trader.store.faults import store_error
from trader.store.lock import InstanceLock
from trader.store.schema import REVISION, metadata

Row = tuple[Any, ...]
_CHAIN_END = 7233  # a number of our own among PostgreSQL's advisory locks


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
    through once for damage. `busy_seconds`: how long to wait for another writer.
    Errors: StoreError where it is damaged, newer, of another program, not to be opened, or not there.
    """
    target = _target(url)
    create = create and not read_only
    path = Path(cast("str", target.database)) if target.get_backend_name() == "sqlite" else None
    if path is not None:
        _look_at(path, create=create, read_only=read_only)
    store = Store(_engine(target, read_only, busy_seconds), path, clock or SystemClock(), read_only=read_only)
    try:
        store.prepare(create=create, check=check)
    except BaseException:
        store.close()
        raise
    return store


class Store:
    """An open database. `where` names it in messages, without a password."""

    def __init__(self, engine: Engine, path: Path | None, clock: Clock, *, read_only: bool = False) -> None:
        self.engine, self.path, self.clock, self.read_only = engine, path, clock, read_only
        self.where = str(path) if path else engine.url.render_as_string(hide_password=True)
        self._readers = engine if path else engine.execution_options(isolation_level="REPEATABLE READ")
        self._lock = threading.RLock()
        self._writer: Connection | None = None
        self._pid = os.getpid()
        self._inserts: dict[str, str] = {}
        self._upserts: dict[tuple[str, ...], Any] = {}
        style = "qmark" if path else "format"
        self._positional = type(engine.dialect)(paramstyle=style)  # type: ignore[call-arg]  # every dialect takes it

    # ---- reading and writing ----------------------------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write: all of it is committed at the end, or nothing if the body raises. One at a time in the process.

        Errors: StoreError (disk full, locked, lost); an IntegrityError is the caller's to explain and passes.
        """
        if os.getpid() != self._pid:
            raise StoreError("A forked process must not write through its parent's connection.", where=self.where)
        if self.read_only:
            raise StoreError("It was opened for reading.", where=self.where)
        with self._lock, self._explained():
            if self._writer is None:
                self._writer = self.engine.connect().execution_options(writes=True)
            with self._writer.begin():
                if self.path is None:  # the chain has one end: writers of other processes wait
                    self._writer.execute(text(f"SELECT pg_advisory_xact_lock({_CHAIN_END})"))
                yield self._writer

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read a consistent state, beside whoever writes."""
        with self._explained(), self._readers.connect() as connection, connection.begin():
            yield connection

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Rows in the columns' order, as stored (see `schema`): strings, integers, bytes, None. The fast way in."""
        if rows:
            sql = self._inserts.get(table.name)
            if sql is None:
                sql = self._inserts[table.name] = str(insert(table).compile(dialect=self._positional))
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

    # ---- opening and closing ----------------------------------------------------------------------------------------
    def prepare(self, *, create: bool, check: bool) -> None:
        """Bring the schema to this version, or say why not. `open_store` calls it."""
        with self.reading() as connection:
            if check and self.path is not None and not self.read_only:
                self._check(connection)
            revision = _revision(connection, self.where)
        if revision == REVISION:
            return
        if revision is None and not create:
            raise StoreError("There is no trader database in it.", where=self.where, todo="`trader run` makes one.")
        if revision is not None and self.read_only:
            newer, older = "Use the newer version of trader.", "`trader db upgrade` brings it to this version."
            raise StoreError(_other(revision), where=self.where, todo=newer if revision > REVISION else older)
        with self.transaction() as connection:
            revision = _revision(connection, self.where)  # another process may have been quicker
            if revision is None:
                make(connection)
            elif revision != REVISION:
                from trader.store.upgrade import upgrade

                upgrade(connection, revision, self.where)

    def _check(self, connection: Connection) -> None:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise store_error(ValueError(f"corrupt: {' '.join(str(found).split())}"), self.where)

    def lock(self) -> InstanceLock:
        """Take the instance lock (beside the file; it survives `archive` and `close`), or Refused."""
        if self.path is None:
            raise StoreError("A PostgreSQL database has leases, not a lock file.", where=self.where)
        return InstanceLock(self.path.with_name(self.path.name + ".lock")).acquire()

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
        with self._explained(), self.engine.connect() as connection:
            raw = connection.connection.cursor()
            busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreError("Another process reads the database.", where=self.where, todo="End it and try again.")

    def close(self) -> None:
        """Close all connections; again is no harm."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self.engine.dispose()


def make(connection: Connection) -> None:
    """All tables at once, as the migrations would have made them."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:revision)"), {"revision": REVISION})


# ---- the target -----------------------------------------------------------------------------------------------------
def _target(url: str | Path) -> URL:
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(url))
    try:
        target = make_url(url)
        backend = target.get_backend_name()
    except (ArgumentError, ValueError):
        raise StoreError("That is no database URL.", todo=_URLS) from None
    if backend == "sqlite" and target.database and target.database != ":memory:":
        return target
    if backend in {"postgresql", "postgres"}:
        return target.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"trader keeps its state in SQLite files and PostgreSQL, not in '{target.drivername}'.", todo=_URLS
    )


_URLS = "Write sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME."


def _look_at(path: Path, *, create: bool, read_only: bool) -> None:
    """What can be said about a SQLite file before it is opened."""
    where = str(path)
    if path.is_dir():
        raise StoreError("It is a folder; a database file was expected.", where=where, todo="Name a file in it.")
    try:
        if not path.exists():
            if not create:
                raise StoreError("There is no database yet.", where=where, todo="`trader run` makes one.")
            path.parent.mkdir(parents=True, exist_ok=True)
        elif path.stat().st_size:
            with path.open("rb") as stream:
                if stream.read(16) != b"SQLite format 3\0":
                    raise StoreError("It is not a SQLite database.", where=where, todo="Name another file.")
    except OSError as problem:
        raise StoreError(f"It cannot be opened: {problem.strerror}.", where=where, todo=_RIGHTS) from None
    if not read_only and not all(os.access(each, os.W_OK) for each in (path.parent, path) if each.exists()):
        raise StoreError("It cannot be opened for writing.", where=where, todo=_RIGHTS)


_RIGHTS = "Give this user the right to write to the folder and the file, or name another state folder."


def _engine(target: URL, read_only: bool, busy_seconds: float) -> Engine:
    if target.get_backend_name() != "sqlite":
        try:
            engine = create_engine(target, connect_args={"application_name": f"trader {os.getpid()}"})
        except ModuleNotFoundError:
            raise StoreError(
                "PostgreSQL needs the driver psycopg.", todo="Install trader-core[postgresql] into this environment."
            ) from None
        event.listen(engine, "connect", _postgresql_connected)
        return engine
    options = {"timeout": busy_seconds, "check_same_thread": False, "isolation_level": None}
    engine = create_engine(target, poolclass=QueuePool, connect_args=options)

    def connected(dbapi: Any, _record: Any) -> None:
        _sqlite_connected(dbapi, read_only, busy_seconds)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connected(dbapi: Any, read_only: bool, busy_seconds: float) -> None:
    wanted: dict[str, int | str] = {"busy_timeout": int(busy_seconds * 1000), "foreign_keys": 1, "synchronous": 2}
    wanted |= {"query_only": 1} if read_only else {"journal_mode": "wal"}
    for name, value in wanted.items():
        dbapi.execute(f"PRAGMA {name}={value}")
        is_set = dbapi.execute(f"PRAGMA {name}").fetchone()[0]
        if is_set != value:
            raise StoreError(f"SQLite does not take {name}={value} here (it is {is_set}): that would not be safe.")


def _sqlite_begin(connection: Connection) -> None:
    # The driver's own way begins late and for reading: two writers would then meet in the middle.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_connected(dbapi: Any, _record: Any) -> None:
    with dbapi.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("SET TIME ZONE 'UTC'")
    dbapi.commit()


def _revision(connection: Connection, where: str) -> str | None:
    """The stored schema revision; None for an empty database."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" in tables and "order_event" in tables:
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found:
            return found
    raise StoreError("It is the database of another program.", where=where, todo="Name another one.")


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
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(folder / part.name)
    except OSError as problem:
        raise StoreError(f"It cannot be moved to {folder}: {problem.strerror}.", where=str(path)) from None
    return folder
