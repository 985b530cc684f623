"""Mean reversion: long what fell below its average, short what rose above it.

    z     = (close - average) / standard deviation          over the last `lookback` closes
    score = clip(-z / full_at, -1, 1)  where |z| >= entry,  else 0 (be flat)

Cheap is positive. Measured in standard deviations, a calm and a wild symbol are scored alike.
"""

from __future__ import annotations

from math import sqrt
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from trader.hookspecs import hookimpl
from trader.model import Array, Signals
from trader.protocols import Env, History


class Settings(BaseModel):
    """What may stand in [strategies.mean_reversion]."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lookback: int = Field(default=20, ge=3, le=10_000, description="Closes in the average.")
    entry: float = Field(default=1.0, ge=0, description="|z| below this is noise: be flat.")
    full_at: float = Field(default=2.0, gt=0, description="The |z| at which the score is 1; at least `entry`.")

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.entry > self.full_at:
            raise ValueError(f"entry must be at most full_at; was entry = {self.entry}, full_at = {self.full_at}")
        largest = sqrt(self.lookback - 1)  # the last of n numbers is at most sqrt(n - 1) deviations from their mean
        if self.entry >= largest:
            raise ValueError(
                f"entry must be below {largest:.2f}, the largest |z| that {self.lookback} closes can have;"
                f" was {self.entry}"
            )
        return self


class MeanReversion:
    """Scores how far the last close is from its average."""

    def __init__(self, settings: Settings) -> None:
        self.entry, self.full_at = settings.entry, settings.full_at
        self.lookback = settings.lookback

    def score(self, history: History) -> Signals:
        score, z = self._measure(history.close)
        return Signals(score[-1], why={"z": z[-1]})

    def score_panel(self, history: History) -> Signals:
        score, z = (_from_row_0(values, len(history)) for values in self._measure(history.close))
        return Signals(score, why={"z": z})

    def _measure(self, close: Array) -> tuple[Array, Array]:
        """(time, symbols) closes -> score and z, at each row that has `lookback` rows."""
        z = z_score(close, self.lookback)
        return np.where(np.abs(z) < self.entry, 0.0, np.clip(-z / self.full_at, -1, 1)), z


def z_score(close: Array, window: int) -> Array:
    """(time, symbols) -> (time - window + 1, symbols): the last of each `window` rows, in standard deviations from
    their mean; 0 where the price stood still.

    Distances are taken from the last close: where the price stood still they are exactly 0, with no rounding that could
    look like a move. Rows are added oldest first, so that one window and a whole panel agree to the last bit.
    """
    rows = max(0, len(close) - window + 1)
    last = close[window - 1 :]
    mean, variance = np.zeros_like(last), np.zeros_like(last)
    for first in range(window):
        mean += (close[first : first + rows] - last) / window
    for first in range(window):
        variance += (close[first : first + rows] - last - mean) ** 2 / window
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance == 0, 0.0, -mean / np.sqrt(variance))


def _from_row_0(values: Array, rows: int) -> Array:
    """`values` as the last of `rows` rows; NaN above, where there are too few bars for a score."""
    return np.vstack([np.full((rows - len(values), values.shape[1]), np.nan), values])


@hookimpl
def provide_strategy(settings: Settings, env: Env) -> MeanReversion:  # noqa: ARG001 - the hook's signature
    """Make the strategy."""
    return MeanReversion(settings)
