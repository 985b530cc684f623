"""What the venue charges. A fee object says what an order owes in all after so much of it was filled.

The venue rounds that sum to the currency's quantum (a cent), half up, and charges with each fill what was not charged
before: so a minimum counts once an order, and an order in a hundred parts costs what it costs in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from trader.model import ZERO


class Fee(Protocol):
    """Must not fall while quantity and notional grow, and must be 0 or more."""

    def due(self, quantity: Decimal, notional: Decimal) -> Decimal:
        """What an order owes in all, unrounded, after `quantity` units (> 0) for `notional` (account currency)."""


@dataclass(frozen=True, slots=True)
class NoFee:
    """Trading costs nothing."""

    def due(self, quantity: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 -- the protocol's arguments
        return ZERO


@dataclass(frozen=True, slots=True)
class PerShare:
    """`rate` for each unit, at least `minimum` for each order."""

    rate: Decimal
    minimum: Decimal = ZERO

    def due(self, quantity: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 -- the protocol's arguments
        return max(self.rate * quantity, self.minimum)


@dataclass(frozen=True, slots=True)
class Percentage:
    """`rate` of what was traded, as a fraction: 0.001 is ten basis points."""

    rate: Decimal

    def due(self, quantity: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 -- the protocol's arguments
        return self.rate * notional


@dataclass(frozen=True, slots=True)
class PerOrder:
    """`amount` for each order that is filled, wholly or in part."""

    amount: Decimal

    def due(self, quantity: Decimal, notional: Decimal) -> Decimal:  # noqa: ARG002 -- the protocol's arguments
        return self.amount
