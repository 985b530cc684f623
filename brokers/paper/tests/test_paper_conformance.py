"""What every broker must do."""

from typing import ClassVar

from trader.testing import BrokerConformance


class TestPaper(BrokerConformance):
    plugin = "paper"


class TestPaperWithFeesAndShorts(BrokerConformance):
    plugin = "paper"
    options: ClassVar = {
        "fees": {"kind": "per_share", "rate": "0.005", "minimum": "1"},
        "slippage_bps": 5,
        "shorting": True,
    }
