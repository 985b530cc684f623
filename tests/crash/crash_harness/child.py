"""The trader that is killed: the real session in a world that may end it at a named point.

    python -m crash_harness.child '{"settings": ..., "port": ..., ...}'

The venue's clock is its clock. Its timetable waits until a cycle was decided, then jumps to the end of the next bar.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import apscheduler.triggers.interval  # noqa: F401 - here, so that a warm process has it
import crash_plugins.broker
import crash_plugins.data_source
import crash_plugins.execution_style
import crash_plugins.strategy  # noqa: F401 - as above
import psycopg  # noqa: F401 - as above
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401 - as above
from crash_harness.clock import SharedClock
from crash_harness.wire import KEY, Line
from trader.env import World
from trader.errors import TraderError
from trader.model import Struct
from trader.session.session import Session
from trader.settings import load

IDLE = 0.05
"""Seconds after which the market goes on although no cycle was decided."""
FEW_PAGES = 4
CHUNK = 1 << 20


class Life(Struct, frozen=True):
    """How a trader is to live, and to die. `point`: killed at its `at`-th pass, or `delay` microseconds later; with
    `hunger`, memory is eaten up there instead, under a limit of so many MB above what the process has. `full`: the disk
    is full after so many cycles. `busy`: seconds to wait for another writer, if not the usual. `cycles`: end after so
    many."""

    settings: str
    port: int
    point: str = ""
    at: int = 1
    delay: int = 0
    hunger: int = 0
    full: int = 0
    busy: float = 0.0
    cycles: int = 0
    hold: bool = False


@dataclass
class Metronome:
    """A timetable that fires as fast as cycles are decided (`trader.session.schedule.Timetable`)."""

    clock: SharedClock
    line: Line

    def __post_init__(self) -> None:
        self._entries: list[list[Any]] = []
        self._beat = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, trigger: Any, call: Callable[[], None], /) -> None:
        self._entries.append([trigger, call, trigger.get_next_fire_time(None, self.clock.now())])

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def decided(self) -> None:
        """A cycle is over."""
        self._beat.set()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._beat.wait(), IDLE)
            self._beat.clear()
            _, self.clock.ahead = await asyncio.to_thread(self.line.ask, "advance")
            self._fire(self.clock.now())

    def _fire(self, now: datetime) -> None:
        for entry in self._entries:
            trigger, call, due = entry
            missed = False
            while due is not None and due <= now:
                missed, due = True, trigger.get_next_fire_time(due, now)
            entry[2] = due
            if missed:
                call()


class Reaper:
    """Ends the process at a point: at once, or by eating all the memory that it may have."""

    def __init__(self, life: Life) -> None:
        self._life, self._passes = life, Counter[str]()
        self._eaten: list[bytes] = []

    def __call__(self, name: str) -> None:
        self._passes[name] += 1
        if name != self._life.point or self._passes[name] != self._life.at:
            return
        if self._life.delay:
            signal.setitimer(signal.ITIMER_REAL, self._life.delay / 1e6)  # its signal ends the process, as SIGKILL does
            return
        if not self._life.hunger:
            os.kill(os.getpid(), signal.SIGKILL)
        limit_memory(self._life.hunger)
        while True:  # until MemoryError
            self._eaten.append(b"x" * CHUNK)


def limit_memory(megabytes: int) -> None:
    """So much more than this process has now, and no byte beyond it."""
    import resource

    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def live(life: Life) -> int:
    """One life of a trader, from its start to its end; the exit code if it ends by itself."""
    settings = load(life.settings)
    line = Line(life.port, bytes.fromhex(os.environ[KEY]), "trader")
    clock = SharedClock(*line.ask("clock"))
    metronomes: list[Metronome] = []

    def timetable() -> Metronome:
        metronomes.append(Metronome(clock, line))
        return metronomes[-1]

    world = World(settings.root, settings.state_dir, clock, point=Reaper(life), make_timetable=timetable)
    session = Session(settings, world=world)
    decided = 0

    def progress(*_: Any) -> None:
        nonlocal decided
        decided += 1
        if life.full and decided == life.full:
            fill_up(session.store)
        for metronome in metronomes:
            metronome.decided()

    try:
        session.start(hold=life.hold)
        if life.busy:
            with session.store.transaction() as connection:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(life.busy * 1000)}")
        summary = session.run(cycles=life.cycles or None, progress=progress)
    except TraderError as error:
        traceback.print_exc()
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stderr.write(f"ended: {summary.reason}\n")
    return 0


def fill_up(store: Any) -> None:
    """The disk is full, a few pages from now."""
    with store.transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + FEW_PAGES}")


if __name__ == "__main__":
    sys.exit(live(Life(**json.loads(sys.argv[1]))))
