"""A live session and its venue made to agree: differences, a person's word, answers that are nonsense."""

from decimal import Decimal

import pytest
from msgspec import structs
from trader.errors import StoreError, TraderError
from trader.model import (
    Account,
    Instrument,
    OrderRequest,
    OrderType,
    Position,
    Purpose,
    Side,
    TimeInForce,
    Unavailable,
    Unknown,
)
from trader.store import reading

D = Decimal
SILENCE = Unknown("timeout", "no answer in time")


# ---- horizons ------------------------------------------------------------------------------------------------------
def test_the_horizon_begins_again_with_a_restart(room):
    first = []

    async def story():
        room.say("submit", SILENCE)
        first.append(await room.order())
        await room.sleep(20)
        room.life.kill()

    async def again():
        await room.sleep(25)  # 45 s since it was sent, 25 s since anybody could have sent it
        assert room.state(first[0]) == "unknown"
        await room.until(lambda: room.state(first[0]) == "absent", seconds=30)

    room.play(story)
    room.want = {}
    room.play(again)


def test_an_absent_order_is_still_looked_out_for_after_a_restart(make_room):
    room = make_room(bounded=False)
    sent = []

    async def story():
        room.say("submit", SILENCE)
        client_id = await room.order()
        sent.append(room.engine.blotter.get(client_id).request)
        room.want = {}
        await room.until(lambda: room.state(client_id) == "absent", seconds=60)

    async def again():
        (order,) = sent
        room.venue.submit(order)
        await room.until(lambda: room.state(order.client_id) == "canceled", seconds=60)
        assert room.venue.truth_working() == [] and len(room.told("order_revived")) == 1

    room.play(story)
    room.play(again)


# ---- differences ---------------------------------------------------------------------------------------------------
def test_F101_a_split(room):
    """The position differs and no trade says why: the symbol is halted until a person takes the venue's word for it."""

    async def story():
        await room.hold()
        room.venue.split("AAA", D(2))
        await room.reconcile()
        await room.until(lambda: ("main/AAA", "halt") in room.blocks(), seconds=90)
        room.want = {"AAA": 0.0, "BBB": 0.1}
        await room.cycle()
        assert [one["symbol"] for one in room.orders()] == ["AAA", "BBB"]  # another symbol goes on
        room.trade(AAA=50)
        found = await room.reconcile(adopt="AAA")
        assert found["differences"] == [] and room.held() == 200
        assert "lifted" in await room.ask("rearm", scope="AAA", reason="a split")
        assert room.blocks() == set()
        await room.cycle()
        assert [(one["side"], one["quantity"]) for one in room.orders()][2:] == [("sell", 200)]
        room.trade()
        await room.reconcile()
        assert room.cash() == room.venue.truth_cash() and room.held() == 0

    room.play(story)


@pytest.mark.parametrize(("symbol", "units"), [("AAA", 40), ("AAA", 0), ("AAA", 160), ("AAA", -30), ("BBB", 50)])
def test_F103_units_that_a_person_takes_over_move_no_money_where_only_profit_is_settled(make_room, symbol, units):
    room = make_room(rules=[Instrument(name, settlement="margin") for name in ("AAA", "BBB")])

    def others(real):
        return [*(one for one in real() if one.symbol != symbol), Position(symbol, D(units), D(100))]

    async def story():
        await room.hold()
        room.trade(AAA=110)
        room.want = {}
        await room.cycle()
        assert (room.cash(), room.engine.standing.equity) == (100_000, 101_000)
        room.always("positions", others)
        await room.until(lambda: (f"main/{symbol}", "halt") in room.blocks(), seconds=90)
        assert (await room.reconcile(adopt=symbol))["differences"] == []
        assert room.held(symbol) == units and room.cash() == 100_000
        await room.cycle()
        assert 99_700 <= room.engine.standing.equity <= 101_000 and room.blocks() == {(f"main/{symbol}", "halt")}

    room.play(story)


def test_what_is_rearmed_and_still_wrong_is_halted_again(room):
    async def story():
        await room.hold()
        room.venue.split("AAA", D(2))
        await room.until(lambda: ("main/AAA", "halt") in room.blocks(), seconds=90)
        await room.ask("rearm", scope="main/AAA", reason="hope")
        assert room.blocks() == set()
        await room.until(lambda: ("main/AAA", "halt") in room.blocks(), seconds=90)
        assert len(room.told("position_differs")) == 2

    room.play(story)


def test_what_is_rearmed_and_still_wrong_is_not_traded_meanwhile(make_room):
    """The person did not adopt what the venue shows: a decision for it would begin at a wrong position."""
    room = make_room(reconcile="interval_seconds = 600")

    async def story():
        await room.hold()
        room.venue.split("AAA", D(2))
        await room.reconcile()
        await room.sleep(35)
        await room.reconcile()
        assert room.blocks() == {("main/AAA", "halt")}
        await room.ask("rearm", scope="main/AAA", reason="hope")
        room.want["AAA"] = 0.2
        await room.cycle()
        assert len(room.submits) == 1

    room.play(story)


def test_a_difference_of_cash_lets_the_book_only_reduce(room):
    def poorer(real):
        found = real()
        return structs.replace(found, cash=found.cash - 50) if isinstance(found, Account) else found

    async def story():
        await room.hold()
        room.always("account", poorer)
        await room.until(lambda: ("main", "reduce") in room.blocks(), seconds=90)
        assert len(room.told("cash_differs")) == 1
        room.want = {"AAA": 0.05, "BBB": 0.1}
        await room.cycle()
        assert [(one["symbol"], one["side"]) for one in room.orders()][1:] == [("AAA", "sell")]
        room.trade()
        await room.reconcile()
        assert (await room.reconcile(adopt="cash"))["differences"] == []
        assert reading.cash_events(room.store)[-1]["amount"] == -50
        await room.ask("rearm", scope="main", reason="a fee of the bank")
        await room.cycle()
        assert [(one["symbol"], one["side"]) for one in room.orders()][2:] == [("BBB", "buy")]

    room.play(story)


def test_money_that_moved_by_itself_is_booked_once_and_no_difference(room):
    async def story():
        await room.hold()
        room.venue.cash("dividend", D("12.50"), "AAA")
        await room.reconcile()
        await room.reconcile()
        assert room.cash() == D("90012.50") == room.venue.truth_cash() and room.blocks() == set()

    room.play(story)


def test_money_that_moved_while_nobody_could_ask_for_it_is_booked_though_newer_trades_are(room):
    async def story():
        await room.order()
        room.venue.cash("dividend", D("12.50"), "AAA")
        room.always("cash_events", lambda real, since: Unavailable("timeout", "down"))
        room.time.advance(3 * 86_400)
        room.trade()
        await room.until(lambda: room.held() == 100, seconds=60)
        room.always("cash_events", None)
        await room.reconcile()
        assert room.cash() == D("90012.50") == room.venue.truth_cash()

    room.play(story)


def test_what_became_of_orders_is_asked_for_though_nobody_answers_for_cash(room):
    """A venue's money may be down for hours: an order that has ended there is not open here for as long."""

    async def story():
        room.say("submit", SILENCE)
        client_id = await room.order()
        room.want = {}
        room.always("cash_events", lambda real, since: Unavailable("timeout", "down"))
        await room.until(lambda: room.state(client_id) == "absent", seconds=60)

    room.play(story)


def test_nothing_is_adopted_where_nothing_differs(room):
    async def story():
        await room.hold()
        with pytest.raises(TraderError, match="Nothing differs for AAA"):
            await room.reconcile(adopt="AAA")

    room.play(story)


# ---- conservation --------------------------------------------------------------------------------------------------
def test_an_order_of_our_shape_without_a_row_halts_everything(room):
    async def story():
        stray = OrderRequest(
            "t" + "0" * 25, "t" + "0" * 25, "main", "BBB", Side.BUY, D(1), OrderType.MARKET, TimeInForce.DAY, None,
            None, False, Purpose.REBALANCE, D(100), room.time.now(),
        )  # fmt: skip
        room.venue.submit(stray)
        await room.until(lambda: ("*", "halt") in room.blocks(), seconds=40)
        assert any("has no row" in text for text in room.told("kill_switch"))
        await room.until(lambda: room.venue.truth_working() == [], seconds=10)

    room.play(story)


def test_F85_more_leaves_than_is_journalled(room):
    """What passed the gate is counted against the journal: a mismatch is a fault of ours, and halts everything."""

    async def story():
        room.engine.gate.passes += 1
        await room.until(lambda: ("*", "halt") in room.blocks(), seconds=40)
        (text,) = room.told("kill_switch")
        assert "1 orders passed the gate, the journal has 0 that may have been sent" in text

    room.play(story)


# ---- nonsense ------------------------------------------------------------------------------------------------------
NONSENSE = [None, "<html>", 7, {"code": -1}, [None], [1, 2], Exception("broken"), RecursionError("deep"), object()]


@pytest.mark.parametrize("call", ["account", "positions", "orders", "order", "fills", "cash_events"])
def test_nonsense_is_no_answer(room, call):
    async def story():
        await room.hold("BBB")
        client_id = await room.order("AAA")
        before = (room.held("BBB"), room.cash(), room.state(client_id))
        for answer in NONSENSE:
            room.always(call, lambda real, *args, answer=answer: answer)
            found = await room.reconcile()
            assert found["unavailable"], answer
            assert (room.held("BBB"), room.cash(), room.state(client_id)) == before
        room.always(call, None)
        await room.sleep(20)
        room.trade()
        await room.until(lambda: room.held("AAA") == 100, seconds=60)
        assert room.blocks() == set()
        room.agree()

    room.play(story)


@pytest.mark.parametrize("answer", NONSENSE, ids=[repr(one)[:12] for one in NONSENSE])
def test_nonsense_to_a_cancel_is_asked_for_again(room, answer):
    async def story():
        client_id = await room.order()
        room.say("cancel", lambda real, ref: answer)
        room.want["AAA"] = 0.0
        await room.cycle()
        assert room.state(client_id) == "cancel_unknown"
        await room.cycle()
        await room.reconcile()
        assert room.state(client_id) == "canceled" and room.venue.truth_working() == []

    room.play(story)


def test_nonsense_at_the_door_is_silence(make_room):
    room = make_room(connect="tries = 3, first_seconds = 1, longest_seconds = 1")
    room.say("open", None, Unavailable("down", "closed"))
    room.play()
    assert room.calls["main"]["open"] == 3


@pytest.mark.parametrize("call", ["instruments", "positions", "orders", "account"])
def test_a_start_is_patient_with_a_venue_that_does_not_answer(room, call):
    room.say(call, Unavailable("timeout", "busy"), Unavailable("timeout", "busy"))

    async def story():
        await room.hold()
        room.agree()

    room.play(story)


# ---- the journal's file --------------------------------------------------------------------------------------------
def test_a_store_that_fails_in_the_middle_of_a_decision_sends_nothing(room):
    def full():
        raise StoreError("The disk is full.")

    async def story():
        room.want["AAA"] = 0.1
        room.at["journal>commit"] = full
        await room.no_cycle()
        assert room.submits == [] and room.orders() == [] and len(room.told("store_failed")) == 1
        room.at.clear()
        await room.cycle()
        assert [fate for _, fate in room.submits] == ["accepted"]
        room.trade()
        await room.reconcile()
        room.agree()

    room.play(story)
