"""What the simulated account holds: cash and positions, in whole steps.

Inside, a quantity is a count of lots, a price a count of ticks, money a count of 10^-18: Python integers, exact and
quick. One lot times one tick is `unit` of money. `Decimal` is made where something leaves.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from trader.errors import SettingsError
from trader.model import ZERO, Instrument

SCALE: Final = 18
EXACT: Final = Context(prec=100)
HUNDREDTH: Final = Decimal("0.01")
CENT: Final = 10 ** (SCALE - 2)


def to_money(amount: Decimal) -> int:
    """Decimal -> count of 10^-18, rounded half up below that."""
    return int(EXACT.scaleb(amount, SCALE).to_integral_value(ROUND_HALF_UP, EXACT))


def from_money(money: int) -> Decimal:
    """Count of 10^-18 -> Decimal, without superfluous zeros but with two digits at least."""
    if not money:
        return ZERO
    cents, rest = divmod(money, CENT)
    if rest:
        return EXACT.normalize(EXACT.scaleb(Decimal(money), -SCALE))
    return EXACT.multiply(cents, HUNDREDTH)


class Listing:
    """One symbol as the account sees it: its instrument and what is held of it."""

    __slots__ = (
        "column", "cost", "instrument", "lot", "lots", "margin", "mark", "mark_ticks", "ratio", "symbol", "tick",
        "unit", "units",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        self.instrument, self.symbol = instrument, instrument.symbol
        step = EXACT.multiply(EXACT.multiply(instrument.lot, instrument.tick), instrument.multiplier)
        if not (instrument.lot > 0 and instrument.tick > 0 and instrument.multiplier > 0 and step.is_finite()):
            raise SettingsError(f"{self.symbol}: lot, tick and multiplier must be above 0")
        self.unit = to_money(step)
        if from_money(self.unit) != step:
            raise SettingsError(
                f"{self.symbol}: lot x tick x multiplier is {step:f}; the venue counts money in steps of 10^-{SCALE}",
                todo="Use coarser steps.",
            )
        self.units = instrument.lot == 1
        self.tick, self.lot = float(instrument.tick), float(instrument.lot)
        self.ratio = instrument.lot.as_integer_ratio()
        """The lot, exact: (numerator, denominator)."""
        self.margin = instrument.settlement == "margin"
        self.lots = 0
        """Signed."""
        self.cost = 0
        """Money that the entries since flat were worth; signed like `lots`."""
        self.mark = float("nan")
        """Last close seen, while no bars are laid out with it (see `Layout`)."""
        self.mark_ticks = 0
        self.column = -1

    def quantity(self, lots: int) -> Decimal:
        return lots * self.instrument.lot

    def price(self, ticks: int) -> Decimal:
        return ticks * self.instrument.tick

    def average(self) -> Decimal:
        """Average price of the entries since flat."""
        return EXACT.divide(from_money(self.cost), self.quantity(self.lots) * self.instrument.multiplier)

    def value(self, price: Decimal) -> Decimal:
        """What the position adds to equity at `price`."""
        worth = self.quantity(self.lots) * price * self.instrument.multiplier
        return worth - from_money(self.cost) if self.margin else worth

    def worth(self) -> int:
        """The same at `mark_ticks`, as money."""
        worth = self.lots * self.mark_ticks * self.unit
        return worth - self.cost if self.margin else worth

    def book(self, sign: int, lots: int, amount: int) -> int:
        """Move the position by a fill worth `amount`; the money that cash moves by, without the fee."""
        held = self.lots
        self.lots = held + sign * lots
        moved = amount if sign > 0 else -amount
        if held * sign >= 0:
            self.cost += moved
            return 0 if self.margin else -moved
        size = abs(held)
        closed = lots if lots < size else size  # noqa: FURB136 -- min() costs as much as all the rest here
        released = self.cost if closed == size else _share(self.cost, closed, size)
        self.cost = self.cost - released if lots <= size else sign * (amount // lots) * (lots - closed)
        return -sign * (amount // lots) * closed - released if self.margin else -moved


def _share(money: int, part: int, whole: int) -> int:
    """money x part / whole to the nearest 10^-18, halves away from zero; only an average can need it."""
    size = (2 * abs(money) * part + whole) // (2 * whole)
    return size if money >= 0 else -size
