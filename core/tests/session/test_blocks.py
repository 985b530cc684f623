"""What is halted, reduced or paused: honoured by planner and gate, kept over restarts, lifted by a person."""

import pytest
from dealing_room.room import TWO
from trader.errors import TraderError
from trader.model import Unavailable
from trader.safety.stop import Trip, write_stop
from trader.store import blocks


@pytest.fixture
def two(make_room):
    return make_room(books=("main", "other"), text=TWO)


def sent(room):
    return [(one["symbol"], one["side"], one["state"]) for one in room.orders()]


async def bought_both(room):
    """Both symbols held, and the strategy turned round: it wants half of AAA and none of BBB."""
    room.want = {"AAA": 0.2, "BBB": 0.2}
    await room.cycle()
    room.trade()
    await room.reconcile()
    room.want = {"AAA": 0.1, "BBB": 0.0}


@pytest.mark.parametrize(
    ("scope", "level", "goes_out"),
    [
        ("main/AAA", "halt", {("BBB", "sell")}),
        ("main", "halt", set()),
        ("main", "reduce", {("AAA", "sell"), ("BBB", "sell")}),
        ("main:wants", "pause", set()),
        ("other", "halt", {("AAA", "sell"), ("BBB", "sell")}),
    ],
)
def test_the_planner_honours_a_block(room, scope, level, goes_out):
    async def story():
        await bought_both(room)
        blocks.block(room.store, scope, level, "test")
        await room.cycle()
        assert {(one[0], one[1]) for one in sent(room)[2:]} == goes_out
        assert not room.heard["refusal"]

    room.play(story)


def test_reduce_only_lets_nothing_be_added(room):
    async def story():
        await room.hold("AAA", 0.1)
        blocks.block(room.store, "main", "reduce", "test")
        room.want = {"AAA": 0.3, "BBB": 0.1}
        await room.cycle()
        assert len(room.orders()) == 1
        await room.ask("rearm", scope="main", reason="done")
        await room.cycle()
        assert {(one[0], one[1]) for one in sent(room)[1:]} == {("AAA", "buy"), ("BBB", "buy")}

    room.play(story)


@pytest.mark.parametrize(("level", "scope"), [("halt", "main"), ("halt", "main/AAA"), ("reduce", "main")])
def test_the_gate_refuses_what_was_planned_before_the_block(room, level, scope):
    """A block that comes between the decision and the send."""

    def blocked():
        blocks.block(room.store, scope, level, "just now")
        room.session.look_at_blocks()

    async def story():
        room.at["commit>send"] = blocked
        client_id = await room.order()
        assert room.state(client_id) == "not_sent" and room.submits == []
        room.at.clear()

    room.play(story)


def test_a_halted_book_may_still_cancel_and_books_what_happens(room):
    async def story():
        client_id = await room.order()
        blocks.block(room.store, "main", "halt", "test")
        room.trade(volume=40)
        await room.reconcile()
        assert room.held() == 40
        await room.ask("cancel", order=client_id)
        await room.reconcile()
        assert room.state(client_id) == "canceled"
        room.agree()

    room.play(story)


def test_a_block_outlives_a_restart(room):
    async def story():
        await room.hold()
        blocks.block(room.store, "main/AAA", "halt", "test")
        room.want["AAA"] = 0.0

    async def again():
        await room.cycle()
        assert len(room.orders()) == 1
        assert "lifted" in await room.ask("rearm", scope="AAA", reason="looked at it")
        await room.cycle()
        assert len(room.orders()) == 2

    room.play(story)
    room.play(again)


def test_rearm_says_when_there_is_nothing_to_lift(room):
    async def story():
        assert "nothing stands on AAA" in await room.ask("rearm", scope="AAA", reason="why not")
        assert "was not tripped" in await room.ask("rearm", scope="", reason="why not")

    room.play(story)


def test_after_kill_and_rearm_the_session_trades_again(room):
    async def story():
        await room.order()
        assert "no order works at any venue" in await room.ask("kill", reason="fire")
        await room.no_cycle()
        assert "is lifted" in await room.ask("rearm", scope="", reason="it is out")
        await room.until(lambda: len(room.submits) == 2, seconds=90)
        room.trade()
        await room.reconcile()
        room.agree()
        assert not (room.folder / "var" / "STOP").exists()

    room.play(story)


def test_a_halted_start_cancels_what_works_though_the_venue_does_not_answer_everything(room):
    """Executions are not told for minutes: orders do not go on working for as long."""
    working = []

    def fills(real, since):
        working.append(len(room.venue.truth_working()))
        return Unavailable("timeout", "down") if len(working) < 12 else real(since)

    async def story():
        await room.until(lambda: [one["state"] for one in room.orders()] == ["canceled"])

    room.play(room.order)
    write_stop(room.folder / "var", Trip("fire", "anna", room.time.now()))
    room.always("fills", fills)
    assert room.play(story) is not None
    assert (working[0], working[3], working[11]) == (1, 0, 0)


def test_a_paused_book_decides_nothing_and_books_everything(room):
    async def story():
        await room.order()
        assert "is paused" in await room.ask("pause", scope="main")
        room.want["BBB"] = 0.1
        room.trade()
        await room.no_cycle(30)
        assert room.held() == 100
        assert "is released" in await room.ask("release", scope="main")
        await room.until(lambda: len(room.orders()) == 2, seconds=70)
        assert ("main", "paused", "by anna") in room.heard["state"]

    room.play(story)


def test_a_paused_strategy_holds_everything(room):
    async def story():
        await bought_both(room)
        await room.ask("pause", scope="wants")
        await room.cycle()
        assert len(room.orders()) == 2
        await room.ask("release", scope="wants")
        await room.cycle()
        assert len(room.orders()) == 4

    room.play(story)


def test_a_scope_that_is_not_there_is_refused_with_what_there_is(room):
    async def story():
        with pytest.raises(TraderError, match=r"no book and no strategy 'man'.*Books: main. Strategies: wants"):
            await room.ask("pause", scope="man")

    room.play(story)


def test_a_block_of_one_book_is_none_of_the_other(two):
    room = two

    async def story():
        await room.ask("pause", scope="main")
        room.want["AAA"], room.wants["other"]["BBB"] = 0.1, 0.1
        before = room.cycles["main"]
        await room.cycle("other")
        assert room.cycles["main"] == before and room.orders() == [] and len(room.orders("other")) == 1
        room.trade(book="other")
        await room.ask("reconcile", book="other")
        room.agree("other")

    room.play(story)


def test_a_hold_decides_nothing_until_it_is_released(room):
    async def story():
        await room.no_cycle()
        assert await room.ask("release", scope="") == "released"
        await room.until(lambda: room.cycles["main"] > 0, seconds=5)

    room.lives = 1  # nothing is decided at first
    room.play(story, hold=True)
