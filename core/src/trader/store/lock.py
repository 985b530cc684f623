"""One session per database: what both kinds of lock have in common, and the one beside a SQLite file.

The system releases that one when the process ends, however it ends. PostgreSQL has `trader.store.lease`.
"""

from __future__ import annotations

import errno
import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from trader.errors import Refused, StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows locks a range of bytes against reading too: one far behind the holder's number

    def _take(file: IO[bytes]) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    _look = _take  # it has no lock that several may have

    def _give(file: IO[bytes]) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _give(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


_HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
"""What the system says where another process has it; anything else is no session."""


class Lock(ABC):
    """The right to be the one session on a database; `holder` names who has it."""

    holder: str

    @abstractmethod
    def renew(self) -> bool:
        """Keep it; False once it is lost. StoreError: nobody could be asked, `left` runs on."""

    @abstractmethod
    def keep(self, connection: Connection) -> bool:
        """Keep it until the transaction of this connection ends, however long that takes; False once it is lost."""

    @abstractmethod
    def left(self) -> float:
        """Seconds for which it is ours for sure, by the monotonic clock of this process."""

    @abstractmethod
    def release(self) -> None:
        """Give it back; again is no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class InstanceLock(Lock):
    """Held from `acquire` to `release`, or to the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path, self.holder = path, f"process {os.getpid()}"
        self._file: IO[bytes] | None = None

    def acquire(self) -> InstanceLock:
        """Take it at once, or Refused, which names the process that holds it."""
        file = self._open(_take)
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        self._file = file
        return self

    def look(self) -> None:
        """Refused, as from `acquire`, if a session has it. Who looks is never taken for one by others who look."""
        with self._open(_look) as file:
            _give(file)

    def _open(self, take: Callable[[IO[bytes]], None]) -> IO[bytes]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+b", buffering=0)
        except OSError as problem:
            raise StoreError(f"The lock file cannot be opened: {problem.strerror}.", where=str(self.path)) from None
        try:
            take(file)
        except OSError as problem:
            holder = _holder(file)
            file.close()
            if problem.errno not in _HELD:
                raise StoreError(
                    f"The lock file cannot be locked: {problem.strerror}.",
                    where=str(self.path),
                    todo="Keep the database on a disk of this machine.",
                ) from None
            raise Refused(
                f"Another session runs on this database (process {holder}).",
                where=str(self.path),
                todo="Stop it first (Ctrl-C in its terminal), or give this one a state folder of its own.",
            ) from None
        return file

    def renew(self) -> bool:
        return self._file is not None

    def keep(self, connection: Connection) -> bool:  # noqa: ARG002 - the system keeps it
        return self.renew()

    def left(self) -> float:
        return math.inf if self._file is not None else 0.0

    def release(self) -> None:
        if self._file is not None:
            _give(self._file)
            self._file.close()
            self._file = None


def _holder(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(20).decode("ascii", "replace").strip() or "unknown"
