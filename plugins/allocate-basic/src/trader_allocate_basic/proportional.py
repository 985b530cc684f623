"""Weights in proportion to the scores: w = score / sum |score|."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import Array, Signals
from trader.protocols import Env, History

from trader_allocate_basic.shares import shares


class Settings(BaseModel):
    """Nothing may stand in [allocators.proportional]: there is nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Proportional:
    """Twice the score, twice the weight. Everything that may be invested is invested, however weak the scores."""

    lookback = 0

    def allocate(self, signals: Signals, history: History, held: Array) -> Array:  # noqa: ARG002 - scores say it all
        score = np.broadcast_to(np.asarray(signals.score, dtype=np.float64), len(history.symbols))
        return shares(score, np.nan_to_num(np.abs(score)))


@hookimpl
def provide_allocator(settings: Settings, env: Env) -> Proportional:  # noqa: ARG001 - the hook's signature
    """Make the allocator."""
    return Proportional()
