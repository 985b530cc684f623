"""What every broker and every data source must do, over the emulator and through the real client library."""

from datetime import timedelta

import pytest
from trader.clock import SystemClock
from trader.testing import BrokerConformance, DataSourceConformance
from trader_emulators import Setup, emulate

NOW = SystemClock().now()


class TestRobinhood(BrokerConformance):
    plugin = "robinhood"


class TestRobinhoodData(DataSourceConformance):
    plugin = "robinhood"
    now = NOW
    span = (NOW - timedelta(days=60), NOW)

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _venue(cls):
        venue = emulate("robinhood", Setup())
        cls.options, cls.secrets = {"url": venue.options["url"]}, dict(venue.secrets)
        yield
        venue.close()

    @pytest.fixture(autouse=True)
    def _given_back(self):
        """The SDK's session is one for the whole process."""
        self._made = []
        yield
        for made in self._made:
            made.object.close()

    def made(self):
        self._made.append(super().made())
        return self._made[-1]


class TestRobinhoodMinutes(TestRobinhoodData):
    timeframe = "10m"
    asked = ("AAPL", "SPY")
    span = (NOW - timedelta(days=2), NOW)
