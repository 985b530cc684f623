"""Virtual time, and what happens in it whether a program runs or not."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2024, 3, 4, 14, 0, tzinfo=UTC)


class Timeline:
    """`seconds` since the beginning. Events put in with `at` happen when time passes them, whoever moves it.

    An event with `writes` touches the database and waits while `busy` (a transaction is open on it).
    """

    def __init__(self, start: datetime = START) -> None:
        self.start, self.seconds = start, 0.0
        self.busy = False
        self._events: list[tuple[float, int, bool, Callable[[], None]]] = []
        self._count = 0
        self._running = False

    @property
    def now(self) -> datetime:
        """Aware UTC."""
        return self.start + timedelta(seconds=self.seconds)

    def since(self, moment: datetime) -> float:
        """Seconds of a moment on this line."""
        return (moment - self.start).total_seconds()

    def at(self, seconds: float, event: Callable[[], None], *, writes: bool = False) -> None:
        """Do `event()` at that second; those of one second in the order in which they were put in."""
        self._count += 1
        heapq.heappush(self._events, (seconds, self._count, writes, event))

    def to(self, seconds: float) -> None:
        """Go on to that second, event by event; never back."""
        if self._running:
            raise RuntimeError("an event must not move the time")
        put_off = []
        self._running = True
        try:
            while self._events and self._events[0][0] <= seconds:
                entry = heapq.heappop(self._events)
                if entry[2] and self.busy:
                    put_off.append(entry)
                    continue
                self.seconds = max(self.seconds, entry[0])
                entry[3]()
        finally:
            self._running = False
            for entry in put_off:
                heapq.heappush(self._events, entry)
        self.seconds = max(self.seconds, seconds)

    def by(self, seconds: float) -> None:
        """Let so much time pass."""
        self.to(self.seconds + seconds)
