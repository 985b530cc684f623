"""After `limit` orders in one cycle, nothing more that increases risk.

Every order of the plan counts, in sending order; those that reduce risk are sent however many there are. Exits leave
before the plan is made and do not count. What was refused is planned again in the next cycle, if it is still wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from trader.hookspecs import hookimpl
from trader.model import Refusal
from trader.protocols import Book, Env, Plan


class Settings(BaseModel):
    """What may stand in [risk_rules.max_orders_per_cycle]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(ge=1, description="Orders in one cycle, exits not counted, after which nothing increases risk.")


class MaxOrdersPerCycle:
    """Stops a plan that has run wild."""

    guards: Literal["increasing", "all"] = "increasing"

    def __init__(self, settings: Settings) -> None:
        self.most = settings.limit

    def check(self, plan: Plan, book: Book) -> Iterable[Refusal]:  # noqa: ARG002 - the plan says it all
        beyond = np.flatnonzero(plan.increases[self.most :]) + self.most
        return [Refusal(order, "too many orders in one cycle", self.most, order + 1) for order in beyond.tolist()]


@hookimpl
def provide_risk_rule(settings: Settings, env: Env) -> MaxOrdersPerCycle:  # noqa: ARG001 - the hook's signature
    """Make the rule."""
    return MaxOrdersPerCycle(settings)
