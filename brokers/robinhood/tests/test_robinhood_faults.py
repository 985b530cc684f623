"""Everything goes wrong by chance, over the wire and the real client library: what the broker says stays true."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from trader.clock import SystemClock
from trader.env import CALL
from trader.model import (
    Accepted,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderType,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
    Unavailable,
    Unknown,
)
from trader.simulation import Faults

CLOCK = SystemClock()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAULTS = Faults(
    submit_late=0.05, submit_lost=0.05, submit_lost_reply=0.1, submit_failed_accepted=0.1, submit_failed_dropped=0.1,
    submit_garbage=0.05, submit_rejected=0.05, query_lost=0.02, query_failed=0.05, query_garbage=0.03,
    late_seconds=0.2, order_lag=0.1, fill_lag=0.1,
)  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_goes_wrong_no_answer_is_a_lie(kit, seed):
    venue = kit.venue(seed=seed, patience=0.05)
    broker = kit.broker()
    venue.venue.faults = FAULTS
    outcomes = {}
    for number in range(40):
        name = f"t{number}"
        request = OrderRequest(name, broker.key(name), "main", "AAPL", Side.BUY, Decimal(1), OrderType.LIMIT,
                               TimeInForce.GTC, Decimal(90), None, False, Purpose.REBALANCE, Decimal(100),
                               CLOCK.now())  # fmt: skip
        CALL.until = CLOCK.monotonic() + 1
        try:
            outcomes[request.key] = broker.submit(request)
            positions, fills = broker.positions(), broker.fills(EPOCH)
        finally:
            del CALL.until
        assert isinstance(outcomes[request.key], Accepted | Rejected | Unknown)
        assert isinstance(positions, Unavailable) or positions == []
        assert isinstance(fills, Unavailable) or fills == []
    venue.venue.heal()
    CLOCK.sleep(0.4)
    there = {taken.key for taken in venue.venue.accepted}
    assert {report.key for report in broker.orders()} == there and len(there) == len(venue.venue.accepted)
    for key, outcome in outcomes.items():
        found = broker.order(OrderRef("", key, "AAPL"))
        assert isinstance(found, OrderReport if key in there else NotFound), (outcome, found)
        assert not isinstance(outcome, Accepted) or key in there
        assert not isinstance(outcome, Rejected) or key not in there
    kinds = {type(outcome) for outcome in outcomes.values()}
    assert {Accepted, Unknown} <= kinds  # how often what is drawn depends on how fast the machine asks
