"""The order stream of a faulty venue: lines that drop, double, reorder, break and go silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from heapq import heappop, heappush

from trader.model import Fill, Idle, OrderReport, Reset
from trader.simulation.faults import Dice, Faults

QUIET = timedelta(seconds=1)


class Line:
    """One connection of one listener, from its first question to its end."""

    __slots__ = ("_count", "_waiting", "closed", "down_until", "latest", "mute_until", "owner", "renewed")

    def __init__(self, owner: object, down_until: datetime) -> None:
        self.owner = owner
        self.closed = False
        self.renewed = True
        """Whether it was connected since it was last read."""
        self.latest = self.mute_until = self.down_until = down_until
        self._waiting: list[tuple[datetime, int, Fill | OrderReport]] = []
        self._count = 0

    def put(self, event: Fill | OrderReport, due: datetime) -> None:
        self._count += 1
        heappush(self._waiting, (due, self._count, event))

    def cut(self, until: datetime) -> None:
        """Break it: what waits is lost, and it is connected again at `until`."""
        self._waiting.clear()
        self.renewed, self.down_until = True, until

    def read(self, now: datetime) -> Fill | OrderReport | Reset | Idle:
        """What has arrived by now, one thing a call."""
        if now < self.down_until:
            return _quiet(self.down_until - now)
        if self.renewed:
            self.renewed = False
            return Reset("connected")
        if not self._waiting:
            return _quiet(QUIET)
        due = self._waiting[0][0]
        return _quiet(due - now) if due > now else heappop(self._waiting)[2]


def _quiet(left: timedelta) -> Idle:
    return Idle(min(left, QUIET).total_seconds())


class Wire:
    """All lines of a venue."""

    def __init__(self, dice: Dice, now: datetime) -> None:
        self._dice = dice
        self._lines: list[Line] = []
        self._down_until = now
        self.faults = Faults()

    def open(self, owner: object) -> Line:
        """A new line; what happened before does not come on it."""
        line = Line(owner, self._down_until)
        self._lines.append(line)
        return line

    def close(self, line: Line) -> None:
        line.closed = True
        if line in self._lines:
            self._lines.remove(line)

    def end(self, owner: object = None) -> None:
        """Close the lines of one owner, or all."""
        for line in self._lines[:]:
            if owner is None or line.owner is owner:
                self.close(line)

    def emit(self, event: Fill | OrderReport, moment: datetime) -> None:
        """Send what happened at `moment` to everybody who listens."""
        for line in self._lines:
            if moment >= line.down_until and moment >= line.mute_until:
                self._carry(line, event, moment)

    def _carry(self, line: Line, event: Fill | OrderReport, moment: datetime) -> None:
        faults, dice = self.faults, self._dice
        if dice.happens(faults.stream_cut):
            line.cut(moment + dice.delay(faults.stream_seconds))
            return
        if dice.happens(faults.stream_muted):
            line.mute_until = moment + dice.delay(faults.stream_seconds)
            return
        if dice.happens(faults.stream_dropped):
            return
        for _ in range(2 if dice.happens(faults.stream_duplicated) else 1):
            due = max(line.latest, moment + dice.delay(faults.stream_lag))
            if dice.happens(faults.stream_reordered):
                due += dice.delay(faults.stream_seconds)
            else:
                line.latest = due
            line.put(event, due)

    def cut(self, until: datetime) -> None:
        """Break every line until then; who connects meanwhile has to wait as well."""
        self._down_until = until
        for line in self._lines:
            line.cut(until)

    def mute(self, until: datetime) -> None:
        """Nothing that happens until then comes on any line that is open now."""
        for line in self._lines:
            line.mute_until = until

    def heal(self, now: datetime) -> None:
        """Connected again, no longer mute. What was lost stays lost."""
        self._down_until = min(self._down_until, now)
        for line in self._lines:
            line.down_until, line.mute_until = min(line.down_until, now), min(line.mute_until, now)
