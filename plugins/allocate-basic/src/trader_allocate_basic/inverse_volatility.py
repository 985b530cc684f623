"""Less weight for what moves more: |w| in proportion to 1 / volatility, the direction from the score.

Volatility is the root mean square of the last `lookback` returns. Their mean is taken as 0: over a few weeks it is
mostly chance. Carried bars, which are not real ones, are left out: they would make a symbol look calmer than it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from trader.hookspecs import hookimpl
from trader.model import Array, Signals
from trader.protocols import Env, History

from trader_allocate_basic.shares import shares


class Settings(BaseModel):
    """What may stand in [allocators.inverse_volatility]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lookback: int = Field(default=20, ge=2, le=10_000, description="Returns that the volatility is taken from.")


class InverseVolatility:
    """Lets each symbol move the book by about as much as every other one."""

    def __init__(self, settings: Settings) -> None:
        self.lookback = settings.lookback + 1  # closes, for `lookback` returns

    def allocate(self, signals: Signals, history: History, held: Array) -> Array:  # noqa: ARG002 - no matter what is held
        return shares(signals.score, calmness(volatility(history.close, history.traded)))


def volatility(close: Array, traded: NDArray[np.bool_]) -> Array:
    """(time, symbols) closes -> (symbols,) root mean square of the real bars' returns; NaN without any."""
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.where(traded[1:], (close[1:] / close[:-1] - 1) ** 2, 0.0)
        mean: Array = squares.sum(axis=0) / traded[1:].sum(axis=0)
    return np.sqrt(mean)


def calmness(volatility: Array) -> Array:
    """(symbols,) 1 for the calmest symbol, 1/2 for one that moves twice as much.

    A volatility of 0 or one that is not known says nothing about the risk: such a symbol counts as the wildest of those
    that are known. Where none is known, all count alike.
    """
    known = np.isfinite(volatility) & (volatility > 0)
    if not known.any():
        return np.ones(len(volatility))
    assumed: Array = np.where(known, volatility, volatility[known].max())
    calm: Array = assumed.min() / assumed
    return calm


@hookimpl
def provide_allocator(settings: Settings, env: Env) -> InverseVolatility:  # noqa: ARG001 - the hook's signature
    """Make the allocator."""
    return InverseVolatility(settings)
