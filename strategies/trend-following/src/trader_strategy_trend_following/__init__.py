"""Trend following: long where a fast average of the close is above a slow one, short where it is below.

    gap   = fast / slow - 1
    noise = volatility * sqrt((slow bars - fast bars) / 2)
    score = clip(gap / (full_at * noise), -1, 1)

The centres of the two averages lie (slow - fast) / 2 bars apart, and by chance alone a price wanders volatility *
sqrt(bars). So the gap counts in units of what chance makes of it: a quiet and a wild symbol are scored alike.
Volatility is the root mean square of the last `slow` returns, their mean taken as 0.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from trader.hookspecs import hookimpl
from trader.model import Array, Signals
from trader.protocols import Env, History


class Settings(BaseModel):
    """What may stand in [strategies.trend_following]."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fast: int = Field(default=20, ge=1, le=10_000, description="Bars in the fast average.")
    slow: int = Field(default=100, ge=2, le=10_000, description="Bars in the slow average; more than `fast`.")
    full_at: float = Field(default=1.5, gt=0, description="The gap, in units of noise, at which the score is 1.")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            raise ValueError(f"fast must be less than slow; was fast = {self.fast}, slow = {self.slow}")
        return self


class TrendFollowing:
    """Scores the gap between two averages of the close."""

    def __init__(self, settings: Settings) -> None:
        self.fast, self.slow, self.full_at = settings.fast, settings.slow, settings.full_at
        self.lookback = settings.slow + 1  # closes, for `slow` returns

    def score(self, history: History) -> Signals:
        score, fast, slow = self._measure(history.close)
        return Signals(score[-1], why={"fast": fast[-1], "slow": slow[-1]})

    def score_panel(self, history: History) -> Signals:
        score, fast, slow = (_from_row_0(values, len(history)) for values in self._measure(history.close))
        return Signals(score, why={"fast": fast, "slow": slow})

    def _measure(self, close: Array) -> tuple[Array, Array, Array]:
        """(time, symbols) closes -> score, fast and slow average, at each row that has `lookback` rows."""
        fast = rolling_mean(close[self.slow - self.fast + 1 :], self.fast)
        slow = rolling_mean(close[1:], self.slow)
        returns = close[1:] / close[:-1] - 1
        volatility = np.sqrt(rolling_mean(returns**2, self.slow))
        noise = volatility * np.sqrt((self.slow - self.fast) / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.clip((fast / slow - 1) / (self.full_at * noise), -1, 1)
        return np.where(noise == 0, 0.0, score), fast, slow  # a price that stands still has no trend


def rolling_mean(values: Array, window: int) -> Array:
    """(time, symbols) -> (time - window + 1, symbols): the mean of each `window` rows.

    The rows are added one after the other, oldest first, so that one window and a whole panel agree to the last bit.
    """
    rows = max(0, len(values) - window + 1)
    total = np.zeros((rows, values.shape[1]))
    for first in range(window):
        total += values[first : first + rows]
    return total / window


def _from_row_0(values: Array, rows: int) -> Array:
    """`values` as the last of `rows` rows; NaN above, where there are too few bars for a score."""
    return np.vstack([np.full((rows - len(values), values.shape[1]), np.nan), values])


@hookimpl
def provide_strategy(settings: Settings, env: Env) -> TrendFollowing:  # noqa: ARG001 - the hook's signature
    """Make the strategy."""
    return TrendFollowing(settings)
