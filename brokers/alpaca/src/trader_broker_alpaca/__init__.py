"""Stocks and crypto at Alpaca, paper and live, through its own client library."""

from __future__ import annotations

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_broker_alpaca.broker import AlpacaBroker
from trader_broker_alpaca.settings import Settings

__all__ = ["AlpacaBroker", "Settings", "provide_broker"]


@hookimpl
def provide_broker(settings: Settings, env: Env) -> AlpacaBroker:
    """One account; `open` logs in."""
    return AlpacaBroker(settings, env)
