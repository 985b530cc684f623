"""Half at market, half at a limit that may wait: something works at the venue in most cycles, and is cancelled."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import OrderType, TimeInForce
from trader.protocols import Env, Leg, Trades

OFFSET = 0.002


class Settings(BaseModel):
    """What may stand in [execution_styles.halves]."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Halves:
    """Two orders a trade."""

    def legs(self, trades: Trades) -> Sequence[Leg]:
        limit = trades.price * (1 - trades.sign * OFFSET)
        return (
            Leg(OrderType.MARKET, fraction=0.5),
            Leg(OrderType.LIMIT, TimeInForce.GTC, fraction=0.5, limit=limit),
        )


@hookimpl
def provide_execution_style(settings: Settings, env: Env) -> Halves:
    """The style."""
    return Halves()
