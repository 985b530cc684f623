"""What every broker must do, in both kinds of account."""

from collections.abc import Mapping
from typing import Any

from trader.testing import BrokerConformance


class TestMt5(BrokerConformance):
    plugin = "mt5"


class TestMt5Hedging(BrokerConformance):
    plugin = "mt5"

    @classmethod
    def asked_with(cls) -> Mapping[str, Any]:
        """The same of an account in which each opening order has a position of its own."""
        return {**super().asked_with(), "setup": {"mode": "hedging"}}
