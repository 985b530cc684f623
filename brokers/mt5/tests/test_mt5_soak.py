"""A bad day: whatever goes wrong, the broker answers in the core's words, and what it says agrees with the venue."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from trader.clock import VirtualClock
from trader.model import Accepted, Account, NotFound, OrderReport, Rejected, Unavailable, Unknown
from trader_emulators.mischief import draw

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def asked(broker):
    for name in ("account", "positions", "orders"):
        answer = getattr(broker, name)()
        assert isinstance(answer, Account | list | Unavailable), (name, answer)
    assert isinstance(broker.fills(ALWAYS), list | Unavailable)


@pytest.mark.parametrize("mode", ["netting", "hedging"])
@pytest.mark.parametrize("seed", [2, 5, 11])
def test_F16_F17_F18_on_a_bad_day_every_order_ends_as_the_venue_has_it(start, ref, mode, seed):
    clock = VirtualClock(datetime(2026, 3, 4, 12, tzinfo=UTC))
    desk, dice = start(mode, seed=seed, clock=clock), random.Random(seed)
    broker = desk.broker()
    desk.emulator.venue.faults = draw(seed)
    sent = []
    for _ in range(80):
        side, size = dice.choice(["buy", "sell"]), dice.choice(["0.1", "0.2"])
        if dice.random() < 0.5:
            order = desk.order(side, size)
        else:
            order = desk.order(side, size, "limit", "gtc", limit="1.05" if side == "buy" else "1.15")
        outcome = broker.submit(order)
        assert isinstance(outcome, Accepted | Rejected | Unknown)
        sent.append((order, outcome))
        if dice.random() < 0.3:
            assert isinstance(broker.cancel(ref(order)), Accepted | Rejected | Unknown)
        if dice.random() < 0.3:
            asked(broker)
        if isinstance(outcome, Unknown):
            broker.order(ref(order))
        clock.sleep(dice.choice([0.01, 1.5]))
        desk.emulator.trade("EUR/USD", round(dice.uniform(1.04, 1.16), 5))
    desk.emulator.venue.heal()
    clock.sleep(60.0)
    desk.emulator.trade("EUR/USD", 1.1)
    there = {taken.key: taken for taken in desk.emulator.venue.accepted}
    assert len(there) == len(desk.emulator.venue.accepted), "an order is there twice"
    for order, outcome in sent:
        found = broker.order(ref(order))
        assert isinstance(found, OrderReport if order.key in there else NotFound), (outcome, found)
        assert not isinstance(outcome, Accepted) or order.key in there
        assert not isinstance(outcome, Rejected) or order.key not in there, outcome
    fills = broker.fills(ALWAYS)
    net = sum((fill.quantity * fill.side.sign for fill in fills), Decimal(0))
    assert {one.symbol: one.quantity for one in broker.positions()} == ({"EUR/USD": net} if net else {})
    assert len(fills) == len(desk.emulator.venue.truth_fills())
    clock.sleep(120.0)
    desk.sent(broker)
