"""What every broker must do, in both kinds of account."""

from collections.abc import Mapping
from typing import Any

from trader.testing import BrokerConformance

AT_ONCE = {
    "BC-31": "A market order is executed before it is answered, and what the market does not take is canceled. The"
    " parts of a limit order: test_a_limit_order_waits_fills_in_parts_and_is_filled."
}


class TestMt5(BrokerConformance):
    plugin = "mt5"
    skip = AT_ONCE


class TestMt5Hedging(BrokerConformance):
    plugin = "mt5"
    skip = AT_ONCE

    @classmethod
    def asked_with(cls) -> Mapping[str, Any]:
        """The same of an account in which each opening order has a position of its own."""
        return {**super().asked_with(), "setup": {"mode": "hedging"}}
