"""How orders end: cancels that race, names that change, ends that the venue decides."""

from decimal import Decimal

import pytest
from dealing_room.line import Lost
from msgspec import structs
from trader.errors import TraderError
from trader.model import Accepted, NotFound, OrderReport, OrderState, OrderType, Rejected, TimeInForce, Unknown
from trader.protocols import Leg
from trader.simulation import Faults
from trader.store import reading

D = Decimal
SILENCE = Unknown("timeout", "no answer in time")


async def let_go(room):
    """The strategy wants nothing any more: what works is cancelled."""
    room.want["AAA"] = 0.0
    await room.cycle()


@pytest.mark.parametrize("shown", ["at once", "later"])
def test_F31_a_cancel_that_races_with_a_fill(room, shown):
    """The order is canceled with what was filled, and only when all of that is booked."""

    def trades(_ref):
        room.before.clear()
        room.trade(volume=40)

    async def story():
        client_id = await room.order()
        room.before["cancel"] = trades
        if shown == "later":
            room.always("fills", lambda real, since: [])
        await let_go(room)
        await room.reconcile()
        if shown == "later":
            assert room.state(client_id) == "closing" and room.engine.blotter.get(client_id).remaining == 100
            room.always("fills", None)
            await room.reconcile()
        assert room.state(client_id) == "canceled" and room.orders()[0]["filled"] == 40
        room.agree()
        await room.cycle()  # what was bought is sold again
        room.trade()
        await room.reconcile()
        room.agree()
        assert room.held() == 0

    room.play(story)


@pytest.mark.parametrize("volume", [40, 1_000_000])
def test_F31_an_order_that_fills_after_its_cancel_was_taken(room, volume):
    """ "Yes" to a cancel is no end: nothing is planned in its place, and what it fills until it is gone is booked."""

    async def story():
        client_id = await room.order()
        room.venue.faults = Faults(cancel_slow=1.0, late_seconds=150.0)
        await let_go(room)
        assert room.venue.cancels[0].answer == Accepted("V1") and room.state(client_id) == "cancel_sent"
        room.trade(volume=volume)
        await room.reconcile()
        await room.cycle()
        room.venue.heal()
        await room.sleep(150)
        await room.reconcile()
        assert room.state(client_id) == ("filled" if volume > 100 else "canceled")
        assert room.orders()[0]["filled"] == min(volume, 100)
        room.agree()
        await room.cycle()  # what was bought is sold again
        room.trade()
        await room.reconcile()
        room.agree()
        assert room.held() == 0 and len(room.venue.accepted) == 2

    room.play(story)


def test_F32_a_cancel_that_comes_too_late(room):
    """ "Already closed" is no end: the venue is asked, and the order was filled."""

    async def story():
        client_id = await room.order()
        room.always("fills", lambda real, since: [])  # so that the decision does not know yet
        room.before["cancel"] = lambda ref: room.trade()
        await let_go(room)
        assert room.venue.cancels[0].answer == Rejected("closed", "order V1 is filled")
        room.always("fills", None)
        await room.reconcile()
        assert room.steps(client_id) == ["working", "cancel_sent", "working", "filled"] and room.held() == 100
        room.agree()

    room.play(story)


def test_F33_a_cancel_of_an_order_that_nobody_can_place(room):
    """It is cancelled as soon as it turns up."""

    async def story():
        room.say("submit", SILENCE)
        client_id = await room.order()
        sent = room.engine.blotter.get(client_id).request
        assert "as soon as it turns up" in await room.ask("cancel", order=client_id[:8])
        room.want = {}
        room.venue.submit(sent)
        await room.until(lambda: room.state(client_id) == "canceled", seconds=50)
        assert room.venue.truth_working() == [] and room.told("order_revived") == []

    room.play(story)


def test_F33_a_cancel_of_an_uncertain_order_survives_a_crash(room):
    """The wish is in the journal: the next session cancels the order when it turns up."""

    async def story():
        room.say("submit", SILENCE)
        client_id = await room.order()
        await room.ask("cancel", order=client_id[:8])
        assert room.engine.journal.load().withdrawn == [client_id]
        room.engine.resume(room.engine.journal.load())
        assert room.engine.withdrawn == {client_id}

    room.play(story)


def test_F33_a_crash_when_a_cancelled_order_has_turned_up(room):
    """It is known to work, and its cancel was not asked for yet: the next session asks."""

    async def story():
        room.say("submit", SILENCE)
        client_id = await room.order()
        sent = room.engine.blotter.get(client_id).request
        await room.ask("cancel", order=client_id[:8])
        room.venue.submit(sent)
        room.die_at("query>apply", 2)
        await room.reconcile()

    async def again():
        (order,) = room.orders()
        await room.until(lambda: room.state(order["client_id"]) == "canceled", seconds=50)
        assert room.venue.truth_working() == []

    assert room.play(story) is None
    assert [one["state"] for one in room.orders()] == ["working"]
    room.want = {"AAA": 0.1}
    room.play(again)


def test_F33_a_cancel_of_an_order_that_turned_up_just_before_a_crash(room):
    """It works, and its cancel was not journalled yet: the wish still counts."""

    def die():
        if room.orders()[0]["state"] == "working":
            room.life.kill()

    async def story():
        room.say("submit", lambda real, order: real(order) and SILENCE)
        room.always("order", lambda real, ref: NotFound())
        room.always("orders", lambda real: [])
        await room.ask("cancel", order=await room.order())
        room.instead.clear()
        room.before["positions"] = die
        await room.sleep(60)

    async def again():
        await room.until(lambda: room.venue.truth_working() == [], seconds=60)

    assert room.play(story) is None
    room.before.clear()
    assert room.play(again) is not None


@pytest.mark.parametrize("answer", ["lost", "refused"])
def test_F33_a_cancel_that_does_not_get_through(room, answer):
    """A person's cancel is asked for again until the order is gone."""

    async def story():
        client_id = await room.order()
        room.want = {}
        if answer == "lost":
            room.say("cancel", SILENCE, SILENCE)
        else:
            room.say("cancel", Rejected("rate_limited", "429", 1.0), Rejected("rate_limited", "429", 1.0))
        await room.ask("cancel", order=client_id)
        assert room.state(client_id) in ("cancel_unknown", "working")
        await room.until(lambda: room.state(client_id) == "canceled", seconds=90)
        assert room.venue.truth_working() == []

    room.play(story)


def test_F36_the_venue_renames_an_order(room):
    """Both names are kept for the one order; its fills are booked for it by either."""

    async def story():
        client_id = await room.order()
        name = room.venue.rename("V1")
        await room.reconcile()
        assert room.orders()[0]["venue_id"] == name and reading.order(room.store, client_id)["venue_ids"] == ["V1"]
        assert room.told("external_order") == []
        room.always("fills", lambda real, since: [structs.replace(one, key="", venue_id="V1") for one in real(since)])
        room.trade(volume=40)
        await room.reconcile()
        room.always("fills", lambda real, since: [structs.replace(one, key="") for one in real(since)])
        room.trade(volume=60)
        await room.reconcile()
        assert room.state(client_id) == "filled" and {one["client_id"] for one in room.fills()} == {client_id}
        assert room.held() == 100 and len(room.fills()) == 2 and room.told("external_trade") == []

    room.play(story)


@pytest.mark.parametrize("end", ["canceled", "filled"])
def test_F36_renamed_and_closed_before_anybody_looked(room, end):
    """Under its old name the venue does not know it; it is asked for by our key, and its end is learned."""

    async def story():
        client_id = await room.order()
        name = room.venue.rename("V1")
        room.want = {}
        if end == "canceled":
            room.venue.manual_cancel(name)
        else:
            room.trade()
        await room.reconcile()
        assert room.state(client_id) == end
        await room.sleep(60)
        assert room.blocks() == set() and room.told("order_missing") == []
        room.agree()

    room.play(story)


def test_F37_what_is_left_of_an_immediate_order_is_canceled(room):
    """The order ends with what it had, its fills are kept, and the next cycle decides on what is missing."""

    async def story():
        room.leg = Leg(OrderType.MARKET, TimeInForce.IOC)
        client_id = await room.order()
        room.trade(volume=40)
        await room.reconcile()
        assert room.state(client_id) in ("canceled", "expired") and room.held() == 40
        await room.cycle()
        assert [one["quantity"] for one in room.orders()] == [100, 60]
        room.trade()
        await room.reconcile()
        room.agree()

    room.play(story)


def test_F37_a_day_order_ends_with_its_day(room):
    """The venue lets it expire while nobody runs; the next start learns it and keeps what was filled."""

    async def story():
        room.leg = Leg(OrderType.MARKET, TimeInForce.DAY)
        await room.order()
        room.trade(volume=40)
        await room.reconcile()

    async def again():
        (order,) = room.orders()
        assert order["state"] == "expired" and order["filled"] == 40 == room.held()
        room.agree()

    room.play(story)
    room.time.advance(86_400)
    room.trade()
    room.want = {}
    room.play(again)


def test_F39_orders_in_another_id_space(room):
    """Conditional orders that the venue keeps apart are ours like the others: reconciled, and cancelled by the kill
    switch."""
    apart = {}

    def conditional(real, order):
        outcome = real(order)
        apart[order.key] = "algo-" + str(outcome.venue_id)
        return structs.replace(outcome, venue_id=apart[order.key])

    def shown(one):
        return structs.replace(one, venue_id=apart[one.key]) if one.key in apart else one

    def inside(real):
        return lambda ref: real(structs.replace(ref, venue_id=(ref.venue_id or "").removeprefix("algo-") or None))

    async def story():
        room.say("submit", conditional, ...)
        room.always("orders", lambda real: [shown(one) for one in real()])
        room.always("order", lambda real, ref: shown(inside(real)(ref)))
        room.always("cancel", lambda real, ref: inside(real)(ref))
        await room.order("AAA")
        await room.order("BBB")
        await room.reconcile()
        assert [one["venue_id"] for one in room.orders()] == ["algo-V1", "V2"] and room.told("external_order") == []
        assert "no order works at any venue" in await room.ask("kill", reason="test")
        assert room.venue.truth_working() == []
        await room.reconcile()
        assert {one["state"] for one in room.orders()} == {"canceled"}

    room.play(story)


@pytest.mark.parametrize("state", [OrderState.EXPIRED, OrderState.CANCELED, OrderState.REJECTED])
def test_F40_self_trade_prevention(room, state):
    """The order has ended, with the venue's reason in the journal; what was filled is kept."""

    async def story():
        client_id = await room.order()
        room.trade(volume=25)
        room.venue.manual_cancel("V1")
        room.want = {}

        def shown(real, ref):
            found = real(ref)
            assert isinstance(found, OrderReport)
            return structs.replace(found, state=state, reason="self trade prevention")

        room.always("order", shown)
        await room.reconcile()
        (order,) = room.orders()
        assert (order["client_id"], order["state"], order["filled"]) == (client_id, state.value, 25)
        assert order["reason"] == "self trade prevention" and room.held() == 25

    room.play(story)


def test_an_order_that_the_venue_forgot_halts_its_symbol(room):
    from trader.model import NotFound

    async def story():
        await room.order()
        room.always("order", lambda real, ref: NotFound())
        room.always("orders", lambda real: [])
        await room.sleep(25)
        assert room.told("order_missing") == []
        await room.until(lambda: ("main/AAA", "halt") in room.blocks(), seconds=60)
        await room.cycle()
        assert len(room.orders()) == 1 and len(room.told("order_missing")) == 1
        client_id = room.orders()[0]["client_id"]
        await room.ask("reconcile", adopt=client_id[:8])
        assert room.state(client_id) == "canceled"

    room.play(story)


def test_an_order_that_the_venue_does_not_show_for_a_moment_is_not_taken_for_ended(room):
    """A query may lag behind the acknowledgement: the order works, whatever a person says."""

    async def story():
        client_id = await room.order()
        room.always("order", lambda real, ref: NotFound())
        room.always("orders", lambda real: [])
        for name in (client_id[:8], client_id):
            with pytest.raises(TraderError, match="Nothing differs"):
                await room.ask("reconcile", adopt=name)
        for call in ("order", "orders"):
            room.always(call, None)
        await room.reconcile()
        assert room.state(client_id) == "working" and room.blocks() == set()

    room.play(story)


def test_a_cancel_whose_answer_is_lost_on_the_way_is_asked_for_again(room):
    async def story():
        client_id = await room.order()
        room.line("CANCEL", Lost())
        await let_go(room)
        await room.reconcile()
        assert room.state(client_id) == "canceled" and room.venue.truth_working() == []

    room.play(story)


def test_an_order_that_the_venue_shows_again_is_not_missing(make_room):
    """It was not shown once, and hours later once more: that is two lags, and not one long absence."""
    room = make_room(symbols=("AAA", "BBB", "CCC"))

    async def one_lag():
        room.always("order", lambda real, ref: NotFound())
        room.always("orders", lambda real: [])
        await room.reconcile()
        room.instead.clear()

    async def story():
        room.want |= {"AAA": 0.1, "BBB": 0.1, "CCC": 0.1}
        await room.cycle()
        await one_lag()
        await room.sleep(90)
        await one_lag()
        assert room.told("order_missing") == [] and room.blocks() == set()

    room.play(story)


# ---- executions that never come ------------------------------------------------------------------------------------
async def ended_without_its_fills(room):
    """An order of 100 is filled, and no query shows an execution; its client id."""
    client_id = await room.order()
    room.always("fills", lambda real, since: [])
    room.trade()
    await room.reconcile()
    assert room.state(client_id) == "closing"
    return client_id


def test_F25_executions_that_never_come_are_asked_for_less_and_less_often(make_room):
    """After 1, 2, 4 seconds and so on; after a minute their symbol is halted, and a person is told once."""
    room = make_room(reconcile="interval_seconds = 900")

    async def story():
        client_id = await ended_without_its_fills(room)
        since, asked = room.time.now(), room.calls["main"]["fills"]
        await room.sleep(55)
        assert 5 <= room.calls["main"]["fills"] - asked <= 8  # after 1, 2, 4, ... seconds; and one cycle
        assert room.blocks() == set() and room.told("fills_missing") == []
        await room.until(lambda: room.told("fills_missing"), seconds=30)
        (text,) = room.told("fills_missing")
        assert text == (
            f"Book 'main': AAA: order {client_id} has ended, expected 100 filled as the venue says, found executions "
            f"of 0, since {since:%Y-%m-%d %H:%M:%SZ}. It is halted"
        )
        assert room.blocks() == {("main/AAA", "halt")} and len(room.told("halted")) == 1
        asked = room.calls["main"]["fills"]
        await room.sleep(880)
        assert room.calls["main"]["fills"] - asked <= 2 and len(room.told("fills_missing")) == 1
        await room.order("BBB")  # everything else trades
        assert room.state(client_id) == "closing" and room.engine.blotter.get(client_id).remaining == 100

    room.play(story)


def test_F25_executions_that_come_after_all_end_the_order(make_room):
    """However late, they are booked: the order has ended, and the symbol trades when a person has lifted its halt."""
    room = make_room(reconcile="interval_seconds = 900")

    async def story():
        client_id = await ended_without_its_fills(room)
        await room.until(room.blocks, seconds=90)
        (told,) = (await room.reconcile())["differences"]
        assert (told["what"], told["symbol"], told["expected"], told["found"]) == ("fills", "AAA", "100", "0")
        room.always("fills", None)
        assert (await room.reconcile())["differences"] == []
        assert room.state(client_id) == "filled" and room.blocks() == {("main/AAA", "halt")}
        room.agree()
        await room.ask("rearm", scope="AAA", reason="they came")
        room.want["AAA"] = 0.2
        await room.cycle()
        assert [one["quantity"] for one in room.orders()] == [100, 100] and len(room.told("fills_missing")) == 1

    room.play(story)


@pytest.mark.parametrize("named", ["symbol", "order"])
def test_F25_the_venues_word_ends_an_order_whose_executions_never_come(room, named):
    """A person who takes the venue's word has the units that it shows, and the symbol trades again."""

    async def story():
        client_id = await ended_without_its_fills(room)
        with pytest.raises(TraderError, match="Nothing differs"):  # they may still be on their way
            await room.ask("reconcile", adopt="AAA")
        await room.until(room.blocks, seconds=90)
        if named == "order":
            (left,) = (await room.reconcile(adopt=client_id[:8]))["differences"]
            assert (left["what"], left["symbol"], left["found"]) == ("position", "AAA", "100")
        await room.reconcile(adopt="AAA")
        assert room.state(client_id) == "canceled" and room.held() == 100
        assert "the venue says 100 filled" in room.orders()[0]["reason"]
        await room.reconcile(adopt="cash")
        assert room.cash() == room.venue.truth_cash()
        await room.ask("rearm", scope="AAA", reason="adopted")
        await room.ask("rearm", scope="main", reason="adopted")
        room.want["AAA"] = 0.2
        await room.cycle()
        assert [one["quantity"] for one in room.orders()] == [100, 100]
        await room.sleep(120)
        assert room.blocks() == set() and len(room.told("fills_missing")) == 1

    room.play(story)


def test_F25_a_halt_for_missing_executions_that_is_lifted_too_early_comes_again(room):
    """A halt that is lifted while they are missing comes again after another minute, and so in the next session."""

    async def story():
        await ended_without_its_fills(room)
        await room.until(room.blocks, seconds=90)
        await room.ask("rearm", scope="AAA", reason="I did not look")
        await room.sleep(50)
        assert room.blocks() == set()
        await room.until(lambda: room.blocks() == {("main/AAA", "halt")}, seconds=90)
        assert len(room.told("halted")) == 2
        await room.ask("rearm", scope="AAA", reason="I did not look")

    async def again():
        await room.sleep(50)
        assert room.blocks() == set()
        await room.until(lambda: room.blocks() == {("main/AAA", "halt")}, seconds=90)
        assert len(room.told("halted")) == 3 and "expected 100 filled" in room.told("halted")[2]

    room.play(story)
    room.play(again)
