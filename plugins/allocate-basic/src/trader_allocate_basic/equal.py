"""The same weight for every symbol with an opinion: w = sign(score) / number of them."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import Array, Signals
from trader.protocols import Env, History

from trader_allocate_basic.shares import shares


class Settings(BaseModel):
    """Nothing may stand in [allocators.equal]: there is nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Equal:
    """Takes the direction from the score and nothing else."""

    lookback = 0

    def allocate(self, signals: Signals, history: History, held: Array) -> Array:  # noqa: ARG002 - scores say it all
        return shares(signals.score, np.ones(len(history.symbols)))


@hookimpl
def provide_allocator(settings: Settings, env: Env) -> Equal:  # noqa: ARG001 - the hook's signature
    """Make the allocator."""
    return Equal()
