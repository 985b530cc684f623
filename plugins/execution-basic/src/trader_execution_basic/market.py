"""Everything at market: the trade is certain, its price is not."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import OrderType
from trader.protocols import Env, Leg, Trades


class Settings(BaseModel):
    """Nothing may stand in [execution_styles.market]: there is nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Market:
    """One market order a trade, good for the day."""

    def legs(self, trades: Trades) -> Sequence[Leg]:  # noqa: ARG002 - all trades go out alike
        return (Leg(OrderType.MARKET),)


@hookimpl
def provide_execution_style(settings: Settings, env: Env) -> Market:  # noqa: ARG001 - the hook's signature
    """Make the execution style."""
    return Market()
