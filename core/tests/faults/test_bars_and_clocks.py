"""Bars that are wrong, clocks that jump, schedules that fire too often."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from dealing_room.line import Late
from dealing_room.parts import Client, Minutes
from dealing_room.room import TWO
from trader.cli.explain import explain
from trader.errors import DataError
from trader.model import Bars, Unavailable, Unknown
from trader.session.schedule import trigger
from trader.settings import Schedule
from trader.store import reading

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
    "between two microseconds": lambda bars: replace(bars, end=bars.end - np.timedelta64(1, "ns")),
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
        room.bars_said.extend([WRONG[wrong]] * 4)  # it is asked again, and is wrong still
        await room.no_cycle(30)
        assert room.orders() == [] and bool(room.told("data_unavailable")) == (wrong != "missing")
        await room.cycle()
        assert len(room.orders()) == 1
        panel = room.engine.market.panel
        ends = panel.end[: panel.rows]
        assert all(later - earlier == MINUTE for earlier, later in pairwise(ends))
        assert ends[-1] <= np.datetime64(room.time.now().replace(tzinfo=None))

    room.play(story)


LATE = {"silent": WRONG["silent"], "raises": WRONG["raises"], "wrong": WRONG["zero"], "missing": WRONG["missing"]}


@pytest.mark.parametrize("late", LATE, ids=list(LATE))
def test_F50_bars_that_did_not_come_are_asked_for_again_before_the_next_trigger(room, late):
    """A schedule that fires once a day must not lose the day: some seconds later it is asked again, and then decided;
    a person hears of a source that failed once."""

    async def story():
        room.want["AAA"] = 0.1
        room.bars_said.extend([LATE[late]] * 3)
        await room.no_cycle(2)
        await room.sleep(50)
        assert room.cycles["main"] == 2 and len(room.orders()) == 1
        assert len(room.told("data_unavailable")) == (late != "missing") and room.told("bars_late") == []
        await room.cycle()
        assert room.cycles["main"] == 3

    room.play(story)


def test_F50_a_source_that_stays_silent_is_asked_less_and_less_often_and_told_once(room):
    async def story():
        room.bars_said.extend([WRONG["silent"]] * 100)
        await room.no_cycle(3_000)
        assert 10 < 100 - len(room.bars_said) < 25 and len(room.told("data_unavailable")) == 1
        room.bars_said.clear()
        await room.until(lambda: room.cycles["main"] == 2, seconds=301)

    room.play(story)


def test_F95_a_source_that_refuses_our_keys_is_not_asked_before_the_next_trigger(room):
    async def story():
        room.bars_said.extend([Unavailable("auth", "the key was revoked")] * 9)
        await room.no_cycle(600)
        assert len(room.bars_said) == 8

    room.play(story)


def test_F50_a_bar_that_is_late_is_asked_for_as_long_as_it_lasts_and_then_told(room):
    """A market may have closed: it is not asked for ever. The next trigger asks, and begins anew."""

    async def story():
        room.bars_said.extend([WRONG["missing"]] * 100)
        await room.no_cycle(58)
        assert room.told("bars_late") == []
        await room.sleep(600)
        asked = 100 - len(room.bars_said)
        (told,) = room.told("bars_late")
        assert 4 <= asked <= 8 and "2024-01-02 12:00" in told
        await room.no_cycle(600)
        assert 100 - len(room.bars_said) > asked + 1 and len(room.told("bars_late")) == 1
        room.bars_said.clear()
        await room.cycle()

    room.play(story)


def test_F54_nobody_waits_for_bars_while_the_market_was_closed_a_week_ago(room, monkeypatch):
    """Bars close from 12:00 to 12:30 only, every day: what does not come after that is not late."""
    real, asked = Minutes.bars, []

    def at_noon(source, symbols, timeframe, start, end):
        asked.append(end)
        made = real(source, symbols, timeframe, start - timedelta(days=8), end)
        days = np.concatenate([made.end - np.timedelta64(day, "D") for day in range(8, -1, -1)])
        noon = days.astype("datetime64[D]").astype("datetime64[ns]") + np.timedelta64(12 * 60, "m")
        ends = np.unique(days[(days >= noon) & (days <= noon + np.timedelta64(30, "m")) & (days <= made.end[-1])])
        price = np.full((len(ends), len(symbols)), 100.0)
        return Bars(tuple(symbols), "1m", ends - MINUTE, ends, price, price, price, price, price)

    monkeypatch.setattr(Minutes, "bars", at_noon)
    room.time.advance(30 * 60)  # 12:30

    async def story():
        await room.no_cycle(600)
        assert len(asked) <= 4 and room.told("bars_late") == []

    room.play(story)


def test_F50_a_bar_that_closed_a_moment_ago_is_waited_for(room, monkeypatch):
    """Its source has it a second later, as it says: the cycle is not decided on the bar before, and not left out."""
    real = Minutes.bars
    monkeypatch.setattr(
        Minutes, "bars", lambda source, symbols, timeframe, start, end: real(
            source, symbols, timeframe, start, end - timedelta(seconds=1))
    )  # fmt: skip

    async def story():
        await room.sleep(59.3)  # 12:01:00.3
        for call in room.table.calls:
            call()
        await room.sleep(1.5)
        assert room.cycles["main"] == 2
        assert str(room.engine.cycle_id) == "2024-01-02T12:01:00+00:00"

    room.play(story)


def spoiled(name, value, symbol=0):
    """Bars of which the newest of one symbol has this."""

    def spoil(bars):
        table = getattr(bars, name).copy()
        table[-1:, symbol] = value
        return replace(bars, **{name: table})

    return spoil


SPOILED = {
    "zero": spoiled("close", 0.0),
    "negative": spoiled("low", -1.0),
    "infinite": spoiled("high", np.inf),
    "no number": spoiled("open", np.nan),
    "high below low": spoiled("high", 99.0),
    "volume": spoiled("volume", -1.0),
}


def said_of(room, symbol="AAA"):
    """What became of a symbol in the newest decision."""
    decision = reading.cycle(room.store, "main")["decision"]
    return decision["verdict"][decision["symbols"].index(symbol)]


@pytest.mark.parametrize("what", SPOILED, ids=list(SPOILED))
def test_F47_a_wrong_price_of_one_symbol_leaves_out_that_symbol_only(room, what):
    """It is told; what is held of it counts at its last good price; the others trade, and it does when it is right."""

    async def story():
        await room.hold()
        room.bars_said.extend([SPOILED[what]] * 2)
        room.want.update(AAA=0.3, BBB=0.1)
        await room.cycle()
        await room.cycle()
        assert [one["symbol"] for one in room.orders()] == ["AAA", "BBB"]
        assert said_of(room) == "its last bar is wrong: no new risk" and said_of(room, "BBB") != said_of(room)
        assert explain(reading.cycle(room.store, "main"), "AAA")["stopped_by"] == "coverage"
        assert len(room.told("bar_wrong")) == 1 and "AAA" in room.told("bar_wrong")[0]
        assert room.told("data_unavailable") == [] and room.engine.standing.price("AAA") == 100
        await room.cycle()
        assert [one["symbol"] for one in room.orders()] == ["AAA", "BBB", "AAA"]

    room.play(story)


def test_F47_a_wrong_price_of_one_symbol_does_not_keep_a_session_from_its_start(room):
    room.bars_said.append(SPOILED["zero"])
    room.want.update(AAA=0.1, BBB=0.1)

    async def story():
        assert [one["symbol"] for one in room.orders()] == ["AAA", "BBB"]  # a second later it was right
        assert not np.isnan(room.engine.market.panel.close[: room.engine.market.panel.rows]).any()

    room.play(story)


def test_F50_a_bar_that_is_late_for_one_symbol_fills_its_hole(make_room):
    """The next answer brings it, and it stands in the history; a bar that was there stays as it was."""
    room = make_room(text="[application.exits]\nmax_age = 99\n")

    def dear(bars):
        high, close = bars.high.copy(), bars.close.copy()
        high[:-1, 0], close[:-1, 0] = 200, 150
        return replace(bars, high=high, close=close)

    async def story():
        await room.hold()
        room.bars_said.append(spoiled("close", np.nan))
        await room.cycle()
        panel = room.engine.market.panel
        hole = panel.rows - 1
        assert (panel.age[hole].tolist(), panel.volume[hole, 0]) == ([1, 0], 0)
        number = room.engine.number
        room.bars_said.append(dear)
        await room.cycle()
        assert room.engine.number == number + 1
        assert (panel.age[hole].tolist(), panel.volume[hole, 0]) == ([0, 0], 1e6)
        assert panel.close[hole - 1 : hole + 2, 0].tolist() == [100, 150, 100]
        assert room.engine.standing.portfolio.best[0] == 200  # as after a restart

    room.play(story)


def test_F46_the_age_of_a_bar_counts_in_time_where_the_settings_say_a_time(make_room):
    """Ninety seconds are not two bars of a minute."""
    room = make_room()
    room._text = room._text.replace("[application]\n", "[application]\nmax_data_age = 90\n")

    def without(bars):
        table = bars.close.copy()
        table[-2:, 0] = np.nan
        return replace(bars, close=table)

    async def story():
        room.bars_said.extend([without] * 2)
        await room.cycle()
        assert said_of(room) != "its last bar is too old: no new risk"
        await room.cycle()
        assert said_of(room) == "its last bar is too old: no new risk"

    room.play(story)


def test_F46_bars_that_the_source_has_late_are_too_old_too(make_room, monkeypatch):
    """The newest bar is five minutes old when it is decided on, and the settings want no new risk after two."""
    room, real = make_room(), Minutes.bars
    room._text = room._text.replace("[application]\n", "[application]\nmax_data_age = 120\n")
    monkeypatch.setattr(
        Minutes, "bars", lambda source, symbols, timeframe, start, end: real(
            source, symbols, timeframe, start, end - timedelta(minutes=5))
    )  # fmt: skip

    async def story():
        assert said_of(room) == "its last bar is too old: no new risk"

    room.play(story)


def test_F82_something_that_is_no_bars(room):
    """It is no answer: the last good bars stay in use, and the session goes on."""

    async def story():
        await room.hold()
        room.bars_said.append(None)
        await room.no_cycle(2)
        assert len(room.told("data_unavailable")) == 1
        room.want["BBB"] = 0.1
        await room.cycle()
        assert len(room.submits) == 2

    room.play(story)


@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("answer", [Unavailable("store", "the disk is full"), OSError("no space left")])
def test_F78_a_venue_that_does_not_take_our_bars_holds_up_its_own_book_only(make_room, monkeypatch, times, answer):
    """The other book decides on; the bars are brought again until they are taken, and none is left out."""
    room, said, took = make_room(books=("main", "other"), text=TWO), [], []

    def on_bars(self, bars):
        planned = said.pop() if said and self.calls is room.calls["other"] else None
        if isinstance(planned, Exception):
            raise planned
        if planned is None and self.calls is room.calls["other"]:
            took.append(bars.end[0])
        return planned

    monkeypatch.setattr(Client, "on_bars", on_bars, raising=False)

    async def story():
        said.extend([answer] * times)
        await room.cycle()
        await room.cycle()
        await room.until(lambda: not said and room.cycles["other"] >= 2)
        await room.cycle("other")
        assert room.told("broker_unavailable") and all(later - one == MINUTE for one, later in pairwise(took))

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


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("max_age", [6, 7])
def test_F50_bars_that_closed_before_a_fill_nobody_saw_do_not_age_the_position(make_room, restart, max_age):
    """While nobody looks, nine bars close, then the order is filled, then six bars close."""
    room = make_room(reconcile="interval_seconds = 900", text=f"[application.exits]\nmax_age = {max_age}\n")

    async def fall_asleep():
        await room.order()
        if not restart:
            sleep()
            await wake()

    def sleep():
        room.time.advance(590)
        room.trade(AAA=90)
        room.time.advance(360)

    async def wake():
        left = ["exit"] if max_age == 6 else []
        await room.until(lambda: room.cycles["main"] > 0)
        await room.cycle()
        assert [one["purpose"] for one in room.orders()] == ["rebalance", *left]
        assert room.engine.standing.portfolio.best[0] == 90  # 100 was before

    room.play(fall_asleep)
    if restart:
        sleep()
        room.play(wake)


@pytest.mark.parametrize("days", [99, 101])
def test_F50_the_age_of_a_position_is_known_after_a_restart_however_long_it_is_held(make_room, monkeypatch, days):
    """The strategy looks back one bar only; a position of a hundred bars is left all the same."""

    def daily(source, symbols, _timeframe, start, end):
        first, last = (np.datetime64(moment.replace(tzinfo=None), "D") for moment in (start, end))
        ends = np.arange(first + 1, last + 1).astype("datetime64[ns]")
        close = np.full((len(ends), len(symbols)), 100.0)
        prices = (close, close, close, close, close)
        return Bars(tuple(symbols), "1d", ends - np.timedelta64(1, "D"), ends, *prices)

    monkeypatch.setattr(Minutes, "bars", daily)
    room = make_room(text="[application.exits]\nmax_age = 100\n", timeframe="1d")
    room.want["AAA"] = 0.1

    async def enter():
        room.trade()
        await room.reconcile()
        assert room.held() == 100

    async def again():
        await room.until(lambda: room.cycles["main"] > 0)
        left = ["exit"] if days > 100 else []
        assert [one["purpose"] for one in room.orders()] == ["rebalance", *left]

    room.play(enter)
    room.time.step(days * 86_400)
    room.play(again)


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


@pytest.mark.parametrize("delay", [0, 10, 3000])
def test_F53_the_hour_that_comes_twice(delay):
    """Summer time ends: the schedule fires at two moments, each its own; summer time begins: it fires once, later."""
    fires = trigger(Schedule(trigger="cron", cron="30 1 * * *", timezone="America/New_York"), "1d", delay)
    moments, now = [], datetime(2024, 11, 3, 4, tzinfo=UTC)
    previous = None
    for _ in range(3):
        previous = fires.get_next_fire_time(previous, now)
        moments.append(previous.astimezone(UTC) - timedelta(seconds=delay))
        now = previous
    assert [f"{one:%d %H:%M}" for one in moments] == ["03 05:30", "03 06:30", "04 06:30"]
    spring = trigger(Schedule(trigger="cron", cron="30 2 * * *", timezone="America/New_York"), "1d", delay)
    first = spring.get_next_fire_time(None, datetime(2024, 3, 10, 5, tzinfo=UTC)).astimezone(UTC)
    assert first - datetime(2024, 3, 10, 5, tzinfo=UTC) < timedelta(hours=3, seconds=delay)


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


@pytest.mark.parametrize("restart", [False, True])
def test_F56_the_bars_of_a_long_sleep_cost_the_venue_no_questions(room, restart):
    """However many bars closed meanwhile, the venue is asked once for what is new, and the book is marked at each."""
    asked = {}

    async def fall_asleep():
        await room.hold()
        room.trade(AAA=120)
        await room.sleep(61)
        room.trade(AAA=100)
        asked.update(room.calls["main"])
        room.time.advance(1_500)
        if not restart:
            await wake()

    async def wake():
        decided = len(room.orders())
        await room.cycle()
        more = {call: count - asked[call] for call, count in room.calls["main"].items()}
        assert more["fills"] < 8 and more["account"] < 8 and room.engine.market.panel.rows > 25, more
        assert len(room.orders()) == decided and room.engine.standing.peak == 102_000

    room.play(fall_asleep)
    if restart:
        room.play(wake)
