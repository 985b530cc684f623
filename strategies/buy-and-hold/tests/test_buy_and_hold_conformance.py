"""What every strategy must do."""

from trader.testing import StrategyConformance


class TestBuyAndHold(StrategyConformance):
    plugin = "buy_and_hold"
