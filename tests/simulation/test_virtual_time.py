"""The loop, the timeline and the timetable of the simulation: no real time passes, and the seed draws the order."""

import asyncio
import gc
import sys
from contextlib import suppress
from datetime import timedelta
from random import Random

import pytest
from simulation.loop import Stuck, VirtualLoop
from simulation.process import _close
from simulation.timing import START, Timeline


@pytest.fixture
def loop():
    """loop(seed): closed at the end. What its callbacks raise is in `loop.failed`."""
    made = []

    def make(seed=0, after=lambda: None, timer=lambda: None):
        make.failed = []
        made.append(VirtualLoop(Timeline(), Random(seed), after=after, timer=timer, failed=make.failed.append))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_hours_pass_at_once_and_timers_come_in_their_order(loop):
    one, seen = loop(), []

    async def wait(seconds):
        await asyncio.sleep(seconds)
        seen.append((seconds, one.time()))

    async def go():
        await asyncio.gather(*(wait(seconds) for seconds in (7200, 1, 60)))

    one.run_until_complete(go())
    assert seen == [(1, 1), (60, 60), (7200, 7200)]


def test_tasks_that_are_ready_take_turns_as_the_seed_draws_and_callbacks_in_their_order(loop):
    def played(seed):
        one, steps, calls = loop(seed), [], []

        async def work(name):
            for _ in range(3):
                await asyncio.sleep(0)
                steps.append(name)

        async def go():
            for number in range(5):
                asyncio.get_running_loop().call_soon(calls.append, number)
            await asyncio.gather(*(work(name) for name in "abcd"))

        one.run_until_complete(go())
        return "".join(steps), calls

    orders = {played(seed)[0] for seed in range(20)}
    assert len(orders) > 10 and all(sorted(order) == sorted("abcd" * 3) for order in orders)
    assert played(3) == played(3) and played(3)[1] == list(range(5))


def test_a_loop_that_waits_for_nothing_says_so(loop):
    async def forever():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck):
        loop().run_until_complete(forever())


def test_what_a_callback_raises_is_told_and_ends_nothing(loop):
    one = loop()

    async def go():
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    one.run_until_complete(go())
    assert [type(error) for error in loop.failed] == [ZeroDivisionError]


def test_what_is_raised_after_a_step_ends_the_run_and_nothing_follows(loop):
    class Dead(BaseException):
        pass

    steps = []

    def after():
        if len(steps) == 2:
            raise Dead

    async def go():
        for number in range(5):
            steps.append(number)
            await asyncio.sleep(1)

    one = loop(after=after)
    work = go()
    with pytest.raises(Dead):
        one.run_until_complete(work)
    assert steps == [0, 1]
    for task in asyncio.all_tasks(one):
        task._log_destroy_pending = False
    work.close()


def test_there_are_no_threads(loop):
    one = loop()

    async def go():
        return await asyncio.to_thread(max, 1, 2)

    assert one.run_until_complete(go()) == 2


def test_events_happen_when_time_passes_them_in_their_order():
    line, seen = Timeline(), []
    for seconds in (5, 1, 3, 3):
        line.at(seconds, lambda seconds=seconds: seen.append((seconds, line.seconds)))
    line.to(4)
    assert seen == [(1, 1), (3, 3), (3, 3)] and line.now == START + timedelta(seconds=4)
    line.to(2)
    assert line.seconds == 4
    line.by(10)
    assert seen[-1] == (5, 5)


def test_an_event_that_writes_waits_until_the_transaction_is_over():
    line, seen = Timeline(), []
    line.at(1, lambda: seen.append("writes"), writes=True)
    line.at(2, lambda: seen.append("looks"))
    line.busy = True
    line.to(3)
    assert seen == ["looks"]
    line.busy = False
    line.to(3)
    assert seen == ["looks", "writes"]


def test_an_event_must_not_move_the_time():
    line = Timeline()
    line.at(1, lambda: line.by(1))
    with pytest.raises(RuntimeError):
        line.to(2)


def test_who_was_to_run_when_somebody_dies_is_left_to_be_buried(loop, monkeypatch):
    """A task whose turn did not come is not thrown away where it stands: it may wait for something in a `finally`."""
    printed, ended = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: printed.append(str(told.exc_value)))

    def die():
        if ended:
            raise SystemError("somebody dies")

    one = loop(after=die)

    async def go():
        one.call_later(1, ended.append, True)
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(1)

    with suppress(SystemError):  # nobody keeps the error, and what its frames hold
        one.run_until_complete(go())
    gc.collect()
    left = asyncio.all_tasks(one)
    for task in left:
        task._log_destroy_pending = False
        _close(task.get_coro())
    assert len(left) == 1 and printed == []
