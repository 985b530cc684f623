"""What will happen at a venue by itself: requests on their way, facts that queries do not show yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from typing import Any


class Agenda:
    """Things to do, each at its moment; those of one moment in the order in which they were put in."""

    def __init__(self) -> None:
        self._due: list[tuple[datetime, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._due)

    def at(self, moment: datetime, work: Callable[..., object], *args: Any) -> None:
        """Do `work(*args)` at `moment`."""
        self._count += 1
        heappush(self._due, (moment, self._count, work, args))

    def run(self, now: datetime) -> None:
        """Do all that is due at or before `now`, also what is put in meanwhile."""
        due = self._due
        while due and due[0][0] <= now:
            _, _, work, args = heappop(due)
            work(*args)
