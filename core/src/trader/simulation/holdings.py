"""The simulated account's money: cash, what is held, and what it can still pay for. Counts as in `book`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trader.simulation.book import EXACT, SCALE, Listing, from_money, to_money
from trader.simulation.fees import NoFee, in_quanta
from trader.simulation.terms import Terms
from trader.simulation.ticket import Ticket


class Holdings:
    """Cash and positions of one account, and the one place that moves them."""

    def __init__(self, cash: Decimal, terms: Terms) -> None:
        self.cash = to_money(cash)
        self.terms = terms
        self.held: dict[str, Listing] = {}
        self.levered = terms.shorting
        """Whether exposure can exceed cash, so that coverage must be watched: shorts, or a margin-settled order."""
        self._gross = self._net = 0
        self.free = isinstance(terms.fee, NoFee)
        self._due = in_quanta(terms.fee, terms.quantum)
        self._quantum = to_money(terms.quantum)
        self._leverage = to_money(terms.leverage)

    def mark(self, prices: Mapping[str, float]) -> None:
        """Value what is held at the last closes, once a bar; only a levered account asks."""
        self._gross = self._net = 0
        for listing in self.held.values():
            price = prices[listing.symbol]
            average = listing.cost // (listing.lots * listing.unit)
            listing.mark_ticks = round(price / listing.tick) if price > 0 else average
            self._count(listing, 1)

    def _count(self, listing: Listing, times: int) -> None:
        self._gross += times * abs(listing.lots) * listing.mark_ticks * listing.unit
        self._net += times * listing.worth()

    def shortable(self, listing: Listing) -> bool:
        return self.terms.shorting and listing.instrument.shortable

    def charge(self, order: Ticket, lots: int, ticks: int) -> int:
        """What this fill adds to the order's fee, as money."""
        if self.free:
            return 0
        listing = order.listing
        due = self._due(listing, order.filled + lots, order.notional + lots * ticks * listing.unit)
        charge = due * self._quantum - order.fee
        return max(0, charge)

    def granted(self, order: Ticket, lots: int, ticks: int) -> int:
        """How many of `lots` the account can carry at this price: all, some, or none."""
        listing, sign = order.listing, order.sign
        if not self.levered and not order.request.reduce_only:  # nearly all: quick
            if sign < 0:
                return lots if lots <= listing.lots else max(listing.lots, 0)
            if lots * ticks * listing.unit + self.charge(order, lots, ticks) <= self.cash:
                return lots
        if sign < 0 and not self.shortable(listing):
            lots = min(lots, max(listing.lots, 0))
        if order.request.reduce_only:
            lots = min(lots, max(-sign * listing.lots, 0))
        if self._carries(order, lots, ticks):
            return lots
        low, high = 0, lots
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._carries(order, middle, ticks) else (low, middle)
        return low

    def _carries(self, order: Ticket, lots: int, ticks: int) -> bool:
        """Monotone in `lots`: cash pays for a cash-settled buy, equity covers what adds exposure."""
        listing, sign = order.listing, order.sign
        held = listing.lots
        if held * sign < 0 and lots <= abs(held):
            return True  # reducing is always possible
        amount = lots * ticks * listing.unit
        fee = self.charge(order, lots, ticks)
        if sign > 0 and not listing.margin and amount + fee > self.cash:
            return False
        if not self.levered:
            return True
        gross = self._gross - abs(held) * listing.mark_ticks * listing.unit
        gross += abs(held + sign * lots) * ticks * listing.unit
        gain = held * (ticks - listing.mark_ticks) * listing.unit
        return gross * 10**SCALE <= (self.cash + self._net + gain - fee) * self._leverage

    def fill(self, order: Ticket, lots: int, ticks: int, amount: int, fee: int) -> int:
        """Book one fill, worth `amount`; the fee charged. A sale's fee never exceeds what cash and proceeds pay."""
        listing, levered = order.listing, self.levered
        if levered:
            self._count(listing, -1)
            listing.mark_ticks = ticks
        self.cash += listing.book(order.sign, lots, amount)
        if levered:
            self._count(listing, 1)
        elif fee > self.cash and order.sign < 0:
            fee = max(self.cash // self._quantum * self._quantum, 0)
        if fee:
            self.cash -= fee
        if listing.lots:
            self.held[listing.symbol] = listing
        else:
            del self.held[listing.symbol]
        return fee

    def equity(self, prices: Mapping[str, float]) -> Decimal:
        """Cash plus what is held at `prices`, taken as the decimals that the floats print as; else at the average."""
        total = from_money(self.cash)
        for listing in self.held.values():
            price = prices[listing.symbol]
            total = EXACT.add(total, listing.value(Decimal(repr(price)) if price > 0 else listing.average()))
        return total
