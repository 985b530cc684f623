"""Both data sources, over the emulated venues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from trader.clock import SystemClock
from trader.testing.conformance.data_source import DataSourceConformance
from trader_emulators import Setup, emulate


@pytest.fixture(scope="class")
def _venue(request: pytest.FixtureRequest) -> Iterator[None]:
    emulator = emulate(request.cls.emulated, Setup(patience=5.0))
    request.cls.options = dict(emulator.options)
    now = SystemClock().now()
    request.cls.span = (now - timedelta(days=30), now + timedelta(days=2))
    yield
    emulator.close()


@pytest.mark.usefixtures("_venue")
class TestBinanceData(DataSourceConformance):
    plugin = "binance"
    emulated = "binance"
    asked = ("BTC/USDT", "ETH/USDT")


@pytest.mark.usefixtures("_venue")
class TestBinanceFuturesData(DataSourceConformance):
    plugin = "binance_futures"
    emulated = "binance_futures"
    timeframe = "4h"
    asked = ("BTC/USDT", "XRP/USDT")
