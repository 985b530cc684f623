"""What a stop leaves behind: orders and positions as the settings say, everything in the journal."""

import pytest
from dealing_room.line import Lost, Slow
from trader.errors import StoreError
from trader.model import Unknown
from trader.store import reading

SILENCE = Unknown("timeout", "no answer in time")


def bought(room):
    """100 AAA held, an order for BBB at work; then the session is stopped."""

    async def story():
        await room.hold()
        room.want["BBB"] = 0.1
        await room.cycle()

    return story


def ends(room):
    return {one["symbol"]: one["state"] for one in room.orders()}


def test_orders_and_positions_stay_unless_the_settings_say_otherwise(room):
    summary = room.play(bought(room))
    assert summary.reason == "told" and summary.books[0].open_orders == 1
    assert ends(room) == {"AAA": "filled", "BBB": "working"} and len(room.venue.truth_working()) == 1
    assert room.venue.cancels == [] and reading.sessions(room.store)[0]["exit_reason"] == "told"


def test_a_stop_cancels_what_works(make_room):
    room = make_room(shutdown='grace = 20, orders = "cancel"')
    room.play(bought(room))
    assert ends(room) == {"AAA": "filled", "BBB": "canceled"} and room.venue.truth_working() == []
    assert room.held() == 100


def test_a_stop_closes_positions(make_room):
    room = make_room(shutdown='grace = 20, orders = "cancel", positions = "close"')

    async def story():
        await bought(room)()
        room.after["submit"] = lambda order: room._loop.call_later(1, room.trade)

    room.play(story)
    assert room.held() == 0 and room.venue.truth_positions().get("AAA", 0) == 0 and room.venue.truth_working() == []
    assert [(one["side"], one["purpose"], one["state"]) for one in room.orders()] == [
        ("buy", "rebalance", "filled"), ("buy", "rebalance", "canceled"), ("sell", "manual", "filled")
    ]  # fmt: skip
    room.agree()


def test_a_stop_under_the_kill_switch_closes_nothing(make_room):
    room = make_room(shutdown='grace = 20, positions = "close"')

    async def story():
        await room.hold()
        room.session.kill.trip("fire", "anna")

    room.play(story)
    assert room.held() == 100 and len(room.submits) == 1


def test_a_stop_waits_for_outcomes_that_are_under_way(room):
    async def story():
        room.line("SUBMIT", Lost())
        room.want["AAA"] = 0.1
        for call in room.table.calls:
            call()
        await room.sleep(61)
        for call in room.table.calls:
            call()
        await room.until(lambda: room.submits, seconds=10)

    room.play(story)
    assert ends(room) == {"AAA": "working"}  # it was sent, unanswered, and found before the grace was over


def test_what_is_unknown_after_the_grace_is_stored_as_unknown(make_room):
    room = make_room(horizon=600)

    async def story():
        room.say("submit", SILENCE)
        await room.order()

    begun = room.time.monotonic()
    room.play(story)
    assert ends(room) == {"AAA": "unknown"} and room.time.monotonic() - begun < 120
    again = room.play()
    assert again.books[0].open_orders == 1 and ends(room) == {"AAA": "unknown"}


@pytest.mark.parametrize("fails", ["write", "all"])
def test_a_stop_while_the_database_is_away_ends_and_lets_go(room, fails):
    async def story():
        await room.order()
        room.store_fails = fails

    with pytest.raises(StoreError):
        room.play(story)
    assert room.left_open == 0
    room.store_fails = ""

    async def again():
        assert ends(room) == {"AAA": "working"}
        room.trade()
        await room.reconcile()
        room.agree()

    room.play(again)


def test_a_person_stops_the_session_by_command(room):
    async def story():
        assert "stopping" in await room.ask("stop")
        assert room.session.world.stopping.is_set()

    assert room.play(story).reason == "trader stop"
    assert reading.sessions(room.store)[0]["exit_reason"] == "trader stop"


def test_a_send_that_the_end_cuts_off_is_stored_as_unknown(make_room):
    room = make_room(shutdown="grace = 3", horizon=600)

    async def story():
        room.line("SUBMIT", Slow(500.0))
        room.want["AAA"] = 0.1
        await room.sleep(60)
        for call in room.table.calls:
            call()
        await room.until(room.orders, seconds=10)

    room.play(story)
    assert ends(room) == {"AAA": "unknown"} and room.submits == []
