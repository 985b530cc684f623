"""The kill switch: latched in memory, in the file STOP and in the store; the strictest wins, unreadable means halted.

Tripping closes the gate at once, waits for no database, and survives restarts. Only a person lifts it
(`trader rearm --reason`). Cancelling what works at the venue is `trader.safety.sweep`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from trader.errors import StoreError, storable
from trader.model import OrderRequest, Refusal
from trader.safety.stop import FILE, Trip, lift_stop, read_stop, write_stop
from trader.store import blocks
from trader.store.blocks import EVERYTHING, Block
from trader.store.database import Store


class KillSwitch:
    """One session's switch. `refuse` is the gate's check: it costs one look at the file system, no database.

    `tripped` is called once for each trip, in the thread that noticed it.
    """

    def __init__(
        self, folder: Path, store: Store, now: Callable[[], datetime], tripped: Callable[[Trip], None]
    ) -> None:
        self._folder, self._store, self._now, self._tripped = folder, store, now, tripped
        self._file = str(folder / FILE)
        self.trip_: Trip | None = None
        self._blind: Trip | None = None
        """While the store cannot be read: halted, and armed again as soon as it says so itself."""

    @property
    def halted(self) -> Trip | None:
        """Memory and file, the strictest; the store is read by `look`."""
        self._notice_file()
        return self.trip_ or self._blind

    def _notice_file(self) -> None:
        if self.trip_ is not None:
            return
        try:
            os.lstat(self._file)
        except FileNotFoundError:
            return
        except OSError as problem:  # nobody can say that it is not there
            self._latch(Trip(f"the state folder cannot be read: {problem.strerror}", "trader", self._now()))
            return
        self._latch(read_stop(self._folder) or Trip(f"the file {FILE} was there", "unknown", None))

    def refuse(self, order: OrderRequest) -> Refusal | None:  # noqa: ARG002 - it refuses whatever the order is
        """The gate's last look."""
        trip = self.halted
        if trip is None:
            return None
        return Refusal(0, f"everything is halted: {trip.reason}", 0.0, 0.0, "kill_switch")

    def trip(self, reason: str, by: str) -> None:
        """Halt: memory first, then the file, then the store; what fails is tried again by `look`."""
        self._latch(Trip(storable(reason), storable(by), self._now()))

    def look(self) -> list[Block] | None:
        """Read file and store, bring each up to the strictest of the three. The blocks that stand; None if the store
        cannot be read: then everything is halted until it can."""
        self._notice_file()  # also where the store cannot be read
        try:
            found = blocks.standing(self._store)
            self._blind = None
            stored = [each for each in found if each.scope == EVERYTHING and each.level == "halt"]
            trip = self.halted
            if trip is None and stored:
                self._latch(Trip(stored[0].reason, "the store", stored[0].since), stored=True)
            elif trip is not None and not stored:
                self._write_store(trip)
        except StoreError as problem:
            self._blind = Trip(f"the database cannot be read: {problem.what}", "trader", self._now())
            return None
        if self.trip_ is not None:
            self._write_file(self.trip_)
        return found

    def rearm(self, reason: str, by: str) -> bool:
        """Lift it everywhere; whether it was tripped. StoreError if the store does not take it: it stays."""
        was = self.halted is not None
        was |= bool(blocks.lift(self._store, EVERYTHING, by=by, reason=reason))
        lift_stop(self._folder)
        self.trip_ = None
        return was

    def _latch(self, trip: Trip, *, stored: bool = False) -> None:
        if self.trip_ is not None:
            return
        self.trip_ = trip
        self._write_file(trip)
        if not stored:
            with suppress(StoreError):  # `look` tries again
                self._write_store(trip)
        self._tripped(trip)

    def _write_store(self, trip: Trip) -> None:
        blocks.block(self._store, EVERYTHING, "halt", trip.reason)

    def _write_file(self, trip: Trip) -> None:
        with suppress(OSError):  # `look` tries again
            write_stop(self._folder, trip)
