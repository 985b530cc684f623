"""An account's margin: what is held, what it ties up, what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from trader.model import ZERO, OrderReport, Position

MAINTENANCE = Decimal("0.025")
"""Of what is held: below it the venue would liquidate, which is not emulated."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One position, and the orders in its symbol."""

    symbol: str
    quantity: Decimal
    """Signed."""
    entry: Decimal
    mark: Decimal
    leverage: int
    ordered: Decimal = ZERO
    """What open orders may add, in USDT."""

    @property
    def notional(self) -> Decimal:
        """Signed."""
        return self.quantity * self.mark

    @property
    def profit(self) -> Decimal:
        """Not realized yet."""
        return self.quantity * (self.mark - self.entry)

    @property
    def initial(self) -> Decimal:
        """Margin of the position."""
        return abs(self.notional) / self.leverage

    @property
    def of_orders(self) -> Decimal:
        """Margin of the orders."""
        return self.ordered / self.leverage

    @property
    def maintenance(self) -> Decimal:
        """What must not be fallen below."""
        return abs(self.notional) * MAINTENANCE


@dataclass(frozen=True, slots=True)
class Wallet:
    """The account in USDT."""

    cash: Decimal
    holdings: tuple[Holding, ...]

    @property
    def profit(self) -> Decimal:
        """Not realized yet."""
        return sum((each.profit for each in self.holdings), ZERO)

    @property
    def equity(self) -> Decimal:
        """Cash and that profit."""
        return self.cash + self.profit

    @property
    def positions_margin(self) -> Decimal:
        """Initial margin of what is held."""
        return sum((each.initial for each in self.holdings), ZERO)

    @property
    def orders_margin(self) -> Decimal:
        """Initial margin of what is ordered."""
        return sum((each.of_orders for each in self.holdings), ZERO)

    @property
    def maintenance(self) -> Decimal:
        """Maintenance margin of what is held."""
        return sum((each.maintenance for each in self.holdings), ZERO)

    @property
    def available(self) -> Decimal:
        """For new orders."""
        return max(self.equity - self.positions_margin - self.orders_margin, ZERO)


def wallet(
    cash: Decimal, positions: Iterable[Position], orders: Iterable[tuple[OrderReport, bool]],
    marks: Mapping[str, Decimal], leverage: Mapping[str, int],
) -> Wallet:  # fmt: skip
    """`orders`: the open ones, and whether each only reduces; `marks`: the last price of every symbol."""
    held = {position.symbol: position for position in positions}
    adding: dict[str, Decimal] = {}
    for report, reduces in orders:
        price = report.limit_price or report.stop_price or marks[report.symbol]
        if not reduces:
            quantity = held[report.symbol].quantity if report.symbol in held else ZERO
            worth = added(quantity, report.side.sign * (report.quantity - report.filled)) * price
            adding[report.symbol] = adding.get(report.symbol, ZERO) + worth
    holdings = []
    for symbol, mark in marks.items():
        position = held.get(symbol)
        quantity, entry = (position.quantity, position.price) if position else (ZERO, ZERO)
        holdings.append(Holding(symbol, quantity, entry, mark, leverage[symbol], adding.get(symbol, ZERO)))
    return Wallet(cash, tuple(holdings))


def added(held: Decimal, ordered: Decimal) -> Decimal:
    """How many units an order (signed) adds to the exposure of a position (signed), once all of it is filled."""
    return abs(ordered) if held * ordered >= 0 else max(abs(ordered) - abs(held), ZERO)
