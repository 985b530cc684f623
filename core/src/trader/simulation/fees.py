"""What the venue charges. A fee object says what an order owes in all after so much of it was filled.

The venue rounds that sum to the currency's quantum (a cent), half up, and charges with each fill what was not charged
before: so a minimum counts once an order, and an order in a hundred parts costs what it costs in one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Protocol, TypeAlias

from trader.model import ZERO
from trader.simulation.book import EXACT, SCALE, Listing

Quanta: TypeAlias = Callable[[Listing, int, int], int]
"""(listing, lots, notional as money) -> what an order owes in all, in quanta."""


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


def in_quanta(fee: Fee, quantum: Decimal) -> Quanta:
    """`fee.due` / `quantum`, rounded half up: in whole numbers for the fees above, which every fill asks for."""
    if type(fee) is Percentage:
        part, whole = (Fraction(fee.rate) / Fraction(quantum) / 10**SCALE).as_integer_ratio()
        return lambda _listing, _lots, notional: _half_up(part * notional, whole)
    if type(fee) is PerShare:
        part, whole = (Fraction(fee.rate) / Fraction(quantum)).as_integer_ratio()
        least = _half_up(*(Fraction(fee.minimum) / Fraction(quantum)).as_integer_ratio())
        return lambda listing, lots, _notional: max(
            _half_up(part * lots * listing.ratio[0], whole * listing.ratio[1]), least
        )
    if type(fee) is PerOrder:
        due = _half_up(*(Fraction(fee.amount) / Fraction(quantum)).as_integer_ratio())
        return lambda _listing, _lots, _notional: due

    def general(listing: Listing, lots: int, notional: int) -> int:
        due = fee.due(listing.quantity(lots), EXACT.scaleb(Decimal(notional), -SCALE))
        return int(EXACT.divide(due, quantum).to_integral_value(ROUND_HALF_UP, EXACT))

    return general


def _half_up(part: int, whole: int) -> int:
    """part / whole to the nearest whole number, halves up."""
    return (2 * part + whole) // (2 * whole)
