"""The account's book: one SQLite file, appended to with every call that changes anything, committed to the disk.

A connection holds the file exclusively from `open` to `close`, or to the end of its process, however it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from trader.errors import Refused, StoreError
from trader.model import CashEvent, Fill
from trader.simulation import Changes, SimulatedVenue
from trader.simulation.record import AccountRow, OrderRow

APPLICATION: Final = 0x7472_7062
"""Marks the file as a paper book ("trpb")."""
FORMAT: Final = 1
SCHEMA: Final = """
CREATE TABLE account (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
CREATE TABLE orders (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE fills (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE events (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""
ORDER: Final = msgspec.json.Decoder(OrderRow)
FILL: Final = msgspec.json.Decoder(Fill)
EVENT: Final = msgspec.json.Decoder(CashEvent)
encode = msgspec.json.Encoder().encode


class Book:
    """The file while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Take the file, make it if there is none. Refused while another process has it; StoreError if unreadable."""
        if self._connection is not None:
            return
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")  # takes the lock; exclusive mode keeps it after the commit
        (application,), (version,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables and not application:
            for statement in SCHEMA.strip().split("\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif application != APPLICATION:
            raise StoreError("It is a database, but no paper book.", where=str(self.path), todo=self._way_out())
        elif version > FORMAT:
            raise StoreError(
                f"The paper book has format {version}; this version of trader-broker-paper reads up to {FORMAT}.",
                where=str(self.path),
                todo="Upgrade trader-broker-paper, or use the state folder that this version traded with.",
            )
        connection.execute("COMMIT")
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)

    def close(self) -> None:
        """Give the file back; again is no harm."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def load(self, venue: SimulatedVenue) -> None:
        """Make a fresh venue the account that the file describes. StoreError if it cannot be."""
        with self._explained():
            found = self._query("SELECT body FROM account").fetchone()
            account = msgspec.json.decode(found[0], type=AccountRow) if found else None
            if account is not None and account.currency != venue.currency:
                raise StoreError(
                    f"The paper account is in {account.currency}, the settings say {venue.currency}.",
                    where=str(self.path),
                    todo=f'Set currency = "{account.currency}", or give the new account an instance name of its own.',
                )
            venue.restore(
                account,
                (ORDER.decode(row[0]) for row in self._query("SELECT body FROM orders ORDER BY seq")),
                [FILL.decode(row[0]) for row in self._query("SELECT body FROM fills ORDER BY number")],
                [EVENT.decode(row[0]) for row in self._query("SELECT body FROM events ORDER BY number")],
            )

    def write(self, changes: Changes) -> None:
        """Commit what changed; when this returns every order, fill and event is on the disk. StoreError otherwise: it
        may be there or not."""
        if not changes:
            return
        traded = bool(changes.orders or changes.fills or changes.events)
        with self._explained():
            # A bar on which nothing traded need not reach the disk before the next one: what would be lost with the
            # power is a mark, and the next trade brings it along.
            self._query(f"PRAGMA synchronous = {'FULL' if traded else 'NORMAL'}")
            self._query("BEGIN IMMEDIATE")
            try:
                orders = ((row.seq, encode(row)) for row in changes.orders)
                self._many("INSERT OR REPLACE INTO orders VALUES (?, ?)", orders)
                self._many("INSERT INTO fills (body) VALUES (?)", ((encode(fill),) for fill in changes.fills))
                self._many("INSERT INTO events (body) VALUES (?)", ((encode(event),) for event in changes.events))
                if changes.account is not None:
                    self._query("INSERT OR REPLACE INTO account VALUES (1, ?)", encode(changes.account))
                self._query("COMMIT")
            except BaseException:
                if self._connection is not None and self._connection.in_transaction:
                    self._query("ROLLBACK")
                raise

    def _many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        if self._connection is not None:
            self._connection.executemany(statement, rows)

    def _query(self, statement: str, *values: object) -> sqlite3.Cursor:
        if self._connection is None:
            raise StoreError("The paper book is closed.", where=str(self.path))
        return self._connection.execute(statement, values)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's faults in plain words."""
        where = str(self.path)
        try:
            yield
        except sqlite3.OperationalError as problem:
            if "locked" in str(problem):
                raise Refused(
                    "Another process trades on this paper account.",
                    where=where,
                    todo="Stop it first, or give this one a state folder or a broker instance of its own.",
                ) from None
            raise StoreError(f"The paper book cannot be read or written: {problem}.", where=where) from None
        except OSError as problem:
            raise StoreError(f"The paper book cannot be opened: {problem.strerror}.", where=where) from None
        except (sqlite3.DatabaseError, msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise StoreError(f"The paper book is damaged: {problem}.", where=where, todo=self._way_out()) from None

    def _way_out(self) -> str:
        return (
            f"Restore {self.path.name} from a backup. Or move it away: the account then begins anew, and the session"
            " needs `trader run --fresh`."
        )
