"""All positions together, longs and shorts both counted as positive, may be at most `limit` times the book's equity.

1.0 is 100 %: no borrowed money. Three times: targets are scaled down together until they fit; an order that would
still lead beyond the limit is refused; and the book can be asked at any time whether it is beyond.

Orders count in sending order, on top of all that is held, working or unresolved at its worst. An order that reduces
makes room for those after it, as the planner funds buys from the sells before them; a refused order takes no room.
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

TOO_LARGE = "all positions together are too large"


class Settings(BaseModel):
    """What may stand in [risk_rules.max_gross_exposure]."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    limit: float = Field(gt=0, le=10, description="Largest sum of |position| as a multiple of equity: 1.0 is 100 %.")


class MaxGrossExposure:
    """Keeps the whole book within its means."""

    guards: Literal["increasing", "all"] = "increasing"

    def __init__(self, settings: Settings) -> None:
        self.most = settings.limit

    def limit(self, targets: Array, book: Book) -> Array:
        wanted = np.nansum(np.abs(targets))
        kept = share(np.abs(book.exposure[np.isnan(targets)]).sum(), book)  # NaN: hold, so it cannot be shrunk
        if not np.isfinite(kept):
            return targets  # nothing to scale by; `check` refuses whatever increases
        room = max(0.0, self.most - kept)
        return targets if wanted <= room else targets * (room / wanted)

    def check(self, plan: Plan, book: Book) -> Iterable[Refusal]:
        most = allowed(self.most, book)
        gross = float(np.abs(book.exposure).sum())
        size = np.abs(plan.notional)
        change = np.where(plan.increases, size, -np.nan_to_num(size, posinf=0.0))
        if np.all(gross + np.cumsum(change) <= most):
            return
        for order, (more, increases) in enumerate(zip(change.tolist(), plan.increases.tolist(), strict=True)):
            if not increases or gross + more <= most:
                gross += more
            else:
                yield Refusal(order, TOO_LARGE, self.most, share(gross + more, book))

    def assess(self, book: Book) -> Iterable[Refusal]:
        gross = float(np.abs(book.exposure).sum())
        if gross == 0 or gross <= allowed(self.most, book):
            return []
        return [Refusal(-1, TOO_LARGE, self.most, share(gross, book))]


@hookimpl
def provide_risk_rule(settings: Settings, env: Env) -> MaxGrossExposure:  # noqa: ARG001 - the hook's signature
    """Make the rule."""
    return MaxGrossExposure(settings)
