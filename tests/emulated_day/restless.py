"""A strategy that wants something else after each bar, so that there is always an order on its way."""

from __future__ import annotations

from hashlib import blake2b

from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import Weights
from trader.protocols import Env, History


class Settings(BaseModel):
    """What may stand in [strategies.restless]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: float = 0.1
    lowest: int = 0


class Restless:
    """Weights of `lowest` to `lowest` + 3 steps, by a digest of bar and symbol: the same bar, the same wish."""

    lookback = 2

    def __init__(self, step: float, lowest: int) -> None:
        self._step, self._lowest = step, lowest

    def score(self, history: History) -> Weights:
        at = history.time[-1].astype("datetime64[m]").astype(int)
        digests = (blake2b(f"{at}|{symbol}".encode(), digest_size=1).digest()[0] for symbol in history.symbols)
        return Weights([self._step * (self._lowest + digest % 4) for digest in digests])


@hookimpl
def provide_strategy(settings: Settings, env: Env) -> Restless:
    """The strategy."""
    return Restless(settings.step, settings.lowest)
