"""The venue changes its mind about an execution."""

from decimal import Decimal

import pytest
from msgspec import structs

D = Decimal


def test_F28_an_execution_is_corrected(room):
    """The old booking is undone and the new one made, once; people are told. So again for a second correction."""

    async def story():
        await room.hold()
        (fill,) = room.venue.truth_fills()
        for price in (D("99.50"), D("101.25")):
            room.venue.correct(fill.execution_id, price)
            await room.reconcile()
            await room.reconcile()
            assert room.held() == 100 and room.cash() == room.venue.truth_cash() == 100_000 - 100 * price
            assert room.engine.ledger.holdings["AAA"].price == price
        assert len(room.told("execution_corrected")) == 2 and room.blocks() == set()

    async def again():
        await room.reconcile()
        assert len(room.fills()) == 5 and room.cash() == room.venue.truth_cash()

    room.play(story)
    room.play(again)
    assert len(room.told("execution_corrected")) == 2


def test_F28_an_execution_is_corrected_to_a_price_below_zero(room):
    """Spreads and energy trade there: the next session knows of the correction as of any other."""
    price = [D("-37.63")]

    def corrected(real, since):
        return [structs.replace(fill, price=price[0]) for fill in real(since)]

    async def story():
        await room.hold()
        room.want = {}
        room.always("fills", corrected)
        await room.reconcile()
        assert room.held() == 100 and room.cash() == 100_000 + 3763

    async def again():
        await room.reconcile()
        assert len(room.told("execution_corrected")) == 1
        price[0] = D("-40.32")
        await room.reconcile()
        assert room.held() == 100 and room.cash() == 100_000 + 4032 and len(room.fills()) == 5

    room.play(story)
    room.play(again)


def test_F28_an_execution_is_corrected_before_it_was_shown(room):
    """It is booked as the venue shows it, and follows the correction when that is shown."""
    first = []

    async def story():
        client_id = await room.order()
        room.trade()
        (fill,) = first[:] = room.venue.truth_fills()
        room.venue.correct(fill.execution_id, D("99.50"))
        room.always("fills", lambda _real, _since: first)
        await room.reconcile()
        assert room.state(client_id) == "filled" and room.cash() == 100_000 - 100 * fill.price
        room.always("fills", None)
        await room.reconcile()
        await room.reconcile()
        assert room.held() == 100 and room.cash() == room.venue.truth_cash() == 100_000 - 9_950
        assert len(room.fills()) == 3 and room.blocks() == set()

    room.play(story)
    assert len(room.told("execution_corrected")) == 1


@pytest.mark.parametrize("now", [30, 50, 0])
def test_F28_the_quantity_of_an_execution_is_corrected(room, now):
    """Position and order follow the venue's last word, also where it takes an execution back."""
    first = []

    def corrected(real, since):
        return [structs.replace(fill, quantity=D(now)) if fill.quantity == 40 else fill for fill in real(since)]

    async def story():
        client_id = await room.order()
        first.append(client_id)
        room.trade(volume=40)
        await room.reconcile()
        room.always("fills", corrected)
        await room.reconcile()
        await room.reconcile()
        assert room.held() == now and room.engine.blotter.get(client_id).filled == now
        assert room.cash() == 100_000 - 100 * now and len(room.told("execution_corrected")) == 1
        room.trade(volume=60)
        room.always("order", lambda real, ref: structs.replace(real(ref), filled=D(now) + 60))
        await room.reconcile()
        await room.reconcile()
        assert room.state(client_id) == "filled" and room.held() == now + 60

    async def again():
        await room.reconcile()
        assert room.held() == now + 60 == room.orders()[0]["filled"]

    room.play(story)
    room.play(again)
    assert len(room.told("execution_corrected")) == 1


def test_F28_an_execution_of_a_closed_order_is_taken_back(room):
    """The position goes back, and the journal's sum of the order with it."""

    async def story():
        client_id = await room.hold()
        room.want = {}
        room.always("fills", lambda real, since: [structs.replace(one, quantity=D(0)) for one in real(since)])
        await room.reconcile()
        await room.reconcile()
        assert room.held() == 0 and room.cash() == 100_000
        assert room.orders()[0]["filled"] == 0 and room.state(client_id) == "filled"

    room.play(story)
