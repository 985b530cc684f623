"""A stop that stands guard, and trades of its symbol: at a venue that takes no order beside one of the other side."""

from decimal import Decimal

import pytest
from trader.cycle.planner import MARKET
from trader.model import OrderType, Rejected, Side, TimeInForce
from trader.protocols import Leg


@pytest.fixture
def strict(room):
    """A room with stops at 90, at a venue that refuses what could trade with an order that works there (Alpaca);
    `refused` has what it refused."""
    room.guard = {"AAA": 90.0}
    room.refused = []

    def faces(real, order):
        others = [one for one in room.venue.truth_working() if one.symbol == order.symbol]
        if any(one.side is not order.side for one in others):
            room.refused.append(order)
            return Rejected("wash_trade", "potential wash trade detected. use complex orders")
        return real(order)

    room.always("submit", faces)
    return room


def stops(room):
    """Quantity of the stops that work at the venue, and that nothing else does."""
    working = room.venue.truth_working()
    assert all(one.type is OrderType.STOP and one.side is Side.SELL for one in working), working
    return [one.quantity for one in working]


async def settle(room):
    """What was ordered is traded at the last price, and booked."""
    room.trade()
    await room.reconcile()


def test_F40_a_stop_stands_aside_for_a_trade_and_stands_again_after_it(strict):
    room = strict

    async def story():
        await room.hold(weight=0.1)
        await room.cycle()
        assert stops(room) == [100]
        for weight, units in ((0.2, 200), (0.3, 300), (0.1, 100)):
            room.want["AAA"] = weight
            await room.cycle()
            assert stops(room) == []
            await room.cycle()
            await settle(room)
            assert room.held() == units
            await room.cycle()
            assert stops(room) == [units]
        room.want["AAA"] = 0.0
        await room.cycle()
        await room.cycle()
        await settle(room)
        await room.cycle()
        assert (room.held(), stops(room), room.refused) == (0, [], [])
        room.agree()

    room.play(story)


def test_F40_an_entry_that_works_is_cancelled_before_anything_is_sold(strict):
    """A limit buy waits below the market; a trade the other way, and then a stop, go out when it is gone."""
    room = strict

    async def story():
        await room.hold(weight=0.1)
        await room.cycle()
        room.leg = Leg(OrderType.LIMIT, TimeInForce.GTC, limit=[95.0])
        room.want["AAA"] = 0.2
        await room.cycle()
        await room.cycle()
        assert [(one.side, one.limit_price) for one in room.venue.truth_working()] == [(Side.BUY, Decimal(95))]
        room.leg = MARKET
        room.want["AAA"] = 0.05
        await room.cycle()
        assert list(room.venue.truth_working()) == []
        await room.cycle()
        await settle(room)
        await room.cycle()
        assert (room.held(), stops(room), room.refused) == (50, [50], [])
        room.agree()

    room.play(story)


def test_a_stop_stays_while_a_trade_is_due_that_cannot_go(strict):
    """The weight is off by less than a lot is worth, in every cycle."""
    room = strict

    async def story():
        room.trade(AAA=30_000.0)
        room.guard["AAA"] = 25_000.0
        await room.hold(weight=0.4)
        assert room.held() == 1
        await room.cycle()
        for _ in range(6):
            assert stops(room) == [1]
            await room.cycle()

    room.play(story)
