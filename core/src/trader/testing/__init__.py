"""The testing kit: fakes made of real parts, a trading run without files, and a conformance suite for each kind.

    from trader.testing import StrategyConformance

    class TestRsiDip(StrategyConformance):
        plugin = "rsi_dip"       # the entry point's name; or the module, for a plugin of one file that is not installed
        options = {"length": 14}

Each case of a suite has a number (`test_st_03_...` is ST-03) and says in its docstring what it proves. Skipping one
needs a written reason: `skip = {"ST-03": "it draws random numbers on purpose"}`. pytest loads the fixtures of
`trader.testing.pytest_plugin` by itself. Needs `pip install trader-core[testing]`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trader.testing.conformance.alert_transport import AlertTransportConformance
    from trader.testing.conformance.allocator import AllocatorConformance
    from trader.testing.conformance.broker import BrokerConformance
    from trader.testing.conformance.data_source import DataSourceConformance
    from trader.testing.conformance.execution_style import ExecutionStyleConformance
    from trader.testing.conformance.risk_rule import RiskRuleConformance
    from trader.testing.conformance.strategy import StrategyConformance
    from trader.testing.fakes import bars, fake_env, history, positions, random_walk
    from trader.testing.network import NetworkUsed, no_network
    from trader.testing.risk import book, plan
    from trader.testing.trading import Run, trade

__all__ = [
    "AlertTransportConformance",
    "AllocatorConformance",
    "BrokerConformance",
    "DataSourceConformance",
    "ExecutionStyleConformance",
    "NetworkUsed",
    "RiskRuleConformance",
    "Run",
    "StrategyConformance",
    "bars",
    "book",
    "fake_env",
    "history",
    "no_network",
    "plan",
    "positions",
    "random_walk",
    "trade",
]

_ROOMS = {
    "fakes": ("bars", "fake_env", "history", "positions", "random_walk"),
    "network": ("NetworkUsed", "no_network"),
    "risk": ("book", "plan"),
    "trading": ("Run", "trade"),
    "conformance.alert_transport": ("AlertTransportConformance",),
    "conformance.allocator": ("AllocatorConformance",),
    "conformance.broker": ("BrokerConformance",),
    "conformance.data_source": ("DataSourceConformance",),
    "conformance.execution_style": ("ExecutionStyleConformance",),
    "conformance.risk_rule": ("RiskRuleConformance",),
    "conformance.strategy": ("StrategyConformance",),
}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every project of an environment that has trader: it must cost nothing there
    from importlib import import_module

    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
