"""What every strategy must do."""

from trader.testing import StrategyConformance


class TestTrendFollowing(StrategyConformance):
    plugin = "trend_following"
