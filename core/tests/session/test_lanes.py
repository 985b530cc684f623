"""Lanes: blocking calls beside the loop, by priority, with two deadlines."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from trader.clock import SystemClock
from trader.model import Unavailable
from trader.session.asking import ask
from trader.session.lanes import InlineLane, NotStarted, Priority, ThreadLane

CANCEL, SUBMIT, QUERY, BARS = Priority
pause = SystemClock().sleep


@pytest.fixture
def lane():
    """lane(timeout, workers): closed at the end. `lane.hold` is an event that calls can wait for; it is set at the
    end, so that no thread is left behind."""
    made = []

    def make(timeout=5.0, workers=1):
        made.append(ThreadLane("test", timeout=timeout, workers=workers))
        return made[-1]

    make.hold = threading.Event()
    yield make
    make.hold.set()
    for one in made:
        one.close()


def kinds(answers):
    return [type(answer) if isinstance(answer, BaseException) else answer for answer in answers]


async def outcome(call):
    """What comes of a call: its answer, or the type of what it raises."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001
        return type(error)


# ---- answers -------------------------------------------------------------------------------------------------------
def test_a_call_runs_beside_the_loop_and_brings_its_answer_or_its_error(lane) -> None:
    one = lane()

    async def go():
        where = await one.call(QUERY, lambda: threading.current_thread().name)
        return await one.call(QUERY, max, 3, 4), where

    assert asyncio.run(go()) == (4, "lane test 0")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(one.call(QUERY, lambda: 1 // 0))
    with pytest.raises(SystemExit):
        asyncio.run(one.call(QUERY, exit, 3))
    assert one.wait(QUERY, max, 3, 4) == 4
    with pytest.raises(ZeroDivisionError):
        one.wait(QUERY, lambda: 1 // 0)


@pytest.mark.parametrize("error", [asyncio.CancelledError("inner"), GeneratorExit("inner"), KeyboardInterrupt("inner")])
def test_F78_what_a_plugin_raises_never_cancels_whoever_waits_for_it(lane, error) -> None:
    """A client built on asyncio that lets its own CancelledError escape ends no book's task, and so no session."""

    def work(*_things):
        raise error

    async def go():
        asked = await ask(one, QUERY, work)
        return asked, await one.each(SUBMIT, work, [1, 2])

    one = lane()
    asked, sent = asyncio.run(go())
    assert asked == Unavailable("plugin", f"RuntimeError: the plugin raised {type(error).__name__}: inner")
    assert kinds(sent) == [RuntimeError, RuntimeError] and sent[0].__cause__ is error
    with pytest.raises(RuntimeError):
        one.wait(QUERY, work)


def test_each_goes_in_order_and_what_raises_is_an_element(lane) -> None:
    one, seen = lane(), []

    def work(number):
        seen.append(number)
        return 10 // number

    answers = asyncio.run(one.each(SUBMIT, work, [5, 0, 2]))
    assert kinds(answers) == [2, ZeroDivisionError, 5] and seen == [5, 0, 2]
    assert asyncio.run(one.each(SUBMIT, work, [])) == []


def test_as_many_calls_run_at_once_as_the_lane_has_workers(lane) -> None:
    one = lane(workers=2)
    both = threading.Barrier(2, timeout=4)

    async def go():
        await asyncio.gather(*(one.call(QUERY, both.wait) for _ in range(2)))

    asyncio.run(go())


def test_a_thousand_things_cost_little_more_than_their_work(lane) -> None:
    one = lane()

    async def go():
        began = time.perf_counter()
        await one.each(SUBMIT, abs, range(1_000))
        return time.perf_counter() - began

    assert min(asyncio.run(go()) for _ in range(5)) < 1_000 * 25e-6


# ---- priorities ----------------------------------------------------------------------------------------------------
def test_a_cancel_goes_before_submits_that_wait_and_they_before_queries(lane) -> None:
    one, order = lane(), []

    async def go():
        blocked = asyncio.ensure_future(one.call(QUERY, lane.hold.wait, 5))
        await asyncio.sleep(0.05)
        waiting = [
            asyncio.ensure_future(one.call(priority, order.append, priority.name))
            for priority in (BARS, QUERY, SUBMIT, CANCEL)
        ]
        await asyncio.sleep(0.05)
        lane.hold.set()
        await asyncio.gather(blocked, *waiting)

    asyncio.run(go())
    assert order == ["CANCEL", "SUBMIT", "QUERY", "BARS"]


def test_a_cancel_that_is_asked_for_while_submits_go_out_is_next(lane) -> None:
    one, order, second = lane(), [], threading.Event()

    def submit(number):
        order.append(number)
        if number == 2:
            second.set()
            lane.hold.wait(5)

    async def go():
        batch = asyncio.ensure_future(one.each(SUBMIT, submit, [1, 2, 3, 4]))
        await asyncio.to_thread(second.wait, 5)
        query = asyncio.ensure_future(one.call(QUERY, order.append, "query"))
        cancel = asyncio.ensure_future(one.call(CANCEL, order.append, "cancel"))
        await asyncio.sleep(0.02)
        lane.hold.set()
        await asyncio.gather(batch, query, cancel)

    asyncio.run(go())
    assert order == [1, 2, "cancel", 3, 4, "query"]


def test_a_worker_that_is_free_takes_the_rest_of_submits_while_another_cancels(lane) -> None:
    one, order, first, cancelling = lane(workers=2), [], threading.Event(), threading.Event()

    def submit(number):
        order.append(number)
        if number == 1:
            first.set()
            cancelling.wait(5)

    def cancel():
        lane.hold.wait(5)
        order.append("cancelled")

    async def go():
        batch = asyncio.ensure_future(one.each(SUBMIT, submit, [1, 2, 3]))
        await asyncio.to_thread(first.wait, 5)
        ending = asyncio.ensure_future(one.call(CANCEL, cancel))
        await asyncio.sleep(0.02)
        cancelling.set()
        await batch
        lane.hold.set()
        await ending

    asyncio.run(go())
    assert order == [1, 2, 3, "cancelled"]


# ---- deadlines -----------------------------------------------------------------------------------------------------
def test_a_call_without_an_answer_in_time_is_given_up_and_one_that_waited_is_never_made(lane) -> None:
    one, made = lane(timeout=0.1), []

    async def go():
        slow = outcome(one.call(QUERY, lane.hold.wait, 5))
        waits = outcome(one.call(QUERY, made.append, 1))
        answers = await asyncio.gather(slow, waits)
        lane.hold.set()
        await asyncio.sleep(0.05)
        return answers

    assert asyncio.run(go()) == [TimeoutError, NotStarted]
    assert made == []
    with pytest.raises(TimeoutError):
        one.wait(QUERY, pause, 0.2)


def test_the_deadline_of_a_call_runs_from_when_it_was_begun(lane) -> None:
    one = lane(timeout=0.2)

    async def go():
        return await asyncio.gather(*(outcome(one.call(QUERY, pause, 0.12)) for _ in range(2)))

    assert asyncio.run(go()) == [None, None]


def test_many_things_may_take_longer_together_than_one_may(lane) -> None:
    one = lane(timeout=0.1)
    assert asyncio.run(one.each(SUBMIT, pause, [0.03] * 8)) == [None] * 8


def test_a_loop_that_is_busy_makes_nothing_start_too_late(lane) -> None:
    one, made = lane(timeout=0.05), []

    async def go():
        slow = asyncio.ensure_future(outcome(one.call(QUERY, pause, 0.15)))
        waits = asyncio.ensure_future(outcome(one.call(QUERY, made.append, 1)))
        await asyncio.sleep(0)
        pause(0.25)  # a loop that computes
        return await waits, await slow

    assert asyncio.run(go())[0] is NotStarted
    assert made == []


def test_behind_a_worker_that_hangs_nothing_starts_and_all_hear_it_in_time(lane) -> None:
    one, sent = lane(timeout=0.1), []

    def submit(number):
        sent.append(number)
        lane.hold.wait(5)

    async def go():
        began = time.perf_counter()
        batch, query = await asyncio.gather(one.each(SUBMIT, submit, [1, 2, 3]), outcome(one.call(QUERY, abs, 1)))
        return batch, query, time.perf_counter() - began

    batch, query, seconds = asyncio.run(go())
    assert kinds(batch) == [TimeoutError, NotStarted, NotStarted] and query is NotStarted
    assert sent == [1] and seconds < 0.3


def test_where_one_worker_hangs_the_others_go_on_with_the_rest(lane) -> None:
    one, sent = lane(timeout=0.1, workers=2), []

    def submit(number):
        sent.append(number)
        if number == 1:
            lane.hold.wait(5)
        return number

    async def go():
        batch = await one.each(SUBMIT, submit, [1, 2, 3])
        return batch, await one.call(QUERY, abs, -4)

    batch, query = asyncio.run(go())
    assert kinds(batch) == [TimeoutError, 2, 3] and query == 4 and sent == [1, 2, 3]


def test_a_worker_that_came_back_works_again(lane) -> None:
    one = lane(timeout=0.05)

    async def go():
        slow = await outcome(one.call(QUERY, lane.hold.wait, 5))
        lane.hold.set()
        return slow, await one.call(QUERY, abs, -4)

    assert asyncio.run(go()) == (TimeoutError, 4)


# ---- late answers --------------------------------------------------------------------------------------------------
def test_F16_an_answer_that_comes_late_is_handed_over_on_the_loop(lane) -> None:
    """A request is answered after its caller gave up: the answer reaches the session all the same."""
    one, heard = lane(timeout=0.05), []

    def slow(number):
        lane.hold.wait(5)
        return number * 10

    def late(*answer):
        heard.append((*answer, threading.current_thread() is threading.main_thread()))

    async def go():
        first = await outcome(one.call(SUBMIT, slow, 1, late=late))
        second = asyncio.ensure_future(one.each(SUBMIT, slow, [2, 3], late))
        lane.hold.set()
        answers = await second
        await asyncio.sleep(0.02)
        return first, answers

    assert asyncio.run(go()) == (TimeoutError, [20, 30])
    assert heard == [(10, True)]


def test_a_late_answer_of_each_comes_with_its_thing(lane) -> None:
    one, heard = lane(timeout=0.05), []

    async def go():
        answers = await one.each(
            SUBMIT, lambda seconds: pause(seconds) or -seconds, [0.1, 0.2], lambda *a: heard.append(a)
        )
        await asyncio.sleep(0.15)
        return answers

    assert kinds(asyncio.run(go())) == [TimeoutError, NotStarted]
    assert heard == [(0.1, -0.1)]


def test_an_error_that_comes_late_tells_nothing(lane) -> None:
    one, heard = lane(timeout=0.05), []

    def work():
        lane.hold.wait(5)
        raise ValueError

    async def go():
        slow = await outcome(one.call(SUBMIT, work, late=heard.append))
        lane.hold.set()
        await asyncio.sleep(0.05)
        return slow

    assert asyncio.run(go()) is TimeoutError and heard == []


def test_a_late_answer_after_the_loop_ended_harms_nobody(lane) -> None:
    one = lane(timeout=0.05)
    assert asyncio.run(outcome(one.call(SUBMIT, lane.hold.wait, 5, late=print))) is TimeoutError
    lane.hold.set()
    assert one.wait(QUERY, abs, -1) == 1


def test_a_caller_that_is_cancelled_takes_back_what_was_not_begun_and_hears_late_of_what_was(lane) -> None:
    one, made, heard = lane(), [], []

    def work(number):
        lane.hold.wait(5)
        made.append(number)
        return number

    async def go():
        batch = asyncio.ensure_future(one.each(SUBMIT, work, [1, 2], lambda thing, answer: heard.append(answer)))
        waits = asyncio.ensure_future(one.call(QUERY, made.append, 3))
        await asyncio.sleep(0.05)
        batch.cancel()
        waits.cancel()
        await asyncio.gather(batch, waits, return_exceptions=True)
        lane.hold.set()
        await one.call(QUERY, abs, 1)
        await asyncio.sleep(0.02)

    asyncio.run(go())
    assert made == [1] == heard


# ---- the end -------------------------------------------------------------------------------------------------------
def test_close_waits_for_what_runs_and_begins_nothing_more(lane) -> None:
    one, made, running = lane(), [], threading.Event()

    def work(number):
        running.set()
        pause(0.1)
        made.append(number)

    async def go():
        batch = asyncio.ensure_future(one.each(SUBMIT, work, [1, 2]))
        waits = asyncio.ensure_future(outcome(one.call(QUERY, made.append, 3)))
        await asyncio.to_thread(running.wait, 5)
        await asyncio.to_thread(one.close)
        seen = list(made)
        return seen, await batch, await waits, await outcome(one.call(QUERY, abs, 1))

    seen, batch, waits, after = asyncio.run(go())
    assert seen == [1] == made and kinds(batch) == [None, NotStarted] and waits is after is NotStarted
    with pytest.raises(NotStarted):
        one.wait(QUERY, abs, 1)


def test_close_waits_no_longer_than_the_timeout_and_not_for_what_hangs_already(lane) -> None:
    one = lane(timeout=0.1)
    began = time.perf_counter()
    assert asyncio.run(outcome(one.call(QUERY, lane.hold.wait, 5))) is TimeoutError
    one.close()
    assert time.perf_counter() - began < 0.19
    two = lane(timeout=0.2)

    async def go():
        hangs = asyncio.ensure_future(outcome(two.call(QUERY, lane.hold.wait, 5)))
        await asyncio.sleep(0.02)
        two.close()
        return await hangs

    began = time.perf_counter()
    assert asyncio.run(go()) is TimeoutError
    assert time.perf_counter() - began < 0.5


def test_an_inline_lane_answers_at_once() -> None:
    one = InlineLane()
    assert asyncio.run(one.call(QUERY, max, 3, 4, late=print)) == one.wait(QUERY, max, 3, 4) == 4
    assert kinds(asyncio.run(one.each(SUBMIT, lambda n: 10 // n, [5, 0, 2], print))) == [2, ZeroDivisionError, 5]
    with pytest.raises(ZeroDivisionError):
        asyncio.run(one.call(QUERY, lambda: 1 // 0))
    one.close()
