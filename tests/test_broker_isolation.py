"""One broker brings its own client library and nobody else's; the core brings and imports none."""

import importlib.metadata
import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

SDKS = {
    "trader-broker-alpaca": "alpaca-py",
    "trader-broker-binance": "python-binance",
    "trader-broker-robinhood": "robin-stocks",
    "trader-broker-mt5": "rpyc" if sys.platform != "win32" else "metatrader5",
    "trader-broker-paper": None,
}
MODULES = ("alpaca", "binance", "robin_stocks", "MetaTrader5", "rpyc", "pandas", "aiohttp", "websockets", "requests")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def brought(distribution: str) -> set[str]:
    """Everything that pip installs with a distribution, without extras, on this machine."""
    found: set[str] = set()
    waiting = [Requirement(distribution)]
    while waiting:
        wanted = waiting.pop()
        if normal(wanted.name) in found:
            continue
        found.add(normal(wanted.name))
        for text in importlib.metadata.requires(wanted.name) or []:
            requirement = Requirement(text)
            extras = wanted.extras or {""}
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(requirement)
    return found


@pytest.mark.parametrize("distribution", sorted(SDKS))
def test_a_broker_brings_its_own_client_library_and_nobody_elses(distribution):
    there = brought(distribution)
    others = {sdk for sdk in SDKS.values() if sdk and sdk != SDKS[distribution]} | {"metatrader5", "mt5linux"}
    assert SDKS[distribution] is None or SDKS[distribution] in there
    assert there & (others - {SDKS[distribution]}) == set()


def test_the_core_brings_no_client_library():
    assert brought("trader-core") & {normal(sdk) for sdk in SDKS.values() if sdk} == set()


@pytest.mark.parametrize("code", [
    "import trader, trader.cli, trader.session.session, trader.plugins",
    "from trader.plugins import catalogue\nlist(catalogue())",
    "import trader_broker_alpaca, trader_broker_binance, trader_broker_robinhood, trader_broker_mt5",
    "import trader_broker_alpaca.data, trader_broker_robinhood.data, trader_broker_mt5.data",
    "import trader_broker_binance.futures, trader_broker_binance.data, trader_broker_binance.futures_data",
])  # fmt: skip
def test_importing_trader_its_listing_and_its_brokers_imports_no_client_library(code):
    asked = f"import sys\n{code}\nprint(*(set(sys.modules) & set({MODULES!r})))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
