"""What every broker and every data source must do, over the emulator and through the real client library."""

from datetime import timedelta
from typing import ClassVar

import pytest
from trader.clock import SystemClock
from trader.testing import BrokerConformance, DataSourceConformance
from trader_emulators import Setup, emulate

NOW = SystemClock().now()


class TestAlpaca(BrokerConformance):
    plugin = "alpaca"
    options: ClassVar = {"silence_seconds": 2}


class TestAlpacaData(DataSourceConformance):
    plugin = "alpaca"
    now = NOW
    span = (NOW - timedelta(days=20), NOW)

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _venue(cls):
        venue = emulate("alpaca", Setup())
        cls.options, cls.secrets = {"url": venue.options["url"]}, dict(venue.secrets)
        yield
        venue.close()


class TestAlpacaHours(TestAlpacaData):
    timeframe = "1h"
    asked = ("BTC/USD", "SPY")
    span = (NOW - timedelta(days=5), NOW)
