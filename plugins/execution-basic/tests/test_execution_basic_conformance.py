"""What every execution style must do."""

from trader.testing import ExecutionStyleConformance


class TestMarket(ExecutionStyleConformance):
    plugin = "market"


class TestLimitAtTheClose(ExecutionStyleConformance):
    plugin = "limit"


class TestLimitAtTouch(ExecutionStyleConformance):
    plugin = "limit"
    options = {"reference": "touch", "offset": 0.001}
