"""Bars and quotes of stocks from Robinhood; its login is the broker's, or its own where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_broker_robinhood.settings import DataSettings as Settings

if TYPE_CHECKING:
    from trader_broker_robinhood.source import RobinhoodSource

__all__ = ["Settings", "provide_data_source"]


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> RobinhoodSource:
    """Market data of the login whose token is in the secrets; no request is made before open()."""
    from trader_broker_robinhood.source import RobinhoodSource

    return RobinhoodSource(settings, env)
