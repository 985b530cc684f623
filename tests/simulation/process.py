"""One life of the program: from its start to its crash or stop. What it touches of the world, it touches by a door.

A crash is an exception that the program cannot handle: raised at a door, and again at every door that any handler of
the dead process comes to. Its event loop takes no further step, and its transactions are rolled back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .loop import VirtualLoop

if TYPE_CHECKING:
    from trader.simulation.client import Client
    from trader.store.database import Store
    from trader.store.lock import InstanceLock

    from .world import SimWorld


class Crash(BaseException):
    """The process is gone."""


class Process:
    """`life` counts the starts, from 1. It is a `trader.clock.Clock` as the process sees it."""

    def __init__(self, world: SimWorld, life: int) -> None:
        self.world, self.life, self.dead = world, life, False
        self.delisted, self.renamed = world.delisted, dict(world.renamed)
        self.listed = world.listed
        self.former = {new: old for old, new in self.renamed.items()}
        self.stores: list[Store] = []
        self.locks: list[InstanceLock] = []
        self.lines: list[Client] = []
        self.loop = VirtualLoop(
            world.timeline, world.dice("tasks"), after=self.touch, timer=lambda: self.door("timer", 0.1),
            failed=self._failed,
        )  # fmt: skip

    # ---- doors -----------------------------------------------------------------------------------------------------
    def touch(self) -> None:
        """Crash where the process is dead."""
        if self.dead:
            raise Crash

    def door(self, name: str, weight: float = 1.0, *, pauses: bool = True) -> None:
        """A place where the process may die, or be frozen for a while. `weight`: how likely, among doors."""
        self.touch()
        if self.world.fate.dies(name, weight):
            self.dead = True
            self.world.note(f"crash {name}")
            raise Crash(name)
        if pauses and (seconds := self.world.fate.freezes(weight)):
            self.world.note(f"pause {name} {seconds:.3f}")
            self.world.timeline.by(seconds)

    def point(self, name: str) -> None:
        """A named place between two things that a crash could tear apart."""
        if name == "gate>broker":
            self.world.passed(self.life)
        # What a process that freezes here has checked is stale when it sends: no program can help that.
        self.door(name, 10.0, pauses=name != "gate>broker" or self.world.profile.window)

    # ---- the clock -------------------------------------------------------------------------------------------------
    def now(self) -> datetime:
        self.touch()
        return self.world.timeline.now

    def monotonic(self) -> float:
        self.touch()
        return self.world.timeline.seconds

    def sleep(self, seconds: float) -> None:
        self.door("sleep")
        self.world.timeline.by(seconds)

    # ---- the loop --------------------------------------------------------------------------------------------------
    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """As asyncio.run: to the end, then what is left of other tasks is cancelled."""
        asyncio.set_event_loop(None)
        self.loop.run_until_complete(work)
        left = self._tasks()
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(_ended(left))

    def _tasks(self) -> list[asyncio.Task[Any]]:
        """Those that are not done, in the order in which they were made."""
        return sorted(asyncio.all_tasks(self.loop), key=lambda task: (len(task.get_name()), task.get_name()))

    def aside(self, work: Callable[[], None]) -> None:
        """Long work that nothing waits for: done at once, or, where the process is short-lived, never."""
        self.door("aside")
        if self.world.dice("aside").random() < 0.5:
            work()

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, Crash):
            self.world.failed(error)

    # ---- the end ---------------------------------------------------------------------------------------------------
    def bury(self) -> None:
        """Let go of what the operating system would take back: locks and connections. Nothing is said to anybody."""
        self.dead = True
        for task in self._tasks():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _close(task.get_coro())
        self.loop._ready.clear()  # type: ignore[attr-defined]
        self.loop._scheduled.clear()  # type: ignore[attr-defined]
        self.loop.close()
        for line in self.lines:
            line.close()
        for store in self.stores:
            store.close()
        for lock in self.locks:
            lock.release()


def _close(work: Any) -> None:
    """Where it waits for something in a `finally`, that is left as well."""
    for _ in range(10):
        with suppress(BaseException):
            work.close()
            return


async def _ended(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
