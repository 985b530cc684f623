"""Half at market, half at a limit that may wait: something works at the venue in most cycles, and is cancelled."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import OrderType, TimeInForce
from trader.protocols import Env, Leg, Trades

OFFSET = 0.0005


class Settings(BaseModel):
    """What may stand in [execution_styles.halves]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    market: str = "day"
    limit: str = "gtc"


class Halves:
    """Two orders a trade; the limit is a little better than the price."""

    def __init__(self, market: TimeInForce, limit: TimeInForce) -> None:
        self._market, self._limit = market, limit

    def legs(self, trades: Trades) -> Sequence[Leg]:
        limit = trades.price * (1 - trades.sign * OFFSET)
        return (
            Leg(OrderType.MARKET, self._market, fraction=0.5),
            Leg(OrderType.LIMIT, self._limit, fraction=0.5, limit=limit),
        )


@hookimpl
def provide_execution_style(settings: Settings, env: Env) -> Halves:
    """The style."""
    return Halves(TimeInForce(settings.market), TimeInForce(settings.limit))
