"""Fills are facts: booked once, in every state of their order, whatever road they come by."""

from datetime import datetime
from decimal import Decimal

import pytest
from msgspec import structs
from trader.model import Fill, Instrument, OrderState, Side
from trader.simulation import Faults

D = Decimal


def hidden(_real, _since):
    """The venue shows no fills yet."""
    return []


def also(*more):
    """The venue's fills, and these."""
    return lambda real, since: [*real(since), *more]


def fill_of(room, client_id, execution_id, quantity, price=100):
    """One more execution of an order, as the venue would show it."""
    order = next(one for one in room.orders() if one["client_id"] == client_id)
    return Fill(
        execution_id, client_id, order["venue_id"], order["symbol"], Side(order["side"]), D(quantity), D(price), D(0),
        room.time.now(),
    )  # fmt: skip


def test_F25_closed_before_its_fills_are_shown(room):
    """The order is closing, and counts, until the fills sum up to what the venue says was filled."""

    async def story():
        client_id = await room.order()
        room.always("fills", hidden)
        room.trade(volume=60)
        room.trade(volume=40)
        await room.reconcile()
        assert room.state(client_id) == "closing" and room.engine.blotter.get(client_id).remaining == 100
        await room.cycle()
        assert len(room.orders()) == 1 and room.held() == 0 and room.blocks() == set()
        room.always("fills", lambda real, since: real(since)[:1])
        await room.reconcile()
        assert room.state(client_id) == "closing" and room.held() == 60
        room.always("fills", None)
        await room.reconcile()
        assert room.steps(client_id)[-1] == "filled"
        room.agree()

    room.play(story)


def test_F26_the_same_fill_again(make_room):
    """By the stream and by a query, twice by the stream, again after a restart: it is booked once."""
    room = make_room(stream=True, faults=Faults(stream_duplicated=1))

    async def story():
        await room.order()
        room.trade(volume=30)
        room.trade(volume=70)
        await room.until(lambda: room.held() == 100, seconds=15)
        await room.reconcile()
        room.agree()

    async def again():
        await room.reconcile()
        room.agree()

    room.play(story)
    room.play(again)
    assert len(room.fills()) == 2 == len({fill.execution_id for fill in room.heard["fill"]})


def test_F26_money_that_moves_each_day_while_nothing_is_traded(room):
    """The venue shows all of it since the last fill, again and again: each event is booked once, however old it is."""

    async def story():
        await room.hold()
        for _ in range(8):
            room.time.advance(86_400)
            room.venue.cash("funding", D(-5), "AAA")
            await room.reconcile()
        assert room.told("store_failed") == [] and room.cash() == 90_000 - 8 * 5
        room.agree()

    room.play(story)


@pytest.mark.parametrize("fact", ["money", "somebody else's trade"])
def test_F26_the_same_fill_while_nothing_of_ours_trades_for_days(room, fact):
    """As long as the venue is asked for it, it is known: whatever else happens on the account meanwhile."""

    async def story():
        await room.hold()
        for _ in range(4):
            room.time.advance(2 * 86_400)
            if fact == "money":
                room.venue.cash("fee", D(-1))
            else:
                room.by_hand("BBB", quantity=1)
            await room.reconcile()
        assert room.told("store_failed") == []
        room.agree()

    room.play(story)


def test_F26_somebody_else_trades_for_days_while_the_book_does_not(make_room):
    """The venue is asked from the newest trade that is known, whoever made it: none is taken for a new one."""
    room = make_room(reconcile='interval_seconds = 20, external = "ignore"')

    async def story():
        await room.hold()
        for _ in range(8):
            room.time.advance(86_400)
            room.by_hand("BBB")
            await room.reconcile()
        assert room.told("store_failed") == [] and len(room.told("external_trade")) == 8
        assert len(room.fills()) == 9 and room.held() == 100 and room.blocks() == set()

    room.play(story)


@pytest.mark.parametrize("how", ["the store fails", "the process dies"])
def test_F27_a_booking_that_is_lost_half_way(room, how):
    """A fill counts as known only with its booking: it is booked when the store is back, or at the next start."""

    async def story():
        await room.order()
        room.trade()
        if how == "the process dies":
            room.die_at("fills>commit")
            await room.sleep(60)
        room.store_fails = "write"
        await room.sleep(30)
        assert room.held() == 0 and len(room.told("store_failed")) == 1
        room.store_fails = ""
        await room.until(lambda: room.held() == 100, seconds=60)
        room.agree()

    async def again():
        assert room.held() == 100
        room.agree()

    if room.play(story) is None:
        room.play(again)
    assert [fill.quantity for fill in room.heard["fill"]] == [100]


def test_F29_execution_ids_that_come_again_in_another_symbol(make_room):
    """Two symbols' fills of one id are two facts, each booked for its own order; also where the venue shows no key."""
    room = make_room(horizon=300)

    def same_id(real, since):
        return [structs.replace(fill, execution_id="7", key="") for fill in real(since)]

    async def story():
        room.always("fills", hidden)
        room.always("order", lambda real, ref: structs.replace(real(ref), filled=D(0), state=OrderState.CANCELED))
        room.want = {"AAA": 0.1, "BBB": 0.2}
        await room.cycle()
        ids = {one["symbol"]: one["client_id"] for one in room.orders()}
        room.trade()
        await room.reconcile()
        assert {one["state"] for one in room.orders()} == {"canceled"}
        room.always("fills", same_id)
        room.want = {}
        await room.reconcile()
        assert {(one["symbol"], one["execution_id"], one["client_id"]) for one in room.fills()} == {
            ("AAA", "7", ids["AAA"]), ("BBB", "7", ids["BBB"])
        }  # fmt: skip
        assert (room.held("AAA"), room.held("BBB")) == (100, 200) and room.cash() == room.venue.truth_cash()

    room.play(story)


def test_F30_fills_without_an_id(room):
    """An id that the broker makes from what the fill says is the same each time, and the fill is booked once; a fill
    without any id is no answer, and books nothing."""

    def unnamed(real, since):
        return [structs.replace(fill, execution_id="") for fill in real(since)]

    def made(real, since):
        total, found = D(0), []
        for fill in real(since):
            total += fill.quantity
            found.append(structs.replace(fill, execution_id=f"{fill.venue_id}/{total}/{fill.price}"))
        return found

    async def story():
        await room.order()
        room.trade(volume=40)
        room.always("fills", unnamed)
        assert any("broker answered" in one for one in (await room.reconcile())["unavailable"])
        assert room.fills() == []
        room.always("fills", made)
        await room.reconcile()
        room.trade(volume=60)
        await room.reconcile()
        assert room.held() == 100 and len(room.fills()) == 2

    async def again():
        await room.reconcile()
        assert room.held() == 100 and len(room.fills()) == 2

    room.play(story)
    room.play(again)


def test_F34_a_fill_after_the_end(room):
    """It is booked all the same; its order keeps its end, people are told, and the symbol is halted."""

    async def story():
        client_id = await room.order()
        room.venue.manual_cancel("V1")
        room.want = {}
        await room.reconcile()
        assert room.state(client_id) == "canceled"
        late = [fill_of(room, client_id, name, quantity) for name, quantity in (("late-1", 30), ("late-2", 20))]
        room.always("fills", also(*late))
        await room.reconcile()
        assert room.held() == 50 and room.cash() == 95_000 and room.state(client_id) == "canceled"
        assert {one["client_id"] for one in room.fills()} == {client_id} and room.orders()[0]["filled"] == 50
        assert len(room.told("illegal_transition")) == 2 and ("main/AAA", "halt") in room.blocks()
        room.want["AAA"] = 0.2
        await room.cycle()
        assert len(room.orders()) == 1

    room.play(story)


def test_F35_more_is_filled_than_was_ordered(room):
    """Every fill is booked, the symbol is halted, people are told."""

    async def story():
        client_id = await room.order()
        room.trade()
        room.always("fills", also(fill_of(room, client_id, "over-1", 20)))
        await room.reconcile()
        assert room.held() == 120 and room.cash() == 88_000 and room.state(client_id) == "filled"
        assert ("main/AAA", "halt") in room.blocks()
        assert any("120 filled, 100 ordered" in text for text in room.told("illegal_transition"))

    room.play(story)


def test_F105_a_fee_in_what_was_bought(make_room):
    """The position is smaller by the fee, so that what is left can be sold whole, and the rest stays as dust."""
    coin = Instrument("BTC/USDT", lot=D("0.001"), tick=D("0.01"))
    room = make_room(symbols=("BTC/USDT", "AAA"), rules=(coin,), base_fee="0.0015")

    async def story():
        await room.hold("BTC/USDT", 0.1)
        assert room.held("BTC/USDT") == D("99.85") and room.cash() == 90_000
        assert room.session.books[0].fees == 15, "0.15 BTC at 100, in what the summary counts money in"
        room.agree()
        assert room.blocks() == set()
        room.want["BTC/USDT"] = 0.0
        await room.cycle()
        room.trade()
        await room.reconcile()
        assert room.held("BTC/USDT") == D(0) and room.venue.truth_positions().get("BTC/USDT", D(0)) == 0
        room.want["BTC/USDT"] = 0.01
        await room.cycle()
        room.trade()
        await room.reconcile()
        room.want["BTC/USDT"] = 0.0
        await room.cycle()
        room.trade()
        await room.reconcile()
        room.agree()
        assert D(0) < room.held("BTC/USDT") < D("0.001") and room.blocks() == set()
        await room.cycle()
        assert all(isinstance(one["decided_at"], datetime) for one in room.orders()) and len(room.orders()) == 4

    async def again():
        await room.reconcile()
        room.agree()

    room.play(story)
    room.play(again)


@pytest.mark.parametrize("name", ["BBB", "NEW"])
def test_F100_the_executions_of_a_share_that_was_renamed_are_not_booked_again(room, name):
    """Those of an order of ours are known by it, whatever the venue calls the symbol now; the position under the new
    name is a difference: both symbols are halted."""

    def renamed(real, *args):
        return [structs.replace(one, symbol=name) if one.symbol == "AAA" else one for one in real(*args)]

    async def story():
        await room.hold()
        client_id = await room.order(weight=0.2)
        room.trade(volume=60)
        await room.reconcile()
        assert (room.held(), room.state(client_id)) == (160, "working")
        for call in ("fills", "orders", "positions"):
            room.always(call, renamed)
        await room.reconcile()
        check()
        room.life.kill()

    async def again():
        await room.reconcile()
        check()
        await room.until(lambda: room.blocks() == {("main/AAA", "halt"), (f"main/{name}", "halt")}, seconds=120)

    def check():
        assert (room.held(), room.held(name), room.cash()) == (160, 0, 84_000)
        assert len(room.fills()) == 2 and room.told("external_trade") == room.told("illegal_transition") == []

    room.play(story)
    room.want = {}
    room.play(again)


@pytest.mark.parametrize("policy", ["adopt", "ignore"])
def test_F100_what_somebody_else_traded_is_not_booked_again_under_a_new_name(make_room, policy):
    """There is no order of ours that knows it: it is known by the venue's order, and by when it was."""
    room = make_room(reconcile=f'interval_seconds = 20, external = "{policy}"')

    def renamed(real, *args):
        return [structs.replace(one, symbol="BBB") if one.symbol == "AAA" else one for one in real(*args)]

    async def story():
        room.by_hand()
        await room.reconcile()
        assert len(room.fills()) == len(room.told("external_trade")) == 1
        room.life.kill()

    async def again():
        await room.reconcile()
        (only,) = room.fills()
        assert only["symbol"] == "AAA" and room.held("BBB") == 0
        assert len(room.told("external_trade")) == 1 and room.told("execution_corrected") == []

    room.play(story)
    for call in ("fills", "orders", "positions"):
        room.always(call, renamed)
    room.play(again)
