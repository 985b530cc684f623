"""The timetable of a live session: APScheduler calls on the loop, when triggers say so."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

from trader.clock import SystemClock
from trader.session.schedule import APTimetable, trigger
from trader.settings import Schedule


class Moments:
    """Fires at these moments."""

    def __init__(self, *moments):
        self.moments = moments

    def get_next_fire_time(self, previous, now):
        return next((moment for moment in self.moments if previous is None or moment > previous), None)


def test_calls_come_on_the_loop_and_end_with_stop():
    table, threads = APTimetable(), []
    now = SystemClock().now()
    soon = [now + timedelta(seconds=0.05 * number) for number in range(1, 100)]

    async def go():
        table.add(Moments(*soon), lambda: threads.append(threading.current_thread()))
        table.start()
        await asyncio.sleep(0.28)
        table.stop()
        table.stop()
        seen = len(threads)
        await asyncio.sleep(0.12)
        return seen

    assert 3 <= asyncio.run(go()) == len(threads) <= 6
    assert set(threads) == {threading.main_thread()}


def test_moments_that_were_missed_are_made_up_for_once():
    table, calls = APTimetable(), []
    now = SystemClock().now()
    missed = [now - timedelta(hours=2) + timedelta(minutes=number) for number in range(100)]

    async def go():
        table.add(Moments(*missed), lambda: calls.append(1))
        table.start()
        await asyncio.sleep(0.1)
        table.stop()

    asyncio.run(go())
    assert calls == [1]


def test_the_interval_trigger_fires_from_now_on_whatever_the_systems_clock_says():
    fires = trigger(Schedule(interval_seconds=90), "1d", 0.0)
    now = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    first = fires.get_next_fire_time(None, now)
    assert first == now + timedelta(seconds=90)
    assert fires.get_next_fire_time(first, first) == first + timedelta(seconds=90)
