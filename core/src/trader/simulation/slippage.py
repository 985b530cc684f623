"""How far a market or stop order is filled beyond the price that the bar shows. Limit orders do not slip.

A slippage object answers with a fraction of the price, 0 or more; the venue moves the price against the trader by it
and rounds to the tick, against the trader again. The result may lie outside the bar's low and high: the bar did not
see our order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Slippage(Protocol):
    """Deterministic: the same share, the same answer."""

    def fraction(self, share: float) -> float:
        """Of the price, >= 0. `share`: this fill's units / the bar's volume, 0 where the volume is not known."""


@dataclass(frozen=True, slots=True)
class NoSlippage:
    """Filled at the price that the bar shows."""

    def fraction(self, share: float) -> float:  # noqa: ARG002 -- the protocol's argument
        return 0.0


@dataclass(frozen=True, slots=True)
class Fraction:
    """The same `bps` basis points (1/10,000) for every fill: half a typical spread."""

    bps: float

    def fraction(self, share: float) -> float:  # noqa: ARG002 -- the protocol's argument
        return self.bps / 10_000


@dataclass(frozen=True, slots=True)
class VolumeShare:
    """`impact` x the square of the fill's share of the bar's volume: a small order goes unseen, a large one costs."""

    impact: float = 0.1

    def fraction(self, share: float) -> float:
        return self.impact * share * share
