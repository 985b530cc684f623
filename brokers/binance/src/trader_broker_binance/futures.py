"""USD-M futures at Binance: testnet unless mainnet is named."""

from __future__ import annotations

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_broker_binance.futures_broker import FuturesBroker
from trader_broker_binance.settings import FuturesSettings as Settings

__all__ = ["FuturesBroker", "Settings", "provide_broker"]


@hookimpl
def provide_broker(settings: Settings, env: Env) -> FuturesBroker:
    """One futures account; no network before `open()`."""
    return FuturesBroker(settings, env)
