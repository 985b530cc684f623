"""Cross-sectional momentum: hold the symbols with the best past return, the very latest bars left out.

    return = close[skip bars ago] / close[lookback bars ago] - 1
    score  = 1 for the best, then 1 - 1/n, 1 - 2/n, ... 1/n for the n best;  0 (be flat) for all others

n is `top` of the symbols that have a return, rounded, at least 1. Past winners tend to go on winning (N. Jegadeesh
and S. Titman, Journal of Finance 48, 1993); what rose in the very last weeks tends to fall back a little first
(N. Jegadeesh, Journal of Finance 45, 1990), so these are left out.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from trader.hookspecs import hookimpl
from trader.model import Array, Signals
from trader.protocols import Env, History


class Settings(BaseModel):
    """What may stand in [strategies.momentum]."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lookback: int = Field(default=252, ge=1, le=10_000, description="The return begins this many bars ago.")
    skip: int = Field(default=21, ge=0, description="The return ends this many bars ago; less than `lookback`.")
    top: float = Field(default=0.3, gt=0, le=1, description="The fraction of the symbols that is held.")

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.skip >= self.lookback:
            raise ValueError(f"skip must be less than lookback; was skip = {self.skip}, lookback = {self.lookback}")
        return self


class Momentum:
    """Scores the rank of each symbol's past return."""

    def __init__(self, settings: Settings) -> None:
        self.skip, self.top = settings.skip, settings.top
        self.lookback = settings.lookback + 1  # closes: the first of them is `lookback` bars before the last

    def score(self, history: History) -> Signals:
        score, past = self._measure(history.close)
        return Signals(score[-1], why={"return": past[-1]})

    def score_panel(self, history: History) -> Signals:
        score, past = (_from_row_0(values, len(history)) for values in self._measure(history.close))
        return Signals(score, why={"return": past})

    def _measure(self, close: Array) -> tuple[Array, Array]:
        """(time, symbols) closes -> score and past return, at each row that has `lookback` rows."""
        rows = max(0, len(close) - self.lookback + 1)
        begin, end = close[:rows], close[self.lookback - 1 - self.skip :][:rows]
        past = end / begin - 1
        return rank_score(past, self.top), past


def rank_score(values: Array, top: float) -> Array:
    """(time, symbols) -> 1 for the greatest of each row, falling evenly to 0 after the `top` fraction; NaN stays NaN.

    Of equal values the one that stands further left ranks higher.
    """
    known = np.isfinite(values)
    best_first = np.argsort(-values, axis=1, kind="stable")  # NaN is sorted last
    rank = np.argsort(best_first, axis=1)  # 0 is the best
    held = np.maximum(1, np.rint(top * known.sum(axis=1, keepdims=True)))
    return np.where(known, np.maximum(0, 1 - rank / held), np.nan)


def _from_row_0(values: Array, rows: int) -> Array:
    """`values` as the last of `rows` rows; NaN above, where there are too few bars for a score."""
    return np.vstack([np.full((rows - len(values), values.shape[1]), np.nan), values])


@hookimpl
def provide_strategy(settings: Settings, env: Env) -> Momentum:  # noqa: ARG001 - the hook's signature
    """Make the strategy."""
    return Momentum(settings)
