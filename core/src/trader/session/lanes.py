"""Lanes: blocking plugin calls run in worker threads of their connection, by priority and with a deadline.

Plugins are synchronous because the clients they wrap are. A lane has as many threads as the manifest allows
(`concurrency`, one for MetaTrader 5); waiting calls go in order of priority: cancel, submit, query, bars.

A call has two deadlines of the lane's timeout: one while it waits for a thread, one from when it was begun. What waited
past the first is never begun (`NotStarted`); what was begun and is past the second may still do its work, and its
answer is then late.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Any, Protocol, TypeVar

from trader.errors import ESCAPES
from trader.session.workers import NotStarted, Workers

__all__ = ["InlineLane", "Lane", "NotStarted", "Priority", "ThreadLane"]

A = TypeVar("A")
T = TypeVar("T")


class Priority(IntEnum):
    CANCEL = 0
    SUBMIT = 1
    QUERY = 2
    BARS = 3


class Lane(Protocol):
    """Where the calls of one connection run."""

    def call(
        self, priority: Priority, work: Callable[..., T], /, *args: Any, late: Callable[[T], object] | None = None
    ) -> Awaitable[T]:
        """The answer; what the work raises is raised. NotStarted if it never began and never will, else TimeoutError
        if it was not done in time: its answer, should it still come, goes to `late`, on the event loop. An exception
        that comes late tells nothing and is dropped."""

    def each(
        self,
        priority: Priority,
        work: Callable[[A], T],
        things: Sequence[A],
        /,
        late: Callable[[A, T], object] | None = None,
    ) -> Awaitable[list[T | BaseException]]:
        """`work` on each thing, one after another: its answer, or the exception that `call` would have raised. What is
        more urgent goes in between. Late answers go to `late` with their thing."""

    def wait(self, priority: Priority, work: Callable[..., T], /, *args: Any) -> T:
        """The same as `call`, blocking: for start and stop."""

    def close(self) -> None:
        """No more calls: what waits is NotStarted. Waits for those that run, at most the timeout."""


class InlineLane:
    """Runs a call where it is made: for backtests, where a venue answers at once. Nothing waits, nothing is late."""

    async def call(
        self,
        _priority: Priority,
        work: Callable[..., T],
        *args: Any,
        late: Callable[[T], object] | None = None,  # noqa: ARG002 - of the protocol
    ) -> T:
        return work(*args)

    async def each(
        self,
        _priority: Priority,
        work: Callable[[A], T],
        things: Sequence[A],
        late: Callable[[A, T], object] | None = None,  # noqa: ARG002 - of the protocol
    ) -> list[T | BaseException]:
        answers: list[T | BaseException] = []
        for thing in things:
            try:
                answers.append(work(thing))
            except ESCAPES as error:  # an element like any other
                answers.append(error)
        return answers

    def wait(self, _priority: Priority, work: Callable[..., T], *args: Any) -> T:
        return work(*args)

    def close(self) -> None:
        pass


class ThreadLane:
    """Worker threads of one connection. `timeout`: seconds that a call may wait, and seconds that it may take."""

    def __init__(self, name: str, *, timeout: float, workers: int = 1) -> None:
        self.name, self.timeout = name, timeout
        self._workers = Workers(name, timeout, workers)

    async def call(
        self, priority: Priority, work: Callable[..., T], *args: Any, late: Callable[[T], object] | None = None
    ) -> T:
        on_late = None if late is None else (lambda _args, answer: late(answer))
        answer: T = _only(await self._run(priority, lambda given: work(*given), [args], on_late))
        return answer

    async def each(
        self,
        priority: Priority,
        work: Callable[[A], T],
        things: Sequence[A],
        late: Callable[[A, T], object] | None = None,
    ) -> list[T | BaseException]:
        return await self._run(priority, work, things, late) if things else []

    def wait(self, priority: Priority, work: Callable[..., T], *args: Any) -> T:
        done = threading.Event()
        batch = self._workers.put(priority, lambda given: work(*given), [args], done.set, lambda _args, _answer: None)
        while not done.wait(self._workers.look(batch)):
            pass
        answer: T = _only(batch.answers)
        return answer

    def close(self) -> None:
        self._workers.close()

    async def _run(
        self,
        priority: Priority,
        work: Callable[[A], T],
        things: Sequence[A],
        late: Callable[[A, T], object] | None,
    ) -> list[T | BaseException]:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        timer: asyncio.TimerHandle | None = None

        def on_loop(call: Callable[..., object], *args: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed, nobody waits any more: a start learns it anew
                loop.call_soon_threadsafe(call, *args)

        def on_late(thing: A, answer: T) -> None:
            if late is not None:
                on_loop(late, thing, answer)

        def look() -> None:
            nonlocal timer
            left = self._workers.look(batch)
            timer = loop.call_later(left, look) if left > 0 else None

        batch = self._workers.put(priority, work, things, lambda: on_loop(done.set), on_late)
        timer = loop.call_later(self.timeout, look)
        try:
            await done.wait()
        finally:
            if timer is not None:
                timer.cancel()
            self._workers.abandon(batch)
        return batch.answers


def _only(answers: Sequence[Any]) -> Any:
    (answer,) = answers
    if isinstance(answer, BaseException):
        raise answer
    return answer
