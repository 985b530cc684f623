"""What every risk rule must do."""

from trader.testing import RiskRuleConformance


class TestMaxGrossExposure(RiskRuleConformance):
    plugin = "max_gross_exposure"
    options = {"limit": 1.0}


class TestMaxOrderNotional(RiskRuleConformance):
    plugin = "max_order_notional"
    options = {"limit": 20_000}


class TestMaxOrdersPerCycle(RiskRuleConformance):
    plugin = "max_orders_per_cycle"
    options = {"limit": 20}


class TestMaxPositionWeight(RiskRuleConformance):
    plugin = "max_position_weight"
    options = {"limit": 0.35}


class TestPriceCollar(RiskRuleConformance):
    plugin = "price_collar"
    options = {"limit": 0.05}
