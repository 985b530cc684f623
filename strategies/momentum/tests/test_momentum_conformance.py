"""What every strategy must do."""

from trader.testing import StrategyConformance


class TestMomentum(StrategyConformance):
    plugin = "momentum"
