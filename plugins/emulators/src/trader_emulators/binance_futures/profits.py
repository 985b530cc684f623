"""What each execution realized: its profit against the average price of what it closed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trader.model import ZERO, Fill


class Profits:
    """Follows the executions in their order; an execution that is corrected later keeps its profit."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Decimal, Decimal]] = {}
        self._of: list[Decimal] = []
        self._number: dict[str, int] = {}

    def of(self, fill: Fill, fills: Sequence[Fill]) -> Decimal:
        """In USDT, without the fee. `fills`: all executions, oldest first."""
        for number in range(len(self._of), len(fills)):
            self._number[fills[number].execution_id] = number
            self._of.append(self._book(fills[number]))
        return self._of[self._number[fill.execution_id]]

    def held(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Signed units and the average price, after the executions that were asked about."""
        quantity, average = self._held.get(symbol, (ZERO, ZERO))
        return (quantity, average) if quantity else (ZERO, ZERO)

    def _book(self, fill: Fill) -> Decimal:
        quantity, average = self._held.get(fill.symbol, (ZERO, ZERO))
        signed = fill.side.sign * fill.quantity
        if quantity * signed >= 0:
            worth = quantity * average + signed * fill.price
            self._held[fill.symbol] = (quantity + signed, worth / (quantity + signed))
            return ZERO
        closed = -signed if abs(signed) <= abs(quantity) else quantity
        left = quantity + signed
        self._held[fill.symbol] = (left, average if quantity * left >= 0 else fill.price)
        return (fill.price - average) * closed
