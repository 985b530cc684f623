"""What a venue's rate limit still allows, shared by all calls of one account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from trader.wire import RateLimited


class Allowance:
    """Ask `refusal` before each request, tell what the venue's answer says after it.

    A reserve is kept for cancels (and what else is `urgent`): a question that would use it is refused here, before
    it goes out. While the venue wants to be left alone (429 with Retry-After) everything but urgent requests waits;
    while it has banned us, those too.
    """

    def __init__(self, now: Callable[[], datetime], *, reserve: float = 0.1, window: float = 60.0) -> None:
        """`reserve`: fraction of the limit that only urgent requests may use; `window`: seconds that a limit is for,
        where the venue does not say when it begins anew."""
        self._now, self._reserve, self._window = now, reserve, window
        self._lock = Lock()
        self._left: float | None = None
        self._fresh_at: datetime | None = None
        self._quiet_until: datetime | None = None
        self._banned_until: datetime | None = None
        self._seen = now()

    def refusal(self, *, urgent: bool = False) -> RateLimited | None:
        """None: go ahead."""
        with self._lock:
            now = self._time()
            for until, binds in ((self._banned_until, True), (self._quiet_until, not urgent)):
                if until is not None and binds and now < until:
                    return RateLimited("the venue asked to be left alone", (until - now).total_seconds())
            if urgent or self._left is None or self._fresh_at is None or now >= self._fresh_at:
                return None
            if self._left <= self._reserve:
                left = (self._fresh_at - now).total_seconds()
                return RateLimited("what is left of the rate limit is kept for cancels", left)
            return None

    def told(self, used: float, limit: float, fresh_at: datetime | None = None) -> None:
        """The venue's own count: `used` of `limit` requests (or weight); `fresh_at`: when it begins anew."""
        if limit <= 0:
            return
        with self._lock:
            now = self._time()
            self._left = 1 - used / limit
            self._fresh_at = fresh_at or now + timedelta(seconds=self._window)

    def wait(self, seconds: float | None, *, banned: bool = False) -> None:
        """The venue said: not before `seconds` have passed. None: it did not say how long."""
        with self._lock:
            until = self._time() + timedelta(seconds=self._window if seconds is None else max(seconds, 0.0))
            if banned:
                self._banned_until = max(until, self._banned_until or until)
            else:
                self._quiet_until = max(until, self._quiet_until or until)

    def _time(self) -> datetime:
        """Now. Where the clock was set back, what was noted by it goes back with it: no pause gets longer by that."""
        now = self._now()
        back = max(self._seen - now, timedelta())
        self._seen = now
        if back:
            self._fresh_at, self._quiet_until, self._banned_until = (
                None if moment is None else moment - back
                for moment in (self._fresh_at, self._quiet_until, self._banned_until)
            )
        return now
