"""Wants something else every few bars, so that there is always an order on its way. The same bar, the same wish."""

from __future__ import annotations

from hashlib import blake2b

from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import Weights
from trader.protocols import Env, History

STEP = 0.08
HOLDS = 4
"""So many minutes a wish holds: an order needs two to fill."""


class Settings(BaseModel):
    """What may stand in [strategies.restless]."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Restless:
    """Weights of 0 to 3 steps, by the digest of the bar's time and the symbol."""

    lookback = 1

    def score(self, history: History) -> Weights:
        at = history.time[-1].astype("datetime64[m]").astype(int) // HOLDS
        digests = (blake2b(f"{at}|{symbol}".encode(), digest_size=1).digest()[0] for symbol in history.symbols)
        return Weights([STEP * (digest % 4) for digest in digests])


@hookimpl
def provide_strategy(settings: Settings, env: Env) -> Restless:
    """The strategy."""
    return Restless()
