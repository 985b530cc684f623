"""The file STOP in the state folder: while it is there no order passes the gate of a session that works there.

Writing it needs no database and no session: `trader kill` does it before anything else, so little is imported here.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

FILE = "STOP"


class Trip(msgspec.Struct, frozen=True):
    """Why and when everything was halted; `at` is aware UTC process time, None where nobody knows."""

    reason: str
    by: str
    at: datetime | None


def write_stop(folder: Path, trip: Trip) -> Path:
    """Write STOP into the state folder; one that is there stays as it is. OSError if it cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    if not path.exists():
        part = path.with_name(f"{FILE}.{os.getpid()}")
        part.write_bytes(msgspec.json.encode(trip))
        part.replace(path)
    return path


def read_stop(folder: Path) -> Trip | None:
    """What STOP says; None if there is none. A file that says nothing readable halts all the same."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Trip)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError):
        return Trip(f"the file {FILE} is there", "unknown", None)


def lift_stop(folder: Path) -> bool:
    """Remove STOP; whether there was one."""
    try:
        (folder / FILE).unlink()
    except FileNotFoundError:
        return False
    return True
