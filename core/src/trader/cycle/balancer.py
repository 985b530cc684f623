"""Which differences between target and portfolio are worth a trade.

`Threshold` is the drift band that stops churn; opening and closing ignore it. `OnSignal` trades only when the signal
changes: to open, to close, to turn; what drifts in between is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trader.model import Array


class Balancer(Protocol):
    @property
    def name(self) -> str: ...

    def due(self, target: Array, held: Array) -> NDArray[np.bool_]:
        """(symbols,) True where a trade is due; weights of equity, target NaN: never."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Trade when |target - held| >= the band. `absolute`: share of equity; `relative`: share of the target. With both,
    the wider band counts."""

    absolute: float = 0.0
    relative: float = 0.0
    name: str = "threshold"

    def due(self, target: Array, held: Array) -> NDArray[np.bool_]:
        band = np.maximum(self.absolute, self.relative * np.abs(target))
        drift = np.abs(target - held)
        due: NDArray[np.bool_] = (drift >= band) & (drift > 0)
        due |= (target == 0.0) != (held == 0.0)
        due &= ~np.isnan(target)
        return due


@dataclass(frozen=True, slots=True)
class OnSignal:
    """Trade when the sign of the target is not the sign of what is held."""

    name: str = "on_signal"

    def due(self, target: Array, held: Array) -> NDArray[np.bool_]:
        turned: NDArray[np.bool_] = (np.sign(target) != np.sign(held)) & ~np.isnan(target)
        return turned
