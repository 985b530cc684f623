"""The lane of a simulated session: the network in virtual time.

A call waits for a worker, travels to the venue, is done there in one step (gate and broker together), and its answer
travels back. What may go wrong on the way is drawn: an answer that comes late or never, work that is done after its
deadline, a worker that hangs so long that others never begin.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from trader.errors import ESCAPES
from trader.model import Idle
from trader.session.lanes import NotStarted

from .process import Process


@dataclass(frozen=True)
class Line:
    """Chances of what goes wrong with one call, and the bounds of what is drawn, in seconds."""

    travel: float = 0.15
    """Each way."""
    lost: float = 0.0
    """It is done, and no answer ever comes."""
    slow: float = 0.0
    """It is done after its deadline, up to `slack` later."""
    late: float = 0.0
    """It is done in time, and its answer comes up to `slack` after the deadline."""
    stuck: float = 0.0
    """It waits past its deadline, and is never begun."""
    slack: float = 20.0


class _Batch:
    """Things of one `each`, or the one of a `call`."""

    def __init__(
        self,
        order: tuple[int, int],
        work: Callable[[Any], Any],
        things: Sequence[Any],
        late: Callable[[Any, Any], object] | None,
        future: asyncio.Future[None],
    ) -> None:
        self.order, self.work, self.things, self.late, self.future = order, work, things, late, future
        self.answers: list[Any] = []
        self.since = 0.0
        self.running: object = None
        self.deadline: asyncio.TimerHandle | None = None
        """Of what runs, or of the waiting."""

    def __lt__(self, other: _Batch) -> bool:
        return self.order < other.order


class SimLane:
    """`trader.session.lanes.Lane` for one life of the program."""

    def __init__(self, process: Process, name: str, timeout: float, workers: int) -> None:
        self.name, self.timeout = name, timeout
        self._process, self._dice = process, process.world.dice("lane")
        self._free, self._closed = workers, False
        self._streams, self._quiet = name.startswith("stream "), True
        """Whether its calls wait for what happens next; whether nothing did, the last time."""
        self._order = itertools.count()
        self._waiting: list[_Batch] = []

    @property
    def _line(self) -> Line:
        return self._process.world.line

    # ---- callers ---------------------------------------------------------------------------------------------------
    async def call(
        self, priority: int, work: Callable[..., Any], *args: Any, late: Callable[[Any], object] | None = None
    ) -> Any:
        (answer,) = await self._run(
            priority, lambda given: work(*given), [args], None if late is None else (lambda _args, answer: late(answer))
        )
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def each(
        self,
        priority: int,
        work: Callable[[Any], Any],
        things: Sequence[Any],
        late: Callable[[Any, Any], object] | None = None,
    ) -> list[Any]:
        return await self._run(priority, work, things, late) if things else []

    def wait(self, _priority: int, work: Callable[..., Any], *args: Any) -> Any:
        """Blocking: time passes for everybody."""
        process, line, dice, timeline = self._process, self._line, self._dice, self._process.world.timeline
        process.door("lane.begin", 0.4)
        timeline.by(_travel(dice, line))
        process.door("lane.arrive", 0.6)
        answer = work(*args)
        process.door("lane.reply", 0.8)
        if dice.random() < line.lost:
            timeline.by(self.timeout)
            raise TimeoutError
        timeline.by(_travel(dice, line))
        return answer

    def close(self) -> None:
        self._closed = True
        for batch in self._waiting:
            self._end(batch)
        self._waiting.clear()

    async def _run(
        self,
        priority: int,
        work: Callable[[Any], Any],
        things: Sequence[Any],
        late: Callable[[Any, Any], object] | None,
    ) -> list[Any]:
        self._process.door("lane.call", 0.2)
        loop = asyncio.get_running_loop()
        batch = _Batch((priority, next(self._order)), work, things, late, loop.create_future())
        batch.since = loop.time()
        if self._closed:
            self._end(batch)
        elif self._dice.random() >= self._line.stuck:
            heapq.heappush(self._waiting, batch)
        batch.deadline = loop.call_at(batch.since + self.timeout, self._expire, batch)
        self._pump(loop)
        try:
            await batch.future
        finally:
            if batch.future.cancelled():
                self._abandon(batch)
            else:
                batch.deadline.cancel()
        return batch.answers

    # ---- waiting ---------------------------------------------------------------------------------------------------
    def _expire(self, batch: _Batch) -> None:
        """It has waited too long."""
        self._end(batch)

    def _end(self, batch: _Batch) -> None:
        batch.answers += [NotStarted("not begun in time")] * (len(batch.things) - len(batch.answers))
        batch.running = None
        if not batch.future.done():
            batch.future.set_result(None)

    def _abandon(self, batch: _Batch) -> None:
        """Nobody waits any more. What runs goes on, and its worker comes back when it would have."""
        if batch.running is None and batch.deadline is not None:
            batch.deadline.cancel()
        batch.running = None
        batch.answers += [NotStarted("nobody waits")] * (len(batch.things) - len(batch.answers))

    def _pump(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._free and self._waiting and not self._closed:
            batch = heapq.heappop(self._waiting)
            if len(batch.answers) == len(batch.things):
                continue
            if loop.time() - batch.since > self.timeout:  # the process was frozen
                self._end(batch)
            else:
                self._begin(batch, loop)

    # ---- one thing on its way --------------------------------------------------------------------------------------
    def _begin(self, batch: _Batch, loop: asyncio.AbstractEventLoop) -> None:
        process, line, dice = self._process, self._line, self._dice
        process.door("lane.begin", 0.4)
        self._free -= 1
        run = batch.running = object()
        batch.since = loop.time()
        thing = batch.things[len(batch.answers)]
        there, back, left = _travel(dice, line), _travel(dice, line), self.timeout
        drawn = dice.random()
        if self._streams:
            there, back = dice.uniform(0.1, 2.5) if self._quiet else 0.01, 0.0
        elif drawn < line.slow:
            there = left + dice.uniform(0, line.slack)
        elif drawn < line.slow + line.late:
            back = max(0.0, left - there) + dice.uniform(0, line.slack)
        elif drawn < line.slow + line.late + line.lost:
            back = -1.0
        if batch.deadline is not None:
            batch.deadline.cancel()
        batch.deadline = loop.call_later(left, self._give_up, batch, run, back < 0)
        loop.call_later(there, self._arrive, batch, run, thing, back)

    def _arrive(self, batch: _Batch, run: object, thing: Any, back: float) -> None:
        process, loop = self._process, asyncio.get_running_loop()
        process.door("lane.arrive", 0.6)
        try:
            answer = batch.work(thing)
        except ESCAPES as error:
            answer = error
        self._quiet = isinstance(answer, Idle)
        process.door("lane.reply", 0.8)
        if back >= 0:
            loop.call_later(back, self._reply, batch, run, thing, answer)

    def _reply(self, batch: _Batch, run: object, thing: Any, answer: Any) -> None:
        loop = asyncio.get_running_loop()
        self._free += 1
        if batch.running is run:
            self._process.door("lane.answer", 0.3)
            self._next(batch, answer, loop)
        elif batch.late is not None and not isinstance(answer, BaseException):
            self._process.door("lane.late")
            batch.late(thing, answer)
        self._pump(loop)

    def _give_up(self, batch: _Batch, run: object, hangs_up: bool) -> None:
        """The deadline. Its worker hangs until the answer comes; where none will, the client gives up too."""
        loop = asyncio.get_running_loop()
        if hangs_up:
            self._free += 1
        if batch.running is run:
            self._next(batch, TimeoutError("no answer in time"), loop)
        self._pump(loop)

    def _next(self, batch: _Batch, answer: Any, loop: asyncio.AbstractEventLoop) -> None:
        if batch.deadline is not None:
            batch.deadline.cancel()
        batch.answers.append(answer)
        batch.running, batch.since = None, loop.time()
        if (
            len(batch.answers) == len(batch.things)
            or self._closed
            or (isinstance(answer, TimeoutError) and not self._free)
        ):
            self._end(batch)
        else:
            heapq.heappush(self._waiting, batch)
            batch.deadline = loop.call_at(batch.since + self.timeout, self._expire, batch)


def _travel(dice: Random, line: Line) -> float:
    """Mostly short, seldom long."""
    return min(dice.expovariate(3 / line.travel), 10 * line.travel) if line.travel else 0.0
