"""A symbol that is held or ordered, and that nobody lists any more: the start goes on, and it counts on."""

from dataclasses import replace
from decimal import Decimal

import pytest
from dealing_room import parts
from trader.errors import DataError
from trader.model import Instrument, Side
from trader.store import reading
from trader.store.runs import current_epoch


@pytest.fixture
def delist(monkeypatch):
    """delist(room, "AAA", "data", "broker"): from now on those do not have it any more."""

    def delist(room, symbol, *who):
        made = parts.Minutes._made

        def without(source, symbols, start, end):
            bars = made(source, [one for one in symbols if one != symbol], start, end)
            return replace(bars, missing=tuple(one for one in symbols if one == symbol))

        def blank(source, symbols, start, end):
            bars = made(source, symbols, start, end)
            bars.close[:, [one == symbol for one in symbols]] = float("nan")
            return bars

        if "data" in who:
            monkeypatch.setattr(parts.Minutes, "_made", without)
        if "blank" in who:
            monkeypatch.setattr(parts.Minutes, "_made", blank)
        if "broker" in who:
            room.always("instruments", lambda real, symbols: [one for one in real(symbols) if one.symbol != symbol])

    return delist


def seen(room, symbol, what):
    """What the last decision says of a symbol."""
    decision = reading.cycle(room.store, "main")["decision"]
    return decision[what][decision["symbols"].index(symbol)]


@pytest.mark.parametrize("who", [("data",), ("blank",), ("broker",), ("data", "broker")], ids="+".join)
def test_F100_a_held_symbol_that_is_delisted_is_halted_and_everything_else_trades(room, delist, who):
    """It counts at the last price that anybody knew; a person is told, and what to do."""

    async def before():
        await room.hold("AAA")
        room.want = {}
        room.trade(AAA=150.0)
        await room.cycle()
        assert seen(room, "AAA", "price") == 150

    async def after():
        assert room.blocks() == {("main/AAA", "halt")}
        (told,) = room.told("halted")
        assert "has no bars of it" in told or "does not name it" in told
        assert "its last known price, 150" in told and told.endswith("trader reconcile --adopt AAA")
        room.want["AAA"] = 0.3
        await room.order("BBB")
        assert [one["symbol"] for one in room.orders()] == ["AAA", "BBB"]
        equity = Decimal(reading.cycle(room.store, "main")["equity"])
        assert equity == 105_000 and seen(room, "AAA", "price") == 150
        assert seen(room, "AAA", "weight") == pytest.approx(15_000 / 105_000)
        assert room.engine.standing.portfolio.worst[0] == 100
        room.trade()
        await room.reconcile()
        room.agree()
        await room.ask("rearm", scope="AAA", reason="let us see")
        await room.cycle()
        assert [one["symbol"] for one in room.orders()] == ["AAA", "BBB"]

    async def again():
        assert room.blocks() == {("main/AAA", "halt")} and "its last known price, 150" in room.told("halted")[-1]
        assert len(room.told("halted")) == 2
        await room.cycle()

    room.play(before)
    delist(room, "AAA", *who)
    assert room.play(after) is not None
    assert room.play(again) is not None


def test_F100_what_became_of_a_delisted_position_is_booked_by_a_persons_word(room, delist):
    """The venue paid it out: units and cash are adopted, and the next start has nothing to say."""

    async def after():
        room.always("positions", lambda real: [])
        await room.reconcile()
        await room.reconcile(adopt="AAA")
        assert room.held() == 0
        await room.ask("rearm", scope="AAA", reason="paid out")
        await room.cycle()
        assert room.blocks() == set()

    room.play(lambda: room.hold("AAA"))
    delist(room, "AAA", "broker")
    room.want = {}
    room.play(after)
    room.play(room.cycle)
    assert room.blocks() == set() and len(room.told("halted")) == 1


def test_F100_an_open_order_in_a_delisted_symbol_counts_and_can_be_cancelled(room, delist):
    """It counts at its worst, at the last price that a decision saw, and a person can cancel it."""

    async def after():
        assert room.blocks() == {("main/AAA", "halt")}
        await room.cycle()
        assert room.engine.standing.portfolio.worst[0] == 100 and seen(room, "AAA", "price") == 100
        await room.ask("cancel", order=room.orders()[0]["client_id"])
        await room.until(lambda: room.orders()[0]["state"] == "canceled")

    room.play(room.order)
    delist(room, "AAA", "data", "broker")
    room.want = {}
    assert room.play(after) is not None


async def bought_and_sold(room):
    await room.hold("AAA")
    room.want["AAA"] = 0.0
    await room.cycle()
    room.trade()
    await room.reconcile()
    assert room.held() == 0


def test_F100_a_symbol_that_is_named_and_not_held_refuses_the_start_without_bars(room, delist):
    """To name it is a mistake in the settings then, also where it was held once."""

    room.play(lambda: bought_and_sold(room))
    delist(room, "AAA", "data")
    with pytest.raises(DataError, match="has no bars of: AAA"):
        room.play()


@pytest.mark.parametrize(("answers", "blocks"), [(2, set()), (3, {("main/AAA", "halt")})])
def test_F100_a_broker_that_names_nothing_at_all_is_asked_again(make_room, answers, blocks):
    """A broker that names no symbol at all is asked again before anything is halted."""
    room = make_room(connect="tries = 3, first_seconds = 1, longest_seconds = 1")
    room.play(lambda: room.hold("AAA"))
    room.want = {}
    room.say("instruments", *[[]] * answers)
    room.play(room.cycle)
    assert room.blocks() == blocks


def test_F100_a_cold_start_is_refused_for_what_the_next_start_would_be(room, delist):
    """A cold start, which holds nothing, is refused for it before the present epoch is closed."""

    async def bought():
        await room.hold("AAA")

    room.play(bought)
    room.venue.manual_trade("AAA", Side.SELL, Decimal(100))
    room.trade()
    delist(room, "AAA", "data")
    before = current_epoch(room.store).number
    with pytest.raises(DataError, match="has no bars of: AAA"):
        room.play(cold_start=True)
    assert current_epoch(room.store).number == before


def test_F100_a_symbol_that_was_sold_may_be_left_out_of_the_settings(room):
    """Nobody needs bars of what was held once: the next start trades the others."""

    async def after():
        await room.order("BBB")
        assert [one["symbol"] for one in room.orders()] == ["AAA", "AAA", "BBB"]

    room.play(lambda: bought_and_sold(room))
    room._text = room._text.replace('"AAA", ', "")
    room.want = {}
    assert room.play(after) is not None


def test_F100_a_delisted_contract_counts_by_its_multiplier_and_its_margin(make_room, delist):
    """What a unit of it is, the journal knows; a price of less than a cent is not rounded away."""
    terms = {"multiplier": Decimal(1000), "settlement": "margin", "tick": Decimal("0.00001")}
    room = make_room(rules=[Instrument(symbol, **terms) for symbol in ("AAA", "BBB")])

    async def before():
        room.trade(AAA=0.00125)
        await room.cycle()
        await room.hold("AAA")

    async def after():
        rules = room.engine.market.instruments["AAA"]
        assert (rules.multiplier, rules.settlement, rules.tradable) == (1000, "margin", False)
        await room.cycle()
        assert room.engine.standing.price("AAA") == Decimal("0.00125")
        assert seen(room, "AAA", "weight") == pytest.approx(0.1, rel=0.01)

    room.play(before)
    delist(room, "AAA", "data", "broker")
    assert room.play(after) is not None
