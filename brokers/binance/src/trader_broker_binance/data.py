"""Bars, quotes and trades of Binance (spot); no key is needed."""

from __future__ import annotations

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_broker_binance.settings import DataSettings as Settings
from trader_broker_binance.source import BinanceSource

__all__ = ["BinanceSource", "Settings", "provide_data_source"]


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> BinanceSource:
    """No network before `open()`."""
    return BinanceSource(settings, env, "spot")
