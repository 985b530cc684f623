"""Spot at Binance: testnet unless mainnet is named."""

from __future__ import annotations

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_broker_binance.broker import SpotBroker
from trader_broker_binance.settings import SpotSettings as Settings

__all__ = ["Settings", "SpotBroker", "provide_broker"]


@hookimpl
def provide_broker(settings: Settings, env: Env) -> SpotBroker:
    """One spot account; no network before `open()`."""
    return SpotBroker(settings, env)
