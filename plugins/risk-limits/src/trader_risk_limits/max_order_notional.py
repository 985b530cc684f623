"""No single order may be worth more than `limit`, in the currency of the book.

An order's worth is its notional: quantity x multiplier x the last mark, or the limit price where that is higher.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from trader.hookspecs import hookimpl
from trader.model import Refusal
from trader.protocols import Book, Env, Plan


class Settings(BaseModel):
    """What may stand in [risk_rules.max_order_notional]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[Decimal, Field(gt=0, allow_inf_nan=False)] | Literal["unlimited"] = Field(
        description='Largest worth of one order, in the currency of the book, above 0; or "unlimited".'
    )


class MaxOrderNotional:
    """Refuses an order that is too large, such as one with a digit too many."""

    guards: Literal["increasing", "all"] = "increasing"

    def __init__(self, settings: Settings) -> None:
        self.most = sys.float_info.max if settings.limit == "unlimited" else float(settings.limit)

    def check(self, plan: Plan, book: Book) -> Iterable[Refusal]:  # noqa: ARG002 - the plan says it all
        size = np.abs(plan.notional)
        refused = plan.increases & ~(size <= self.most)
        return [
            Refusal(order, "the order is worth more than one order may be", self.most, float(size[order]))
            for order in np.flatnonzero(refused).tolist()
        ]


@hookimpl
def provide_risk_rule(settings: Settings, env: Env) -> MaxOrderNotional:  # noqa: ARG001 - the hook's signature
    """Make the rule."""
    return MaxOrderNotional(settings)
