"""Stocks at Robinhood through robin_stocks: unofficial, experimental, by polling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_broker_robinhood.settings import Settings

if TYPE_CHECKING:
    from trader_broker_robinhood.broker import RobinhoodBroker

__all__ = ["Settings", "provide_broker"]


@hookimpl
def provide_broker(settings: Settings, env: Env) -> RobinhoodBroker:
    """One account of the login whose token is in the secrets; no request is made before open()."""
    from trader_broker_robinhood.broker import RobinhoodBroker

    return RobinhoodBroker(settings, env)
