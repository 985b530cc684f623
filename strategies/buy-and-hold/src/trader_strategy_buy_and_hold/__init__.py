"""Buy and hold: score 1 for everything that is covered. The yardstick for every other strategy."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import Signals
from trader.protocols import Env, History


class Settings(BaseModel):
    """Nothing may stand in [strategies.buy_and_hold]: there is nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BuyAndHold:
    """Wants all symbols, always. Its score never changes, so the balancer `on_signal` buys each symbol once."""

    lookback = 1

    def score(self, history: History) -> Signals:
        return Signals(np.ones(len(history.symbols)))

    def score_panel(self, history: History) -> Signals:
        return Signals(np.where(np.isnan(history.close), np.nan, 1.0))  # NaN: not listed yet


@hookimpl
def provide_strategy(settings: Settings, env: Env) -> BuyAndHold:  # noqa: ARG001 - the hook's signature
    """Make the strategy."""
    return BuyAndHold()
