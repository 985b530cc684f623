"""The trader of an emulated day: the real session, the real broker, the real client library; only time is the day's.

    python -m emulated_day.child '{"settings": ..., "clock": ..., "point": ..., "at": ...}'

SIGKILL ends it at the `at`-th pass of a named point, if one is given, or whenever somebody sends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulated_day.clock import DayClock
from trader.clock import SystemClock
from trader.env import World
from trader.errors import TraderError
from trader.session.session import Session
from trader.settings import load

LOOK = 0.01
"""Seconds from one look at the clock to the next."""


class Timetable:
    """`trader.session.schedule.Timetable` on the day's clock."""

    def __init__(self, clock: DayClock) -> None:
        self._clock = clock
        self._entries: list[list[Any]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, trigger: Any, call: Callable[[], None], /) -> None:
        self._entries.append([trigger, call, trigger.get_next_fire_time(None, self._clock.now())])

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            now = self._clock.now()
            for entry in self._entries:
                trigger, call, due = entry
                missed = False
                while due is not None and due <= now:
                    missed, due = True, trigger.get_next_fire_time(due, now)
                entry[2] = due
                if missed:
                    call()
            await asyncio.sleep(LOOK)


class Reaper:
    """Ends the process at a point between two things that a crash could tear apart."""

    def __init__(self, point: str, at: int) -> None:
        self._point, self._left = point, at

    def __call__(self, name: str) -> None:
        if name == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def swap_the_time_of_day(clock: DayClock) -> None:
    """Client libraries stamp their requests with the machine's time of day, and brokers measure how far it is from the
    venue's; in this process it is the day's. Seconds that pass stay the machine's."""
    time.time = lambda: clock.now().timestamp()  # noqa: TID251 - what this swap is there for
    SystemClock.now = lambda _self: clock.now()  # type: ignore[method-assign]


def live(settings_file: str, clock_file: str, point: str = "", at: int = 1) -> int:
    """One life; the exit code if it ends by itself."""
    clock = DayClock(Path(clock_file))
    swap_the_time_of_day(clock)
    settings = load(settings_file)
    world = World(
        settings.root, settings.state_dir, clock, point=Reaper(point, at), make_timetable=lambda: Timetable(clock)
    )
    try:
        summary = Session(settings, world=world).start().run(progress=lambda *_: clock.count())
    except TraderError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    sys.stderr.write(f"ended: {summary.reason}\n")
    return 0


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    sys.exit(live(given["settings"], given["clock"], given.get("point", ""), given.get("at", 1)))
