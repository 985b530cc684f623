"""Bars that are wrong, clocks that jump, schedules that fire too often."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from dealing_room.line import Late
from trader.errors import DataError
from trader.model import Bars, Unavailable, Unknown
from trader.session.schedule import trigger
from trader.settings import Schedule

MINUTE = np.timedelta64(1, "m")


# ---- bars ----------------------------------------------------------------------------------------------------------
def cut(bars, rows):
    """These rows of bars, in this order."""
    prices = (getattr(bars, name)[rows] for name in ("open", "high", "low", "close", "volume"))
    return Bars(bars.symbols, bars.timeframe, bars.start[rows], bars.end[rows], *prices)


WRONG = {
    "missing": lambda bars: cut(bars, []),
    "a duplicate": lambda bars: cut(bars, [*range(len(bars)), -1]),
    "out of order": lambda bars: cut(bars, [*range(len(bars))][::-1]) if len(bars) > 1 else cut(bars, [0, 0]),
    "of the future": lambda bars: replace(bars, start=bars.start + 2 * MINUTE, end=bars.end + 2 * MINUTE),
    "not closed yet": lambda bars: replace(bars, end=bars.end + MINUTE),
    "zero": lambda bars: replace(bars, close=bars.close * 0),
    "negative": lambda bars: replace(bars, low=-bars.low),
    "raises": ConnectionResetError("gone"),
    "silent": Unavailable("timeout", "no answer"),
}


@pytest.mark.parametrize("wrong", WRONG, ids=list(WRONG))
def test_F50_bars_that_are_wrong(room, wrong):
    """No decision is made on them and the reason is told; the next good bar is decided on, and none is skipped or seen
    twice."""

    async def story():
        room.want["AAA"] = 0.1
        room.bars_said.append(WRONG[wrong])
        await room.no_cycle(20)
        assert room.orders() == [] and bool(room.told("data_unavailable")) == (wrong != "missing")
        await room.cycle()
        assert len(room.orders()) == 1
        panel = room.engine.market.panel
        ends = panel.end[: panel.rows]
        assert all(later - earlier == MINUTE for earlier, later in pairwise(ends))
        assert ends[-1] <= np.datetime64(room.time.now().replace(tzinfo=None))

    room.play(story)


def test_F82_something_that_is_no_bars(room):
    """It is no answer: the last good bars stay in use, and the session goes on."""

    async def story():
        await room.hold()
        room.bars_said.append(None)
        await room.no_cycle()
        assert len(room.told("data_unavailable")) == 1
        room.want["BBB"] = 0.1
        await room.cycle()
        assert len(room.submits) == 2

    room.play(story)


def test_F50_the_running_bar_is_not_taken_at_a_start(room):
    """A source that sends the bar that is not closed yet is refused at the start."""
    room.bars_said.append(WRONG["not closed yet"])
    with pytest.raises(DataError, match="ends in the future"):
        room.play()


@pytest.mark.parametrize("learned", ["by a reconciliation", "by a stream", "with the next bar", "before a restart"])
def test_F50_the_age_of_a_position_counts_from_the_bar_of_its_fill_however_it_was_learned(make_room, learned):
    """A position of two bars is left after the second bar that closed behind the one in which it was filled."""
    room = make_room(
        stream=learned == "by a stream", reconcile="interval_seconds = 900", text="[application.exits]\nmax_age = 2\n"
    )

    async def enter():
        await room.order()
        room.trade()
        if learned == "by a stream":
            await room.sleep(3)
        elif learned != "with the next bar":
            await room.reconcile()
        assert room.held() == (0 if learned == "with the next bar" else 100)
        if learned != "before a restart":
            await leave()

    async def leave():
        for _ in range(2):
            await room.cycle()
            assert room.held() == 100 and len(room.orders()) == 1
        await room.cycle()
        assert [one["purpose"] for one in room.orders()] == ["rebalance", "exit"]

    room.play(enter)
    if learned == "before a restart":
        room.play(leave)


def test_F51_a_bar_is_revised_after_it_was_decided_on(room):
    """What was decided stays decided: the bar is not decided on again, and the next ones come on top of it."""

    async def story():
        await room.hold()
        panel, decided = room.engine.market.panel, room.engine.number
        last = panel.rows - 1
        room.bars_said.append(lambda bars: replace(bars, close=bars.close * 2))
        for call in room.table.calls:
            call()  # within the same minute
        await room.sleep(5)
        assert room.engine.number == decided and panel.rows == last + 1
        assert panel.close[last].tolist() == [100, 100]
        await room.cycle()
        assert room.engine.number == decided + 1 and panel.close[last].tolist() == [100, 100]

    room.play(story)


# ---- clocks --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seconds", [2, -2, 300, -300])
def test_F52_the_wall_clock_jumps(room, seconds):
    """Horizons and pauses go by the clock that never jumps; no bar is decided on twice, no fill is missed."""

    async def story():
        room.say("submit", Unknown("timeout", "no answer"))
        client_id = await room.order()
        room.time.step(seconds)
        await room.sleep(28)
        assert room.state(client_id) == "unknown"
        await room.until(lambda: room.state(client_id) == "absent", seconds=25)
        for _ in range(7):
            await room.sleep(60)
            for call in room.table.calls:
                call()
        await room.sleep(5)
        cycles = [one["decided_at"] for one in room.orders()]
        assert len(room.orders()) == 2 and sorted(cycles) == cycles
        room.trade()
        await room.reconcile()
        room.agree()

    room.play(story)


def test_F53_the_hour_that_comes_twice():
    """Summer time ends: the schedule fires at two moments, each its own; summer time begins: it fires once, later."""
    fires = trigger(Schedule(trigger="cron", cron="30 1 * * *", timezone="America/New_York"), "1d", 0.0)
    moments, now = [], datetime(2024, 11, 3, 4, tzinfo=UTC)
    previous = None
    for _ in range(3):
        previous = fires.get_next_fire_time(previous, now)
        moments.append(previous.astimezone(UTC))
        now = previous
    assert [f"{one:%d %H:%M}" for one in moments] == ["03 05:30", "03 06:30", "04 06:30"]
    spring = trigger(Schedule(trigger="cron", cron="30 2 * * *", timezone="America/New_York"), "1d", 0.0)
    first = spring.get_next_fire_time(None, datetime(2024, 3, 10, 5, tzinfo=UTC)).astimezone(UTC)
    assert first - datetime(2024, 3, 10, 5, tzinfo=UTC) < timedelta(hours=3)


def test_F53_one_bar_is_decided_on_once(room):
    """However often the schedule fires within a bar, the bar is decided on once."""

    async def story():
        await room.order()
        decided = room.engine.number
        for _ in range(5):
            for call in room.table.calls:
                call()
            await room.sleep(3)
        assert room.engine.number == decided

    room.play(story)


def test_F55_a_cycle_takes_longer_than_its_period(room):
    """What fires meanwhile is one more cycle afterwards, on the newest bar; never two at once."""

    async def story():
        room.line("SUBMIT", *[Late(1.0)] * 20)
        room.want = {"AAA": 0.1}
        room.before["submit"] = lambda order: room.time.advance(150)
        before = room.engine.number
        await room.cycle()
        for call in room.table.calls * 3:
            call()
        room.before.clear()
        await room.sleep(20)
        assert room.engine.number == before + 2

    room.play(story)


def test_F56_the_computer_slept(room):
    """After two hours everything is reconciled, and one decision is made, on the newest bar."""

    async def story():
        await room.order()
        before = room.engine.number
        room.time.advance(7_200)
        room.trade()
        await room.cycle()
        assert room.engine.number == before + 1 and room.held() == 100
        room.agree()

    room.play(story)
