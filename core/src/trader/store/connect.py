"""Ways into a database: what a URL means, what can be said before it is opened, and how each connection is set.

SQLite runs in WAL with synchronous=FULL and PostgreSQL with synchronous_commit=on: what is committed survives a loss
of power. Both are set on every connection and asked back.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from trader.errors import StoreError

READERS = 15
"""So many may read at once; the writer is none of them."""
_FROZEN_SECONDS = 60
"""PostgreSQL ends a writer that sleeps within its transaction for so long: the others wait for it."""
_PATIENCE = {  # a server that is away is noticed within seconds, and not after the system's own quarter of an hour
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_URLS = "Write sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME."
_RIGHTS = "Give this user the right to write to the folder and the file, or name another state folder."


def target_of(url: str | Path) -> URL:
    """What is meant by a path, `sqlite:///PATH` or `postgresql://...`; StoreError for anything else."""
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


def look_at(path: Path, *, create: bool, read_only: bool) -> None:
    """What can be said about a SQLite file before it is opened; StoreError where it cannot be one of ours."""
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


def readers(target: URL, *, read_only: bool, busy_seconds: float) -> Engine:
    """Connections for reading, kept for the next one; a lost one is replaced before it is used."""
    pool: dict[str, Any] = {"pool_size": 5, "max_overflow": READERS - 5, "pool_timeout": busy_seconds}
    if target.get_backend_name() == "sqlite":
        return _sqlite(target, busy_seconds, "BEGIN", read_only, poolclass=QueuePool, **pool)
    engine = _postgresql(target, busy_seconds, 0, pool_pre_ping=True, **pool)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def writers(target: URL, *, busy_seconds: float) -> Engine:
    """Connections for writing, each made when it is asked for: readers cannot use them up.

    PostgreSQL must read committed whatever its default is: a writer sees the chain's end as the one before left it.
    """
    if target.get_backend_name() == "sqlite":
        # The driver's own way begins late and for reading: two writers would then meet in the middle.
        return _sqlite(target, busy_seconds, "BEGIN IMMEDIATE", False, poolclass=NullPool)
    engine = _postgresql(target, busy_seconds, _FROZEN_SECONDS, poolclass=NullPool)
    return engine.execution_options(isolation_level="READ COMMITTED")


def _sqlite(target: URL, busy_seconds: float, begin: str, read_only: bool, **pool: Any) -> Engine:
    options = {"timeout": busy_seconds, "check_same_thread": False, "isolation_level": None}
    engine = create_engine(target, connect_args=options, **pool)

    def connected(dbapi: Any, _record: Any) -> None:
        wanted: dict[str, int | str] = {"busy_timeout": int(busy_seconds * 1000), "foreign_keys": 1, "synchronous": 2}
        wanted |= {"query_only": 1} if read_only else {"journal_mode": "wal"}
        for name, value in wanted.items():
            dbapi.execute(f"PRAGMA {name}={value}")
            is_set = dbapi.execute(f"PRAGMA {name}").fetchone()[0]
            if is_set != value:
                dbapi.close()
                raise StoreError(f"SQLite does not take {name}={value} here (it is {is_set}): that would not be safe.")

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _postgresql(target: URL, busy_seconds: float, frozen_seconds: float, **pool: Any) -> Engine:
    options = {name: value for name, value in _PATIENCE.items() if name not in target.query}
    try:
        engine = create_engine(target, connect_args=options | {"application_name": f"trader {os.getpid()}"}, **pool)
    except ModuleNotFoundError:
        raise StoreError(
            "PostgreSQL needs the driver psycopg.", todo="Install trader-core[postgresql] into this environment."
        ) from None
    wanted = {
        "synchronous_commit": "on",
        "TimeZone": "UTC",
        "lock_timeout": f"{int(busy_seconds * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{int(frozen_seconds * 1000)}ms",
    }

    def connected(dbapi: Any, _record: Any) -> None:
        with dbapi.cursor() as cursor:
            for name, value in wanted.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            cursor.execute(
                "SELECT current_setting('synchronous_commit'), current_setting('fsync'), "
                "current_setting('full_page_writes')"
            )
            found = cursor.fetchone()
        dbapi.commit()
        if found != ("on", "on", "on"):
            dbapi.close()
            raise StoreError(
                f"The server runs with synchronous_commit={found[0]}, fsync={found[1]}, full_page_writes={found[2]}: "
                "what is committed would not survive a loss of power.",
                todo="Set all three to on.",
            )

    event.listen(engine, "connect", connected)
    return engine
