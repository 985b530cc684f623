"""What moves an account behind its orders' back: splits, corrected prices, fees taken out of what was bought.

A simulated venue holds whole lots. What is left over below a lot (dust) is kept here: a position is the venue's lots
plus its dust, and only the lots can be sold.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal, localcontext

from msgspec import structs

from trader.errors import DataError
from trader.model import ZERO, Account, Fill, Instrument, Position
from trader.simulation.book import EXACT, Listing, from_money, to_money
from trader.simulation.venue import SimulatedVenue

Entry = int | Decimal
"""What happened to one symbol: the number of an execution, or the ratio of a split."""


class BackOffice:
    """The keeper's hand in the books of one simulated venue."""

    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue
        # The venue itself knows no other hand than an order's, and should not.
        self._holdings, self._listings = venue._holdings, venue._listings  # noqa: SLF001
        self._dust: dict[str, Decimal] = {}
        """Below one lot, above 0."""
        self._average: dict[str, Decimal] = {}
        """What the dust was bought at."""

    # ---- what is there ---------------------------------------------------------------------------------------------
    @property
    def cash(self) -> Decimal:
        return from_money(self._holdings.cash)

    def account(self) -> Account:
        """With the dust in its equity."""
        account = self._venue.account()
        worth = sum((dust * self._mark(symbol) for symbol, dust in self._dust.items()), ZERO)
        return structs.replace(account, equity=EXACT.add(account.equity, worth)) if worth else account

    def held(self, symbol: str) -> Decimal:
        """Signed units."""
        listing = self._listings.get(symbol)
        lots = ZERO if listing is None or not listing.lots else listing.quantity(listing.lots)
        dust = self._dust.get(symbol)
        return lots if dust is None else EXACT.add(lots, dust)

    def positions(self) -> dict[str, Decimal]:
        """Signed units of what is held, by symbol."""
        return {symbol: self.held(symbol) for symbol in sorted(self._holdings.held.keys() | self._dust.keys())}

    def position(self, symbol: str) -> Position | None:
        """None: flat."""
        quantity = self.held(symbol)
        return Position(symbol, quantity, self._price(symbol)) if quantity else None

    def _price(self, symbol: str) -> Decimal:
        """Average of what is held."""
        listing = self._listings[symbol]
        return listing.average() if listing.lots else self._average[symbol]

    def _mark(self, symbol: str) -> Decimal:
        listing = self._listings[symbol]
        mark = self._venue._layout.mark(listing)  # noqa: SLF001 -- see __init__
        price = Decimal(repr(mark)) if mark > 0 else self._average[symbol]
        return EXACT.multiply(price, listing.instrument.multiplier)

    # ---- what moves it ---------------------------------------------------------------------------------------------
    def take(self, symbol: str, quantity: Decimal) -> Decimal:
        """Take `quantity` units of what is held, at no price; how many it was: never more than there is."""
        held = self.held(symbol)
        taken = min(quantity, max(held, ZERO))
        if taken:
            self._place(self._listings[symbol], EXACT.subtract(held, taken), self._price(symbol))
        return taken

    def split(self, symbol: str, ratio: Decimal) -> None:
        """Each unit becomes `ratio` units, its price falls likewise. A long position may leave dust.

        DataError for a ratio that is not above 0, a margin-settled symbol, or a short position that would leave dust.
        """
        if not (ratio.is_finite() and ratio > 0):
            raise DataError(f"a split of {ratio} for 1")
        listing = self._listings.get(symbol)
        if listing is None:
            return
        if listing.margin:
            raise DataError(f"{symbol} is settled by margin: there is nothing to split")
        held = self.held(symbol)
        if held:
            after = EXACT.multiply(held, ratio)
            if held < 0 and EXACT.remainder(after, listing.instrument.lot):
                raise DataError(f"a split of {ratio} for 1 leaves {after:f} {symbol}, no whole number of lots")
            self._place(listing, after, EXACT.divide(self._price(symbol), ratio))
        listing.mark /= float(ratio)
        if listing.column >= 0:
            self._venue._layout.closes[listing.column] /= float(ratio)  # noqa: SLF001 -- see __init__

    def _place(self, listing: Listing, quantity: Decimal, average: Decimal) -> None:
        """Hold `quantity` units that were bought at `average`."""
        symbol, rules = listing.symbol, listing.instrument
        lots = int(EXACT.divide(quantity, rules.lot).to_integral_value(ROUND_FLOOR, EXACT))
        listing.lots, listing.cost = lots, self._cost(listing, lots, average)
        dust = EXACT.subtract(quantity, listing.quantity(lots))
        if dust:
            self._dust[symbol], self._average[symbol] = dust, average
        else:
            self._dust.pop(symbol, None)
        if lots:
            self._holdings.held[symbol] = listing
        else:
            self._holdings.held.pop(symbol, None)

    def _cost(self, listing: Listing, lots: int, average: Decimal) -> int:
        worth = EXACT.multiply(EXACT.multiply(average, listing.quantity(lots)), listing.instrument.multiplier)
        return to_money(worth)

    def correct(self, symbol: str, history: Sequence[Entry], was: Sequence[Fill], now: Sequence[Fill]) -> None:
        """An execution had another price: cash and average as if it had been so from the beginning.

        `history`: what happened to the symbol, in order; `was` and `now`: all executions by number, before and after.
        """
        listing = self._listings[symbol]
        _, moved = walk(history, was, listing.instrument)
        average, moves = walk(history, now, listing.instrument)
        self._holdings.cash += to_money(EXACT.subtract(moves, moved))
        listing.cost = self._cost(listing, listing.lots, average)
        if symbol in self._average:
            self._average[symbol] = average


def base(symbol: str) -> str:
    """What is bought: "BTC" of "BTC/USDT"; "" where the symbol does not say."""
    return symbol.partition("/")[0] if "/" in symbol else ""


def walk(history: Sequence[Entry], fills: Sequence[Fill], rules: Instrument) -> tuple[Decimal, Decimal]:
    """The average price in the end, and the cash moved without fees, by what happened to one symbol."""
    margin = rules.settlement == "margin"
    quantity = average = flow = ZERO
    with localcontext(EXACT):
        for entry in history:
            if isinstance(entry, Decimal):
                quantity, average = quantity * entry, average / entry
                continue
            fill = fills[entry]
            signed, profit = fill.side.sign * fill.quantity, ZERO
            if quantity * signed >= 0:
                average = (average * quantity + fill.price * signed) / (quantity + signed)
            else:
                closed = quantity if abs(signed) >= abs(quantity) else -signed
                profit = (fill.price - average) * closed
                if closed == quantity:
                    average = fill.price  # of the other side, if it went on there
            flow += (profit if margin else -signed * fill.price) * rules.multiplier
            quantity += signed
            if fill.fee and fill.fee_currency == base(fill.symbol):
                quantity -= fill.fee
    return average, flow
