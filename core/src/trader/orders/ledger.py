"""Fills to positions and cash: exact, in `Decimal`, in the order in which they are booked.

Cash-settled: a fill moves cash by quantity x price x multiplier. Margin-settled: cash moves by the profit of what is
closed, (price - average) x quantity x multiplier. Fees are paid in cash. Equity is cash plus, for each position,
quantity x price x multiplier (cash-settled) or quantity x (price - average) x multiplier (margin-settled).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trader.model import ZERO, CashEvent, Fill, Instrument, Side
from trader.orders.journal import Booking, Holding, fact_key

BUY = Side.BUY
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
MEMORY = timedelta(days=2)
"""Longer than the overlap with which a venue is asked again."""


def after_trade(
    held: Holding, signed: Decimal, price: Decimal, time: datetime, multiplier: Decimal
) -> tuple[Holding, Decimal]:
    """The holding after trading `signed` units at `price`, and the profit of what that closed."""
    quantity = held.quantity
    after = quantity + signed
    if not quantity:
        return Holding(held.symbol, after, price, time, held.realized), ZERO
    if (quantity > ZERO) is (signed > ZERO):
        average = (held.price * quantity + price * signed) / after
        return Holding(held.symbol, after, average, held.entry_time, held.realized), ZERO
    closed = quantity if abs(signed) >= abs(quantity) else -signed
    profit = (price - held.price) * closed * multiplier
    realized = held.realized + profit
    if not after:
        return Holding(held.symbol, after, ZERO, None, realized), profit
    if (after > ZERO) is (quantity > ZERO):
        return Holding(held.symbol, after, held.price, held.entry_time, realized), profit
    return Holding(held.symbol, after, price, time, realized), profit


class Ledger:
    """The positions and the cash of one book, in one currency."""

    def __init__(
        self, currency: str, cash: Decimal, holdings: Iterable[Holding] = (), seen: Iterable[str] = ()
    ) -> None:
        self.currency, self.cash = currency, cash
        self.holdings = {holding.symbol: holding for holding in holdings}
        self.seen = set(seen)
        """Keys of the facts booked in the last days; the store's primary keys are the last word."""
        self._older: set[str] = set()
        self._turn = BEGINNING

    def knows(self, fact: Fill | CashEvent) -> bool:
        """Whether it was booked before."""
        key = fact_key(fact)
        return key in self.seen or key in self._older

    def _remember(self, key: str, time: datetime) -> None:
        """Keys are kept for MEMORY at least and twice that at most: a session runs for years."""
        if time >= self._turn:
            self._older, self.seen, self._turn = self.seen, set(), time + MEMORY
        self.seen.add(key)

    def after_fill(self, fill: Fill, client_id: str | None, instrument: Instrument) -> Booking | None:
        """Book one fill: the position and the cash after it. None if it was booked before."""
        key = fact_key(fill)
        if key in self.seen or key in self._older:
            return None
        held = self.holdings.get(fill.symbol)
        if held is None:
            held = Holding(fill.symbol, ZERO, ZERO, None, ZERO)
        signed = fill.quantity if fill.side is BUY else -fill.quantity
        multiplier = instrument.multiplier
        holding, profit = after_trade(held, signed, fill.price, fill.time, multiplier)
        if instrument.settlement == "cash":
            self.cash -= signed * fill.price * multiplier
        else:
            self.cash += profit
        if fill.fee and fill.fee_currency in ("", self.currency):
            self.cash -= fill.fee
        self.holdings[fill.symbol] = holding
        self._remember(key, fill.time)
        return Booking(fill, client_id, holding, self.cash)

    def after_event(self, event: CashEvent) -> Booking | None:
        """Book money that moved without a trade; None if it was booked before. Another currency moves nothing here."""
        key = fact_key(event)
        if key in self.seen or key in self._older:
            return None
        if event.currency == self.currency:
            self.cash += event.amount
        self._remember(key, event.time)
        return Booking(event, None, None, self.cash)

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
