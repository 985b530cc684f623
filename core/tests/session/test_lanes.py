"""Lanes: blocking calls beside the loop, by priority, with a deadline."""

from __future__ import annotations

import asyncio
import threading

import pytest
from trader.session.lanes import InlineLane, Priority, ThreadLane


def test_a_call_runs_beside_the_loop_and_brings_its_answer_or_its_error() -> None:
    lane = ThreadLane("test", timeout=5)

    async def go() -> tuple[int, str]:
        where = await lane.call(Priority.QUERY, lambda: threading.current_thread().name)
        return await lane.call(Priority.QUERY, max, 3, 4), where

    assert asyncio.run(go()) == (4, "lane test 0")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(lane.call(Priority.QUERY, lambda: 1 // 0))
    lane.close()


def test_a_cancel_goes_before_submits_that_wait_and_they_before_queries() -> None:
    lane = ThreadLane("test", timeout=5)
    gate, order = threading.Event(), []

    async def go() -> None:
        blocked = asyncio.ensure_future(lane.call(Priority.QUERY, gate.wait, 5))
        await asyncio.sleep(0.05)
        waiting = [
            asyncio.ensure_future(lane.call(priority, order.append, priority.name))
            for priority in (Priority.BARS, Priority.QUERY, Priority.SUBMIT, Priority.CANCEL)
        ]
        await asyncio.sleep(0.05)
        gate.set()
        await asyncio.gather(blocked, *waiting)

    asyncio.run(go())
    lane.close()
    assert order == ["CANCEL", "SUBMIT", "QUERY", "BARS"]


def test_a_call_without_an_answer_in_time_is_given_up_and_one_that_waited_is_never_made() -> None:
    lane = ThreadLane("test", timeout=0.1)
    gate, made = threading.Event(), []

    async def go() -> list[object]:
        slow = asyncio.ensure_future(lane.call(Priority.QUERY, gate.wait, 5))
        late = asyncio.ensure_future(lane.call(Priority.QUERY, made.append, 1))
        return list(await asyncio.gather(slow, late, return_exceptions=True))

    answers = asyncio.run(go())
    gate.set()
    lane.close()
    assert [type(answer) for answer in answers] == [TimeoutError, TimeoutError]
    assert made == []


def test_each_goes_in_order_and_tells_none_for_silence() -> None:
    lane = ThreadLane("test", timeout=0.1)
    gate = threading.Event()

    def work(number: int) -> int:
        if number == 2:
            gate.wait(0.3)
        return number * 10

    async def go() -> list[int | None]:
        return await lane.each(Priority.SUBMIT, work, [1, 2])

    assert asyncio.run(go()) == [10, None]
    lane.close()


def test_as_many_calls_run_at_once_as_the_lane_has_workers() -> None:
    lane = ThreadLane("test", timeout=5, workers=2)
    both = threading.Barrier(2, timeout=4)

    async def go() -> None:
        await asyncio.gather(*(lane.call(Priority.QUERY, both.wait) for _ in range(2)))

    asyncio.run(go())
    lane.close()


def test_an_inline_lane_answers_at_once() -> None:
    lane = InlineLane()
    assert asyncio.run(lane.call(Priority.QUERY, max, 3, 4)) == lane.wait(Priority.QUERY, max, 3, 4) == 4
    assert asyncio.run(lane.each(Priority.SUBMIT, abs, [-1, -2])) == [1, 2]
    lane.close()
