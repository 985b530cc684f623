"""What every allocator must do."""

from trader.testing import AllocatorConformance


class TestProportional(AllocatorConformance):
    plugin = "proportional"


class TestEqual(AllocatorConformance):
    plugin = "equal"


class TestInverseVolatility(AllocatorConformance):
    plugin = "inverse_volatility"
