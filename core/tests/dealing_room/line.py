"""The line to a connection: calls are made where they are asked for, unless it was told what happens to the next."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass

from trader.errors import ESCAPES
from trader.model import Idle
from trader.session.lanes import NotStarted


@dataclass
class Late:
    """It is done at once; its answer comes `seconds` after the deadline."""

    seconds: float = 5.0


@dataclass
class Slow:
    """It is done `seconds` after the deadline, and answered then."""

    seconds: float = 5.0


@dataclass
class Lost:
    """It is done at once, and no answer ever comes."""


@dataclass
class Never:
    """Its turn never comes."""


class Lines:
    """What happens to the next calls of each priority, for every line of a room."""

    def __init__(self):
        self.next = defaultdict(deque)


class Line:
    """`trader.session.lanes.Lane`."""

    def __init__(self, life, lines, name, timeout):
        self._life, self._lines, self.name, self.timeout = life, lines, name, timeout

    async def call(self, priority, work, *args, late=None):
        answer = await self._one(priority, lambda given: work(*given), args, None if late is None else (
            lambda _args, answer: late(answer)))  # fmt: skip
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def each(self, priority, work, things, late=None):
        return [await self._one(priority, work, thing, late) for thing in things]

    def wait(self, _priority, work, *args):
        self._life.touch()
        return work(*args)

    def close(self):
        pass

    async def _one(self, priority, work, thing, late):
        self._life.touch()
        planned = self._lines.next[priority]
        fate = planned.popleft() if planned and not self.name.startswith("stream") else None
        if fate is None:
            answer = self._done(work, thing)
            # A stream that has nothing to say takes its time to say so.
            await asyncio.sleep(answer.seconds if isinstance(answer, Idle) else 0)
            return answer
        if isinstance(fate, Lost | Late):
            answer = self._done(work, thing)
        await asyncio.sleep(self.timeout)
        if isinstance(fate, Never):
            return NotStarted("not begun in time")
        loop = asyncio.get_running_loop()
        if isinstance(fate, Late) and late is not None:
            loop.call_later(fate.seconds, late, thing, answer)
        if isinstance(fate, Slow):
            loop.call_later(fate.seconds, lambda: late(thing, self._done(work, thing)))
        return TimeoutError("no answer in time")

    def _done(self, work, thing):
        self._life.touch()
        try:
            return work(thing)
        except ESCAPES as error:
            return error
