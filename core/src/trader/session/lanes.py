"""Lanes: blocking plugin calls run in worker threads of their connection, by priority and with a deadline.

Plugins are synchronous because the clients they wrap are. A lane has as many threads as the manifest allows
(`concurrency`, one for MetaTrader 5); waiting calls go in order of priority: cancel, submit, query, bars.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from enum import IntEnum
from typing import Any, Protocol, TypeVar

A = TypeVar("A")
T = TypeVar("T")


class Priority(IntEnum):
    CANCEL = 0
    SUBMIT = 1
    QUERY = 2
    BARS = 3


class Lane(Protocol):
    """Where the calls of one connection run."""

    def call(self, priority: Priority, work: Callable[..., T], /, *args: Any) -> Awaitable[T]:
        """The answer. TimeoutError when it was not there in time; what the work raises is raised."""

    def each(self, priority: Priority, work: Callable[[A], T], things: Sequence[A], /) -> Awaitable[list[T | None]]:
        """`work` on each thing, in order; None for each whose answer was not there in time."""

    def wait(self, priority: Priority, work: Callable[..., T], /, *args: Any) -> T:
        """The same as `call`, blocking: for start and stop."""

    def close(self) -> None:
        """No more calls; waits for the one that runs, at most its timeout."""


class InlineLane:
    """Runs a call where it is made: for backtests, where a venue answers at once. There is no queue to jump."""

    async def call(self, _priority: Priority, work: Callable[..., T], *args: Any) -> T:
        return work(*args)

    async def each(self, _priority: Priority, work: Callable[[A], T], things: Sequence[A]) -> list[T | None]:
        return [work(thing) for thing in things]

    def wait(self, _priority: Priority, work: Callable[..., T], *args: Any) -> T:
        return work(*args)

    def close(self) -> None:
        pass


class ThreadLane:
    """Worker threads of one connection. `timeout` seconds for each call, waiting included."""

    def __init__(self, name: str, *, timeout: float, workers: int = 1) -> None:
        self.name, self.timeout = name, timeout
        self._calls: queue.PriorityQueue[tuple[int, int, Callable[[], Any] | None, Future[Any]]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._threads = [
            threading.Thread(target=self._work, name=f"lane {name} {number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while True:
            _, _, work, answer = self._calls.get()
            if work is None:
                return
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(work())
            except BaseException as exc:  # noqa: BLE001 - raised where the answer is awaited
                answer.set_exception(exc)

    def _put(self, priority: Priority, work: Callable[..., T], args: tuple[Any, ...]) -> Future[T]:
        answer: Future[T] = Future()
        self._calls.put((priority, next(self._order), lambda: work(*args), answer))
        return answer

    async def call(self, priority: Priority, work: Callable[..., T], *args: Any) -> T:
        import asyncio

        return await asyncio.wait_for(asyncio.wrap_future(self._put(priority, work, args)), self.timeout)

    async def each(self, priority: Priority, work: Callable[[A], T], things: Sequence[A]) -> list[T | None]:
        answers: list[T | None] = []
        for thing in things:
            try:
                answers.append(await self.call(priority, work, thing))
            except TimeoutError:
                answers.append(None)
        return answers

    def wait(self, priority: Priority, work: Callable[..., T], *args: Any) -> T:
        return self._put(priority, work, args).result(self.timeout)

    def close(self) -> None:
        for _ in self._threads:
            self._calls.put((len(Priority), next(self._order), None, Future()))
        for thread in self._threads:
            thread.join(self.timeout)
