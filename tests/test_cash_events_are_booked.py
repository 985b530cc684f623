"""Money that moves without a trade is booked by a session: the real broker asks its emulated venue, and the journal has
each movement once."""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from at_an_emulator import Booth  # noqa: E402 - found by the path above

D = Decimal
MOVED = {
    "alpaca": [("dividend", D("12.50")), ("fee", D("-3.25")), ("interest", D("-0.75")), ("transfer", D(500))],
    "binance": [("dividend", D("12.50")), ("interest", D("0.75")), ("transfer", D(500))],
    "binance_futures": [("funding", D("-1.5")), ("funding", D("0.75")), ("transfer", D(500)), ("transfer", D(-200))],
    "robinhood": [("dividend", D("12.50")), ("fee", D("-5")), ("interest", D("0.40")), ("transfer", D(-200))],
    "mt5": [("dividend", D("12.50")), ("fee", D("-5")), ("interest", D("-2.5")), ("transfer", D(500))],
}


@pytest.mark.parametrize("name", MOVED)
def test_dividends_fees_funding_interest_and_transfers_are_booked_once(name, place):
    booth = Booth(place, name)
    try:
        assert booth.run().returncode == 0
        opened = booth.cash_events()
        for kind, amount in MOVED[name]:
            booth.venue.venue.cash(kind, amount, booth.symbol if kind in ("dividend", "funding") else None)
        for _ in range(2):
            done = booth.run()
            assert done.returncode == 0, done.stderr
            assert booth.cash_events() == sorted(opened + MOVED[name])
    finally:
        booth.close()
