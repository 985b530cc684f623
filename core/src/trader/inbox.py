"""From a client library that calls back, on a thread of its own, to a stream that one reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

from trader.model import Idle, Reset

T = TypeVar("T")


class Inbox(Generic[T]):
    """`put` from any thread, iterate in one: what arrived, in order, and Idle where nothing did.

    Bounded: when `room` events wait unread they are dropped together, and Reset says so: whoever reads then asks the
    venue, which knows them all. `close` ends the iteration.
    """

    def __init__(self, room: int = 10_000) -> None:
        self._room = room
        self._waiting: deque[T | Reset] = deque()
        self._changed = Condition()
        self._closed = False

    def put(self, event: T | Reset) -> None:
        """Never blocks. After `close` it is dropped."""
        with self._changed:
            if self._closed:
                return
            if len(self._waiting) >= self._room:
                self._waiting.clear()
                self._waiting.append(Reset(f"{self._room} events waited unread and were dropped"))
            self._waiting.append(event)
            self._changed.notify()

    def close(self) -> None:
        """No more; what waits is still read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, seconds: float = 1.0) -> T | Reset | Idle | None:
        """The next event; Idle after so many seconds without one; None: closed, and all is read."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(seconds)
            if self._waiting:
                return self._waiting.popleft()
            return None if self._closed else Idle(seconds)

    def __iter__(self) -> Iterator[T | Reset | Idle]:
        """Until it is closed."""
        while (event := self.get()) is not None:
            yield event
