"""Fills to positions and cash: exact, in `Decimal`, in the order in which they are booked.

Cash-settled: a fill moves cash by quantity x price x multiplier. Margin-settled: cash moves by the profit of what is
closed, (price - average) x quantity x multiplier. Fees are paid in cash, or in what was bought ("BTC" of "BTC/USDT"):
then the position is smaller by the fee. Equity is cash plus, for each position,
quantity x price x multiplier (cash-settled) or quantity x (price - average) x multiplier (margin-settled).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import structs

from trader.model import ZERO, CashEvent, Fill, Instrument, Side
from trader.orders.journal import Booking, Holding, Terms, fact_key

BUY = Side.BUY
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
MEMORY = timedelta(days=2)
"""Longer than the overlap with which a venue is asked again."""
CORRECTION = re.compile(r"(.+)~(\d+)~([0-9.]+)@(-?[0-9.]+)[+-]")
"""What `Ledger.corrected` calls its entries: the execution, the number of the correction, quantity and price now."""


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
    """The positions and the cash of one book, in one currency.

    `apart` and `apart_cash`: what somebody else trades on the account and the book leaves alone.
    """

    def __init__(
        self,
        currency: str,
        cash: Decimal,
        holdings: Iterable[Holding] = (),
        seen: Mapping[str, Terms] | None = None,
        *,
        apart: Mapping[str, Decimal] | None = None,
        apart_cash: Decimal = ZERO,
        revisions: Mapping[str, int] | None = None,
    ) -> None:
        self.currency, self.cash = currency, cash
        self.holdings = {holding.symbol: holding for holding in holdings}
        self.apart, self.apart_cash = dict(apart or {}), apart_cash
        self.seen: dict[str, Terms] = dict(seen or {})
        """The facts booked in the last days, with what a fill said; the store's primary keys are the last word."""
        self.revisions: dict[str, int] = dict(revisions or {})
        """How often the venue changed an execution, by its fact key."""
        self._older: dict[str, Terms] = {}
        self._turn = BEGINNING

    def knows(self, fact: Fill | CashEvent) -> bool:
        """Whether it was booked before."""
        key = fact_key(fact)
        return key in self.seen or key in self._older

    def said(self, fill: Fill) -> Terms:
        """Quantity and price that were booked under this fill's id; None if it is new."""
        key = fact_key(fill)
        return self.seen.get(key) or self._older.get(key)

    def _remember(self, key: str, time: datetime, terms: Terms) -> None:
        """Keys are kept until the newest fill is MEMORY later at least: a session runs for years."""
        if time >= self._turn:
            self._older, self.seen, self._turn = self.seen, {}, time + MEMORY
        self.seen[key] = terms

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
        amount = profit if instrument.settlement == "margin" else -signed * fill.price * multiplier
        if fill.fee:
            if fill.fee_currency in ("", self.currency):
                amount -= fill.fee
            elif fill.fee_currency == base_of(fill.symbol):
                holding, _ = after_trade(holding, -fill.fee, holding.price, fill.time, multiplier)
        self.cash += amount
        self.holdings[fill.symbol] = holding
        self._remember(key, fill.time, (fill.quantity, fill.price))
        return Booking(fill, client_id, holding, self.cash, amount, multiplier)

    def after_foreign(self, fill: Fill, instrument: Instrument) -> Booking | None:
        """Note a trade of somebody else that the book leaves alone; None if it was noted before."""
        if self.knows(fill):
            return None
        signed = fill.quantity if fill.side is BUY else -fill.quantity
        amount = ZERO if instrument.settlement == "margin" else -signed * fill.price * instrument.multiplier
        if fill.fee and fill.fee_currency in ("", self.currency):
            amount -= fill.fee
        elif fill.fee and fill.fee_currency == base_of(fill.symbol):
            signed -= fill.fee
        self.apart[fill.symbol] = self.apart.get(fill.symbol, ZERO) + signed
        self.apart_cash += amount
        self._remember(fact_key(fill), fill.time, (fill.quantity, fill.price))
        return Booking(fill, None, None, self.cash, amount, instrument.multiplier, apart=True)

    def corrected(self, fill: Fill) -> tuple[Fill, Fill] | None:
        """Where the venue shows a booked execution with other terms: the entry that undoes the old one, and the one
        that books the new. Their ids follow from their number and what they say: booked once, however often it is
        shown. None if nothing changed."""
        known = self.said(fill)
        if known is None or known == (fill.quantity, fill.price):
            return None
        other = Side.SELL if fill.side is BUY else BUY
        key = fact_key(fill)
        number = self.revisions[key] = self.revisions.get(key, 0) + 1
        name = f"{fill.execution_id}~{number}~{fill.quantity:f}@{fill.price:f}"
        undo = structs.replace(fill, execution_id=f"{name}-", side=other, quantity=known[0], price=known[1], fee=ZERO)
        anew = structs.replace(fill, execution_id=f"{name}+", fee=ZERO)
        self._remember(key, fill.time, (fill.quantity, fill.price))
        return undo, anew

    def after_event(self, event: CashEvent) -> Booking | None:
        """Book money that moved without a trade; None if it was booked before. Another currency moves nothing here."""
        key = fact_key(event)
        if key in self.seen or key in self._older:
            return None
        amount = event.amount if event.currency == self.currency else ZERO
        self.cash += amount
        self.seen[key] = None  # what is forgotten follows the fills, as the moment does from which the venue is asked
        return Booking(event, None, None, self.cash, amount)

    def expected(self) -> dict[str, Decimal]:
        """What the account must hold: signed units by symbol, flat ones left out."""
        total = {symbol: held.quantity for symbol, held in self.holdings.items()}
        for symbol, units in self.apart.items():
            total[symbol] = total.get(symbol, ZERO) + units
        return {symbol: units for symbol, units in total.items() if units}

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


def fee_of(fill: Fill, currency: str) -> Decimal:
    """A fee in the book's currency, one in what was traded at the fill's price; zero for a third currency, which the
    book does not pay from."""
    if fill.fee_currency in ("", currency):
        return fill.fee
    return fill.fee * fill.price if fill.fee_currency == base_of(fill.symbol) else ZERO


def base_of(symbol: str) -> str:
    """What a pair trades: "BTC" of "BTC/USDT"; nothing for a symbol that is no pair."""
    base, slash, _ = symbol.partition("/")
    return base if slash else ""
