"""The conformance suites over the emulator."""

from __future__ import annotations

from trader.testing.conformance.broker import BrokerConformance


class TestBinance(BrokerConformance):
    plugin = "binance"


class TestBinanceFutures(BrokerConformance):
    plugin = "binance_futures"
