"""Fills to positions and cash: exact, in `Decimal`, in the order in which they are booked.

Cash-settled: a fill moves cash by quantity x price x multiplier. Margin-settled: cash moves by the profit of what is
closed, (price - average) x quantity x multiplier. Fees are paid in cash. Equity is cash plus, for each position,
quantity x price x multiplier (cash-settled) or quantity x (price - average) x multiplier (margin-settled).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from trader.model import ZERO, CashEvent, Fill, Instrument, Side
from trader.orders.journal import Booking, Holding, fact_key


class Ledger:
    """The positions and the cash of one book, in one currency."""

    def __init__(
        self, currency: str, cash: Decimal, holdings: Iterable[Holding] = (), seen: Iterable[str] = ()
    ) -> None:
        self.currency, self.cash = currency, cash
        self.holdings = {holding.symbol: holding for holding in holdings}
        self.seen = set(seen)
        """Keys of booked facts; the store's primary keys are the last word."""

    def knows(self, fact: Fill | CashEvent) -> bool:
        """Whether it was booked before."""
        return fact_key(fact) in self.seen

    def after_fill(self, fill: Fill, client_id: str | None, instrument: Instrument) -> Booking:
        """Book one fill: the position and the cash after it."""
        held = self.holdings.get(fill.symbol)
        quantity, average, entered, realized = (
            (held.quantity, held.price, held.entry_time, held.realized) if held else (ZERO, ZERO, None, ZERO)
        )
        signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
        after = quantity + signed
        if quantity == 0 or (quantity > 0) is (signed > 0):
            profit = ZERO
            average = (average * quantity + fill.price * signed) / after
            entered = entered if quantity else fill.time
        else:
            closed = min(abs(quantity), abs(signed)).copy_sign(quantity)
            profit = (fill.price - average) * closed * instrument.multiplier
            if after == 0:
                average, entered = ZERO, None
            elif (after > 0) is not (quantity > 0):
                average, entered = fill.price, fill.time
        if instrument.settlement == "cash":
            cash = self.cash - signed * fill.price * instrument.multiplier
        else:
            cash = self.cash + profit
        if fill.fee and fill.fee_currency in ("", self.currency):
            cash -= fill.fee
        holding = Holding(fill.symbol, after, average, entered, realized + profit)
        return self._keep(Booking(fill, client_id, holding, cash))

    def after_event(self, event: CashEvent) -> Booking:
        """Book money that moved without a trade. Another currency than the book's moves nothing here."""
        amount = event.amount if event.currency == self.currency else ZERO
        return self._keep(Booking(event, None, None, self.cash + amount))

    def _keep(self, booking: Booking) -> Booking:
        if booking.holding is not None:
            self.holdings[booking.holding.symbol] = booking.holding
        self.cash = booking.cash
        self.seen.add(fact_key(booking.fact))
        return booking

    def equity(self, prices: Mapping[str, Decimal], instruments: Mapping[str, Instrument]) -> Decimal:
        """Cash plus what is held at `prices` (symbol -> mark). KeyError for a held symbol without a price."""
        total = self.cash
        for symbol, held in self.holdings.items():
            if held.quantity:
                total += value(held, prices[symbol], instruments[symbol])
        return total


def value(held: Holding, price: Decimal, instrument: Instrument) -> Decimal:
    """What a position adds to equity at `price`."""
    basis = ZERO if instrument.settlement == "cash" else held.price
    return held.quantity * (price - basis) * instrument.multiplier
