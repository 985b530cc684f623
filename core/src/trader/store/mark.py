"""The journal's high-water mark: number and hash of its newest event, in a small file beside the database.

The chain shows a change of the past, but not a cut at its end: an older copy that was restored, a standby that had not
got the last commits, a log that was truncated. The mark does.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec
from sqlalchemy import select

from trader.errors import StoreError
from trader.store.chain import newest_event
from trader.store.database import Store
from trader.store.schema import order_event


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The event that the journal had reached."""

    seq: int
    hash: str


def write_mark(store: Store, path: Path) -> None:
    """Note how far the journal has come, all of it or nothing: the file is replaced. An empty journal has no mark.

    Errors: StoreError if the file cannot be written.
    """
    with store.reading() as connection:
        seq, now = newest_event(connection)
    if not seq:
        return
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as stream:
            stream.write(msgspec.json.encode(Mark(seq, now.hex())))
            stream.flush()
            os.fsync(stream.fileno())  # a mark without content would look like a damaged one
        part.replace(path)
    except OSError as problem:
        with suppress(OSError):
            part.unlink()
        raise StoreError(f"It cannot be written: {problem.strerror}.", where=str(path)) from None


def regressed(store: Store, path: Path) -> str | None:
    """Why this is not the journal that the mark was taken of, or an older copy of it; None if it goes on from there.

    No mark: None. One that cannot be read proves nothing, and is a reason.
    """
    try:
        mark = msgspec.json.decode(path.read_bytes(), type=Mark)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError):
        return f"The mark {path.name} cannot be read: nobody knows how far the journal had come."
    with store.reading() as connection:
        there = connection.execute(select(order_event.c.hash).where(order_event.c.seq == mark.seq)).scalar()
        seq, _ = newest_event(connection)
    if there is None:
        return (
            f"The journal had reached event {mark.seq} and now ends at {seq}: an older copy was restored, "
            "its last commits were lost, or it is another database."
        )
    if there.hex() != mark.hash:
        return f"Event {mark.seq} of the journal is not the one that was there: it is another journal."
    return None
