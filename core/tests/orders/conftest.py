"""Orders and fills in one line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trader.model import Fill, OrderReport, OrderRequest, OrderState, OrderType, Purpose, Side, TimeInForce

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def noon():
    return NOON


@pytest.fixture(scope="session")
def order():
    """order("o1", "buy", 100): a market order of book main, its key is "k-" + id."""

    def make(client_id="o1", side="buy", quantity=100, symbol="X"):
        return OrderRequest(
            client_id, f"k-{client_id}", "main", symbol, Side(side), Decimal(str(quantity)), OrderType.MARKET,
            TimeInForce.DAY, None, None, False, Purpose.REBALANCE, Decimal(10), NOON,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def fill():
    """fill("e1", "buy", 100, "10.50"): an execution, of order o1 unless said."""

    def make(execution, side="buy", quantity=1, price=10, *, fee=0, symbol="X", of="o1", minutes=0, fee_currency=""):
        return Fill(
            execution, f"k-{of}", "v1", symbol, Side(side), Decimal(str(quantity)), Decimal(str(price)),
            Decimal(str(fee)), NOON + timedelta(minutes=minutes), fee_currency,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def report():
    """report("canceled", filled=40): order o1 as the venue shows it."""

    def make(state, filled=0, *, of="o1", quantity=100, venue_id="v1", reason=""):
        return OrderReport(
            f"k-{of}",
            venue_id,
            "X",
            Side.BUY,
            Decimal(quantity),
            Decimal(str(filled)),
            OrderState(state),
            NOON,
            reason=reason,
        )

    return make
