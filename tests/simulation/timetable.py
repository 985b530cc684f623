"""A timetable in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .process import Process


class SimTimetable:
    """`trader.session.schedule.Timetable`: the same triggers, the loop's clock."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._entries: list[tuple[Any, Callable[[], None]]] = []
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def add(self, trigger: Any, call: Callable[[], None], /) -> None:
        self._entries.append((trigger, call))

    def start(self) -> None:
        now = self._process.now()
        for number, (trigger, _call) in enumerate(self._entries):
            self._plan(number, trigger.get_next_fire_time(None, now))

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._entries.clear()

    def _plan(self, number: int, moment: datetime | None) -> None:
        if moment is not None:
            seconds = self._process.world.timeline.since(moment)
            self._timers[number] = asyncio.get_running_loop().call_at(seconds, self._fire, number, moment)

    def _fire(self, number: int, moment: datetime) -> None:
        trigger, call = self._entries[number]
        now = self._process.now()
        following: datetime | None = moment
        while following is not None and following <= now:  # what was missed is made up for once
            following = trigger.get_next_fire_time(following, now)
        self._plan(number, following)
        self._process.door("timetable")
        call()
