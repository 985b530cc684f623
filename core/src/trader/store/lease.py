"""The lease: one session per PostgreSQL database, on whatever machine.

A row names the owner, an epoch that grows with each owner, and when it ends. Only the database's clock counts, and
each step is one statement, committed by itself. An owner that dies stops renewing; nobody takes a living one's place.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, literal_column, select, type_coerce, update
from sqlalchemy.dialects.postgresql import insert

from trader.errors import Refused, StoreError
from trader.store.database import Store
from trader.store.lock import Lock
from trader.store.schema import lease

NAME = "session"


def owner(session: str = "") -> str:
    """How this process is named in a lease: host:pid, and its session."""
    return f"{socket.gethostname()}:{os.getpid()} {session}".rstrip()


def holder(store: Store) -> str | None:
    """Who has the lease now; None if nobody has."""
    with store.apart() as connection:
        row = _look(connection, NAME)
    return row.owner if row is not None and row.ends > row.now else None


class Lease(Lock):
    """A lease of `ttl` seconds, to be renewed some three times in that. `epoch` is the fencing token."""

    def __init__(self, store: Store, owner: str, ttl: float = 15.0, *, name: str = NAME) -> None:
        self.holder, self.ttl, self.name, self.epoch = owner, ttl, name, 0
        self._store = store
        self._until = 0.0
        """Until then it is ours, by the monotonic clock: counted from before the database was asked."""

    def acquire(self, patience: float | None = None) -> Lease:
        """Take it if it is free or has ended. Held: wait, at most `patience` seconds (None: one `ttl`), as long as
        nobody renews it.

        Errors: Refused, which names the holder, as soon as a renewal shows that it lives, or that waiting is in vain.
        """
        patience = self.ttl if patience is None else patience
        with self._store.apart() as connection:
            first: Any = None
            while not self._take(connection):
                seen = _look(connection, self.name)
                if seen is None:  # released and removed by a person, between the two questions
                    continue
                first = first or seen
                renewed = (seen.epoch, seen.ends) != (first.epoch, first.ends)
                if renewed or max(seen.ends, seen.now) - first.now > patience * 1e6:
                    raise Refused(
                        f"Another session runs on this database ({seen.owner}).",
                        where=self._store.where,
                        todo="Stop it first (trader stop), or give this one a database of its own.",
                    )
                self._store.clock.sleep(self.ttl / 20)
        return self

    def renew(self) -> bool:
        """Keep it for another `ttl`; False if another owner has it, or it was released."""
        began = self._store.clock.monotonic()
        if not self.epoch:
            return False
        with self._store.apart() as connection:
            kept = connection.execute(_RENEW, self._mine()).rowcount == 1
        if kept:
            self._until = began + self.ttl
        else:
            self.epoch, self._until = 0, 0.0
        return kept

    def keep(self, connection: Connection) -> bool:
        """The row is locked by what is not committed: who wants the lease waits for that, and a death lets it go."""
        return connection.execute(_RENEW, self._mine()).rowcount == 1

    def left(self) -> float:
        return max(0.0, self._until - self._store.clock.monotonic()) if self.epoch else 0.0

    def release(self) -> None:
        """Give it back; again is no harm. Where the server does not answer it ends by itself."""
        if not self.epoch:
            return
        try:
            with self._store.apart() as connection:
                connection.execute(_RELEASE, self._mine())
        except StoreError:
            pass
        self.epoch, self._until = 0, 0.0

    def _take(self, connection: Connection) -> bool:
        began = self._store.clock.monotonic()
        epoch = connection.execute(_TAKE, self._mine()).scalar()
        if epoch is None:
            return False
        self.epoch, self._until = epoch, began + self.ttl
        return True

    def _mine(self) -> dict[str, Any]:
        return {"of": self.name, "by": self.holder, "token": self.epoch, "ttl": round(self.ttl * 1e6)}


def _look(connection: Connection, name: str) -> Any:
    return connection.execute(_LOOK, {"of": name}).first()


_NOW = literal_column("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", BigInteger)
_ENDS = type_coerce(lease.c.expires_at, BigInteger)  # as stored: microseconds
_NEW_END = type_coerce(_NOW + bindparam("ttl", type_=BigInteger), lease.c.expires_at.type)
_LOOK = select(lease.c.owner, lease.c.epoch, _ENDS.label("ends"), _NOW.label("now")).where(
    lease.c.name == bindparam("of")
)
_FIRST = insert(lease).values(name=bindparam("of"), owner=bindparam("by"), epoch=1, expires_at=_NEW_END)
_TAKE = _FIRST.on_conflict_do_update(
    index_elements=["name"],
    set_={"owner": _FIRST.excluded.owner, "epoch": lease.c.epoch + 1, "expires_at": _FIRST.excluded.expires_at},
    where=_ENDS <= _NOW,
).returning(lease.c.epoch)
_OURS = update(lease).where(
    lease.c.name == bindparam("of"), lease.c.owner == bindparam("by"), lease.c.epoch == bindparam("token"), _ENDS > 0
)
_RENEW = _OURS.values(expires_at=_NEW_END)
_RELEASE = _OURS.values(expires_at=literal_column("0", lease.c.expires_at.type))
