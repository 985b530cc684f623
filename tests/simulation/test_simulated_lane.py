"""The lane of a simulated session keeps to the contract of the real one, in virtual time."""

import asyncio

import pytest
from simulation.lane import Line, SimLane
from simulation.profile import Profile
from simulation.timetable import SimTimetable
from simulation.world import SimWorld
from trader.session.lanes import NotStarted, Priority

CANCEL, SUBMIT, QUERY, BARS = Priority


@pytest.fixture
def play(tmp_path):
    """play(coroutine function of (lane), line, workers): its result. `play.process` is whose lane it is."""

    def go(work, line=None, *, workers=1, timeout=10.0):
        world = SimWorld(1, Profile(line=line or Line()), tmp_path)
        play_.process = process = world.born()
        play_.made.append(process)
        answers = []

        async def run():
            answers.append(await work(SimLane(process, "test", timeout, workers)))

        process.run(run())
        return answers[0]

    def play_(*args, **more):
        return go(*args, **more)

    play_.made = []
    yield play_
    for process in play_.made:
        process.bury()


def now():
    return asyncio.get_running_loop().time()


async def outcome(call):
    try:
        return await call
    except Exception as error:  # noqa: BLE001
        return type(error)


def kinds(answers):
    return [type(answer) if isinstance(answer, BaseException) else answer for answer in answers]


def test_an_answer_or_an_error_comes_after_the_way_there_and_back(play):
    async def work(lane):
        answer = await lane.call(QUERY, max, 3, 4)
        assert 0 < now() < 5
        return answer, await outcome(lane.call(QUERY, lambda: 1 // 0)), await lane.each(SUBMIT, abs, [])

    assert play(work) == (4, ZeroDivisionError, [])


def test_what_is_urgent_goes_between_the_submits_of_a_batch(play):
    order = []

    async def work(lane):
        def submit(number):
            order.append(number)
            if number == 2:
                for name, priority in (("query", QUERY), ("cancel", CANCEL)):
                    calls.append(asyncio.ensure_future(lane.call(priority, order.append, name)))

        calls = []
        await lane.each(SUBMIT, submit, [1, 2, 3, 4])
        await asyncio.gather(*calls)

    play(work)
    assert order == [1, 2, "cancel", 3, 4, "query"]


def test_a_lost_answer_is_a_timeout_at_the_deadline_and_the_work_is_done(play):
    done, late = [], []

    async def work(lane):
        answers = await lane.each(SUBMIT, done.append, [1], lambda *answer: late.append(answer))
        at = now()
        await asyncio.sleep(100)
        return kinds(answers), at

    assert play(work, Line(lost=1.0)) == ([TimeoutError], 10.0)
    assert done == [1] and late == []


def test_F16_a_late_answer_comes_after_its_timeout(play):
    """The answer arrives after the deadline of the call: it is handed over with its order all the same."""
    late = []

    async def work(lane):
        answers = await lane.each(SUBMIT, abs, [-1], lambda *answer: late.append((*answer, now() > 10)))
        first = list(late)
        await asyncio.sleep(60)
        return kinds(answers), first

    assert play(work, Line(late=1.0)) == ([TimeoutError], [])
    assert late == [(-1, 1, True)]


def test_slow_work_is_done_after_its_deadline(play):
    done = []

    async def work(lane):
        answer = await outcome(lane.call(SUBMIT, lambda: done.append(now())))
        early = list(done)
        await asyncio.sleep(60)
        return answer, early

    assert play(work, Line(slow=1.0)) == (TimeoutError, [])
    assert len(done) == 1 and 10 <= done[0] <= 31


def test_behind_a_worker_that_hangs_nothing_starts(play):
    done = []

    async def work(lane):
        batch = asyncio.ensure_future(lane.each(SUBMIT, done.append, [1, 2]))
        await asyncio.sleep(0.001)
        query = await outcome(lane.call(QUERY, done.append, 3))
        return kinds(await batch), query

    assert play(work, Line(slow=1.0, slack=50.0)) == ([TimeoutError, NotStarted], NotStarted)
    assert 2 not in done and 3 not in done


def test_what_is_stuck_is_never_begun(play):
    done = []

    async def work(lane):
        return await outcome(lane.call(QUERY, done.append, 1)), now()

    assert play(work, Line(stuck=1.0)) == (NotStarted, 10.0)
    assert done == []


def test_a_caller_that_is_cancelled_takes_back_what_was_not_begun(play):
    done = []

    async def work(lane):
        first = asyncio.ensure_future(lane.call(QUERY, done.append, 1))
        await asyncio.sleep(0.001)
        second = asyncio.ensure_future(lane.call(QUERY, done.append, 2))
        await asyncio.sleep(0.001)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.sleep(60)
        await lane.call(QUERY, done.append, 3)

    play(work)
    assert done == [1, 3]


def test_a_blocking_call_lets_time_pass_for_everybody(play):
    async def work(lane):
        answer = lane.wait(QUERY, max, 3, 4)
        return answer, now() > 0

    assert play(work) == (4, True)


def test_a_closed_lane_begins_nothing(play):
    async def work(lane):
        lane.close()
        return await outcome(lane.call(QUERY, abs, 1))

    assert play(work) is NotStarted


def test_a_timetable_makes_up_for_what_was_missed_once(play):
    from datetime import timedelta

    from trader.session.schedule import Every

    calls = []

    async def work(_lane):
        table = SimTimetable(play.process)
        table.add(Every(timedelta(seconds=10)), lambda: calls.append(now()))
        table.start()
        await asyncio.sleep(25)
        play.process.world.timeline.by(42)  # the process is frozen
        await asyncio.sleep(13)
        table.stop()
        await asyncio.sleep(50)

    play(work)
    assert calls == [10, 20, 67, 70, 80]
