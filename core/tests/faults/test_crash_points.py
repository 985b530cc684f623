"""The process dies between two things, and is started again: what was stored is true, nothing is done twice."""

import pytest
from dealing_room.room import Crash
from trader.model import OrderState
from trader.orders.blotter import Blotter
from trader.orders.journal import Move, OpenOrder
from trader.orders.lifecycle import TABLE, UNRESOLVED, Cause

S = OrderState


def dies(room, story):
    """The story ends with the death of its process."""
    assert room.play(story) is None, "it lived"


def buys(room, point, number=1):
    """The process dies at this point while it decides and sends an order for 100 AAA."""

    async def story():
        room.die_at(point, number)
        await room.order()

    dies(room, story)


async def settles(room):
    """The venue trades what works there, and everything is booked."""
    room.trade()
    await room.reconcile()
    await room.reconcile()
    room.agree()
    assert all(one["state"] in ("filled", "absent", "canceled") for one in room.orders())


def test_F01_killed_before_the_commit(room):
    """Nothing is stored and nothing was sent; the next cycle decides afresh."""
    buys(room, "journal>commit")
    assert room.orders() == [] and room.submits == []

    async def story():
        await room.until(lambda: room.submits, seconds=10)
        assert [fate for _, fate in room.submits] == ["accepted"] and len(room.orders()) == 1
        await settles(room)

    room.play(story)


def test_F03_killed_between_commit_and_send(room):
    """At the next start the order was possibly sent: it counts, is asked for until the horizon, and is never sent
    again; then it is absent, and the next cycle decides anew."""
    buys(room, "commit>send")
    (left,) = room.orders()
    assert left["state"] == "submitting" and room.submits == []

    async def story():
        assert room.state(left["client_id"]) == "unknown" and len(room.orders()) == 1
        await room.sleep(25)
        assert room.state(left["client_id"]) == "unknown"
        await room.until(lambda: room.state(left["client_id"]) == "absent", seconds=30)
        await room.cycle()
        assert [name for name, _ in room.submits] == [room.orders()[1]["client_id"]] != [left["client_id"]]
        await settles(room)
        assert room.held() == 100

    room.play(story)


@pytest.mark.parametrize("traded", [False, True], ids=["working", "filled"])
def test_F04_killed_after_the_bytes_left(room, traded):
    """The order is found at the venue and adopted, its fills are booked; no second one is sent."""

    def dies_on_the_wire(_order):
        if traded:
            room.trade()
        room.life.kill()

    async def story():
        room.after["submit"] = dies_on_the_wire
        await room.order()

    dies(room, story)
    room.after.clear()
    (left,) = room.orders()
    assert left["state"] == "submitting"

    async def again():
        assert room.state(left["client_id"]) == ("filled" if traded else "working")
        await room.cycle()
        await settles(room)
        assert room.submits == [(left["client_id"], "accepted")]

    room.play(again)


def test_F05_killed_before_the_acknowledgement_is_stored(room):
    """The same: the venue shows the order, it is adopted, and no second one is sent."""
    buys(room, "broker>journal")
    (left,) = room.orders()
    assert left["state"] == "submitting"

    async def story():
        assert room.state(left["client_id"]) == "working" and room.orders()[0]["venue_id"] == "V1"
        await room.cycle()
        await settles(room)
        assert room.submits == [(left["client_id"], "accepted")]

    room.play(story)


async def partly(room, *parts):
    """The order trades in so many executions, booked one by one."""
    for part in parts:
        room.trade(volume=part)
        await room.reconcile()


def test_F06_killed_between_fill_and_position(room):
    """Fill and position are one transaction: neither is there after the crash, and both once after the next start."""

    async def story():
        client_id = await room.order()
        await partly(room, 30)
        room.die_at("fills>commit")
        await partly(room, 70)
        assert room.state(client_id) == "never reached"

    dies(room, story)
    assert len(room.fills()) == 1 and room.held() == 30 and room.cash() == 97_000

    async def again():
        assert len(room.fills()) == 2 and room.held() == 100
        room.agree()

    room.play(again)


def test_F07_killed_before_anybody_hears_of_a_fill(make_room):
    """Whoever listens is told at the next start, with the same execution id: at least once."""
    room = make_room(reconcile="interval_seconds = 900")

    async def story():
        await room.order()
        room.trade()
        room.die_at("fill>tell")
        await room.cycle()

    dies(room, story)
    (booked,) = room.fills()
    assert room.heard["fill"] == []

    async def again():
        assert [fill.execution_id for fill in room.heard["fill"]] == [booked["execution_id"]]
        await room.cycle()

    room.play(again)
    room.play()
    assert len(room.heard["fill"]) == 1  # a decision was stored since


def test_F07_killed_in_a_persons_order_before_anybody_hears_of_a_fill(make_room):
    """What a person did by hand is stored as a decision, but nobody was told before it."""
    room = make_room(reconcile="interval_seconds = 900")

    async def story():
        await room.hold()
        room.want["AAA"] = 0.2
        await room.cycle()
        room.trade(volume=40)
        room.die_at("commit>send")
        await room.ask("close", symbol="AAA")

    dies(room, story)
    _, booked = room.fills()
    assert len(room.heard["fill"]) == 1

    async def again():
        assert [fill.execution_id for fill in room.heard["fill"][1:]] == [booked["execution_id"]]

    room.play(again)


def test_F08_killed_in_the_middle_of_a_burst_of_fills(room):
    """The next start books those that are missing, each once."""

    async def story():
        await room.order()
        await partly(room, 10, 20, 30)
        room.die_at("fills>commit")
        room.trade(volume=15)
        room.trade(volume=25)
        await room.reconcile()

    dies(room, story)
    assert len(room.fills()) == 3 and room.held() == 60

    async def again():
        assert len(room.fills()) == 5 and room.held() == 100
        await room.reconcile()
        room.agree()

    room.play(again)


def standing(room):
    """What the journal comes to, without the way to it."""
    names = ("client_id", "state", "filled", "venue_id", "reason")
    return (
        [tuple(order[name] for name in names) for order in room.orders()],
        [(fill["execution_id"], fill["client_id"]) for fill in room.fills()], room.held("AAA"), room.held("BBB"),
        room.cash(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("point", "number"), [("connect>reconcile", 1), ("fills>commit", 1), ("query>apply", 1), ("query>apply", 2)]
)
def test_F09_killed_in_the_middle_of_a_reconciliation(make_room, tmp_path, point, number):
    """Reconciliation does the same however often it is begun: the state is that of a run that was not killed."""
    found = []
    for name, deadly in (("whole", False), ("killed", True)):
        (tmp_path / name).mkdir()
        room = make_room(folder=tmp_path / name)

        async def story(room=room):
            room.want["BBB"] = 0.2
            await room.cycle()
            room.want["AAA"] = 0.1
            await room.cycle()
            room.trade(volume=60)
            room.life.kill()

        dies(room, story)
        room.want.clear()
        if deadly:
            room.die_at(point, number)
            assert room.play() is None

        async def again(room=room):
            await room.reconcile()
            before = standing(room)
            await room.reconcile()
            assert standing(room) == before
            room.agree()

        room.play(again)
        found.append(standing(room))
    assert found[0] == found[1] and len(found[0][1]) == 2


@pytest.mark.parametrize("point", ["cancel>send", "cancel>journal"])
def test_F10_killed_in_the_middle_of_a_cancel(room, point):
    """The cancel is asked for again: asking twice does what asking once does. The order ends as the venue says."""

    async def story():
        await room.order()
        room.die_at(point)
        room.want["AAA"] = 0.0
        await room.cycle()

    dies(room, story)
    (left,) = room.orders()
    assert left["state"] == "cancel_sent"

    async def again():
        await room.reconcile()
        assert room.state(left["client_id"]) == "canceled" and room.venue.truth_working() == []
        assert room.submits == [(left["client_id"], "accepted")]

    room.play(again)


def test_F11_killed_in_the_middle_of_a_replacement(room):
    """The program replaces no order. Should one be stored as being replaced, it counts whole, is never taken for
    absent, and what the venue shows of it is believed."""
    for state in (S.REPLACE_SENT, S.REPLACE_UNKNOWN):
        assert state in UNRESOLVED and S.ABSENT not in TABLE[state] and set(TABLE[state]) >= {S.WORKING, S.CLOSING}

    async def story():
        client_id = await room.order()
        now = room.time.now()
        room.engine.journal.moved([Move(client_id, S.REPLACE_UNKNOWN, Cause.SILENCE, now)])
        room.life.kill()

    dies(room, story)
    (left,) = room.orders()

    async def again():
        await room.reconcile()
        assert room.state(left["client_id"]) == "working"
        await room.cycle()
        assert len(room.orders()) == 1
        await settles(room)

    room.play(again)
    request = room.venue.requests[0].order
    blotter = Blotter([OpenOrder(request, S.REPLACE_SENT, request.quantity / 4, "V1")])
    assert blotter.get(request.client_id).remaining == request.quantity * 3 / 4


def test_a_session_that_died_says_so_to_nobody_and_starts_again(room):
    async def story():
        raise Crash

    dies(room, story)
    assert room.play().books[0].cycles == 0  # the same minute: nothing new to decide on
