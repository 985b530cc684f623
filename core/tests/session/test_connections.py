"""A broker that is lost and found, heartbeats that are missed, a book that hangs."""

from datetime import timedelta

import pytest
from dealing_room.line import Late
from msgspec import structs
from trader.errors import Refused, SettingsError, Unreachable
from trader.model import Unavailable

DOWN = Unavailable("timeout", "down")
QUERIES = ("open", "account", "positions", "orders", "order", "fills", "cash_events")
FEW = "tries = 3, first_seconds = 1, longest_seconds = 4"


def down(room):
    for call in QUERIES:
        room.always(call, lambda real, *args: DOWN)


def up(room):
    for call in QUERIES:
        room.always(call, None)


def connections(room):
    return [connected for name, connected, _ in room.heard["connection"] if name == "client"]


def test_a_broker_is_lost_after_three_silent_looks_and_found_again(room):
    async def story():
        await room.hold()
        down(room)
        await room.until(lambda: connections(room) == [True, False], seconds=90)
        assert len(room.told("connection_lost")) == 1
        room.want["BBB"] = 0.1
        await room.no_cycle()
        closed = room.calls["main"]["open"]
        up(room)
        await room.until(lambda: connections(room) == [True, False, True], seconds=20)
        assert room.calls["main"]["open"] > closed
        await room.until(lambda: len(room.orders()) == 2, seconds=10)  # what was due is decided now
        room.trade()
        await room.reconcile()
        room.agree()

    room.play(story)


def test_a_broker_that_opens_and_then_does_not_answer_everything_is_not_opened_over_and_over(room):
    async def story():
        await room.hold()
        room.always("positions", lambda real: DOWN)
        opened = room.calls["main"]["open"]
        await room.sleep(120)
        assert room.calls["main"]["open"] - opened < 15 and len(room.told("connection_lost")) < 15
        up(room)
        await room.until(lambda: connections(room)[-1], seconds=20)
        room.want["BBB"] = 0.1
        await room.cycle()
        assert len(room.orders()) == 2

    room.play(story)


def test_one_silent_look_is_no_loss(room):
    async def story():
        await room.hold()
        room.say("account", DOWN)
        room.say("positions", DOWN)
        await room.sleep(120)
        assert connections(room) == [True] and room.told("connection_lost") == []
        await room.cycle()

    room.play(story)


def test_what_was_given_up_is_tried_again_when_a_person_asks(make_room):
    room = make_room(connect=FEW)

    async def story():
        down(room)
        await room.until(lambda: any("given up after 3 tries" in told[2] for told in room.heard["connection"]))
        tried = room.calls["main"]["open"]
        up(room)
        await room.sleep(300)
        assert room.calls["main"]["open"] == tried and connections(room)[-1] is False
        await room.reconcile()
        await room.until(lambda: connections(room)[-1] is True, seconds=10)
        await room.hold()
        room.agree()

    room.play(story)


def test_two_missed_heartbeats_are_told_once(room):
    async def story():
        await room.sleep(70)
        beats = len(room.heard["heartbeat"])
        assert beats >= 2 and room.told("heartbeat_missed") == []
        down(room)
        await room.sleep(62)
        assert len(room.told("heartbeat_missed")) == 1
        await room.sleep(60)
        assert len(room.told("heartbeat_missed")) == 1 and len(room.heard["heartbeat"]) == beats
        up(room)
        await room.sleep(60)
        assert len(room.heard["heartbeat"]) > beats

    room.play(story)


@pytest.mark.parametrize("seconds", [-60, 60])
def test_F52_a_venue_whose_clock_differs_is_told_once_until_it_is_right_again(room, seconds):
    async def story():
        await room.sleep(40)
        assert room.told("clock_differs") == []
        for times in (1, 2):
            room.always("account", lambda real: structs.replace(real(), time=real().time + timedelta(seconds=seconds)))
            await room.sleep(90)
            assert len(room.told("clock_differs")) == times
            room.always("account", None)
            await room.sleep(40)

    room.play(story)


def test_a_call_that_hangs_holds_up_its_book_and_not_the_people(room):
    async def story():
        room.line("QUERY", *[Late(1.0)] * 8)
        room.want["AAA"] = 0.1
        begun = room.time.monotonic()
        for call in room.table.calls:
            call()
        assert "halted" in await room.ask("kill", reason="fire")
        assert room.time.monotonic() - begun < 15
        await room.until(lambda: room.told("heartbeat_missed"), seconds=120)

    room.play(story)


def test_a_broker_that_is_silent_at_the_start_is_told_and_refused_after_all_tries(make_room):
    room = make_room(connect=FEW)
    room.always("open", lambda real: DOWN)
    with pytest.raises(Unreachable, match="Given up after 3 tries"):
        room.play()
    assert room.calls["main"]["open"] == 3 and len(room.told("book_left_out")) == 0  # nobody listens yet


def test_keys_that_are_refused_at_the_start_are_told_at_once_and_not_tried_again(make_room):
    room = make_room(connect=FEW)
    room.always("open", lambda real: Unavailable("auth", "the venue does not know these keys"))
    with pytest.raises(SettingsError, match="does not know these keys"):
        room.play()
    assert room.calls["main"]["open"] == 1


def test_keys_that_may_withdraw_money_are_refused(make_room):
    room = make_room(connect=FEW)
    room.always("open", lambda real: structs.replace(real(), permissions=("read", "trade", "withdraw")))
    with pytest.raises(Refused, match="may withdraw money"):
        room.play()


def test_keys_that_are_revoked_in_mid_session_are_not_tried_over_and_over(make_room):
    room = make_room(connect=FEW)

    async def story():
        await room.hold()
        down(room)
        room.always("open", lambda real: Unavailable("auth", "revoked"))
        await room.until(lambda: any("the keys are refused: revoked" in told[2] for told in room.heard["connection"]))
        tried = room.calls["main"]["open"]
        await room.sleep(300)
        assert room.calls["main"]["open"] == tried

    room.play(story)


def test_a_book_that_was_known_starts_without_its_venues_word_and_decides_nothing(make_room):
    room = make_room(connect=FEW)

    async def story():
        await room.hold()
        room.want["BBB"] = 0.1

    async def again():
        await room.no_cycle()
        assert len(room.orders()) == 1
        room.always("positions", None)
        await room.until(lambda: len(room.orders()) == 2, seconds=60)

    room.play(story)
    room.always("positions", lambda real: DOWN)
    room.play(again)
