"""What every risk rule must do."""

from typing import ClassVar

from trader.testing import RiskRuleConformance


class TestMaxGrossExposure(RiskRuleConformance):
    plugin = "max_gross_exposure"
    options: ClassVar = {"limit": 1.0}


class TestMaxOrderNotional(RiskRuleConformance):
    plugin = "max_order_notional"
    options: ClassVar = {"limit": 20_000}


class TestMaxOrdersPerCycle(RiskRuleConformance):
    plugin = "max_orders_per_cycle"
    options: ClassVar = {"limit": 20}


class TestMaxPositionWeight(RiskRuleConformance):
    plugin = "max_position_weight"
    options: ClassVar = {"limit": 0.35}


class TestPriceCollar(RiskRuleConformance):
    plugin = "price_collar"
    options: ClassVar = {"limit": 0.05}
