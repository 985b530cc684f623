"""MetaTrader 5: on Windows through its own package, elsewhere through rpyc to a Windows or Wine Python."""

from __future__ import annotations

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_broker_mt5.broker import Mt5Broker
from trader_broker_mt5.settings import Settings
from trader_broker_mt5.sharing import terminal_of

__all__ = ["Mt5Broker", "Settings", "provide_broker"]


@hookimpl
def provide_broker(settings: Settings, env: Env) -> Mt5Broker:
    """One account in one terminal; nothing is opened yet."""
    return Mt5Broker(settings, env, terminal_of(settings, env))
