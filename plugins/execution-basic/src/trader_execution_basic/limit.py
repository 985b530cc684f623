"""Limit orders: the price is certain, the trade is not.

    limit = reference * (1 + offset)  to buy,  reference * (1 - offset)  to sell

`offset` > 0 concedes that fraction to be filled sooner; `offset` < 0 waits for a better price. The planner rounds
the limit to the tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from trader.hookspecs import hookimpl
from trader.model import OrderType, TimeInForce
from trader.protocols import Env, Leg, Trades


class Settings(BaseModel):
    """What may stand in [execution_styles.limit]."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    reference: Literal["close", "touch"] = Field(
        default="close",
        description="close: the last close. touch: the ask to buy, the bid to sell; else the last close.",
    )
    offset: float = Field(
        default=0.0, gt=-0.5, lt=0.5, description="Fraction of the reference that is conceded; negative waits for more."
    )
    time_in_force: TimeInForce = Field(default=TimeInForce.DAY, description="day, gtc, ioc or fok.")


class Limit:
    """One limit order a trade."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def legs(self, trades: Trades) -> Sequence[Leg]:
        reference = trades.price
        if self.settings.reference == "touch":
            touch = np.where(trades.sign > 0, trades.ask, trades.bid)
            there = (touch > 0) & np.isfinite(touch)  # some feeds send 0 for "none"
            reference = np.where(there, touch, trades.price)
        limit = reference * (1 + trades.sign * self.settings.offset)
        return (Leg(OrderType.LIMIT, self.settings.time_in_force, limit=limit),)


@hookimpl
def provide_execution_style(settings: Settings, env: Env) -> Limit:  # noqa: ARG001 - the hook's signature
    """Make the execution style."""
    return Limit(settings)
