"""What every strategy must do."""

from trader.testing import StrategyConformance


class TestMeanReversion(StrategyConformance):
    plugin = "mean_reversion"
