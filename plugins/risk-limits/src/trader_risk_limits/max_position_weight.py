"""No symbol may be more than `limit` of the book's equity, long or short: 0.35 is 35 %.

Three times: targets are cut to the limit before anything is planned; an order that would still lead beyond it is
refused; and the book can be asked at any time which symbols are beyond it.

An order counts at its worst: on top of all that is held, working or unresolved on its side and of all that this plan
adds on that side before it. Sells do not make room for buys: they may not be filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from trader.hookspecs import hookimpl
from trader.model import Array, Refusal
from trader.protocols import Book, Env, Plan

from trader_risk_limits.equity import allowed, share


class Settings(BaseModel):
    """What may stand in [risk_rules.max_position_weight]."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    limit: float = Field(gt=0, le=10, description="Largest share of equity in one symbol: 0.35 is 35 %.")


class MaxPositionWeight:
    """Keeps one symbol from deciding the fate of the book."""

    guards: Literal["increasing", "all"] = "increasing"

    def __init__(self, settings: Settings) -> None:
        self.most = settings.limit

    def limit(self, targets: Array, book: Book) -> Array:  # noqa: ARG002 - targets are weights already
        return np.clip(targets, -self.most, self.most)

    def check(self, plan: Plan, book: Book) -> Iterable[Refusal]:
        most = allowed(self.most, book)
        # One slot for each symbol's short side and one for its long side: what stands there, at worst, >= 0.
        standing = np.maximum(0, np.column_stack([-book.exposure, book.exposure])).ravel()
        slot = 2 * plan.column + (plan.quantity > 0)
        size = np.where(plan.increases, np.abs(plan.notional), 0.0)
        at_worst = standing + np.bincount(slot, weights=size, minlength=len(standing))
        for order in np.flatnonzero(plan.increases & ~(at_worst[slot] <= most)).tolist():
            after = standing[slot[order]] + size[order]
            if after <= most:
                standing[slot[order]] = after  # it fits; the next order of this symbol comes on top
            else:
                yield Refusal(order, "the position would be too large", self.most, share(after, book))

    def assess(self, book: Book) -> Iterable[Refusal]:
        size = np.abs(book.exposure)
        beyond = ~(size <= allowed(self.most, book)) & (size != 0)
        return [
            Refusal(-1, f"{book.symbols[column]} is too large", self.most, share(size[column], book))
            for column in np.flatnonzero(beyond).tolist()
        ]


@hookimpl
def provide_risk_rule(settings: Settings, env: Env) -> MaxPositionWeight:  # noqa: ARG001 - the hook's signature
    """Make the rule."""
    return MaxPositionWeight(settings)
