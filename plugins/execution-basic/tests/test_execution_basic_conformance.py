"""What every execution style must do."""

from typing import ClassVar

from trader.testing import ExecutionStyleConformance


class TestMarket(ExecutionStyleConformance):
    plugin = "market"


class TestLimitAtTheClose(ExecutionStyleConformance):
    plugin = "limit"


class TestLimitAtTouch(ExecutionStyleConformance):
    plugin = "limit"
    options: ClassVar = {"reference": "touch", "offset": 0.001}
