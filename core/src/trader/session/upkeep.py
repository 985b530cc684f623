"""What a running session must renew: its lease on the database, and the journal's mark."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from trader.model import Severity
from trader.store.mark import write_mark

if TYPE_CHECKING:
    from trader.session.session import Session

MARK = "journal.mark"
MARK_SECONDS = 60.0


class Upkeep:
    """Knows when each is due."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._next_mark = self._next_renewal = 0.0

    def renew(self) -> None:
        """Renew what is due. A lease that is lost stops the session. Errors: StoreError."""
        session = self._session
        now = session.world.clock.monotonic()
        renew = getattr(session.lock, "renew", None)
        if renew is not None and now >= self._next_renewal:
            self._next_renewal = now + session.settings.application.lease_seconds / 3
            if not renew():
                session.alerts.raise_(Severity.CRITICAL, "lease_lost", "Another session has taken this database over.")
                session.stop("lease lost")
        if now >= self._next_mark:
            self._next_mark = now + MARK_SECONDS
            with suppress(OSError):
                self.mark()

    def mark(self) -> None:
        """Note how far the journal has come. Errors: OSError, StoreError."""
        write_mark(self._session.store, self._session.settings.state_dir / MARK)
