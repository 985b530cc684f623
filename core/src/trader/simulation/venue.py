"""A venue with one account that trades on bars. In memory, deterministic; time comes with bars and orders.

An order may fill in the first bar of its symbol that starts when the order was decided or later, never in an earlier
one. Each bar is met twice: first every working order at the open, then those that are left at what the bar touched,
each time in the order of submission. See `matching` for prices, `holdings` for money.

* An open fill's time is the bar's start + 1 us, a touch fill's its end; times never go back.
* A symbol without a bar, or whose bar has volume 0, does not trade; volume NaN (not known) sets no limit.
* DAY lives through the bars of one session day (UTC date of the bar's last microsecond), which begins with the first
  bar it may trade in; a bar of a day or longer is a session day. IOC and FOK have that first bar's open. GTC stays.
* What cash, or the position to be sold, does not carry at the moment of the fill is canceled, with the reason.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter

import numpy as np

from trader.errors import DataError, StoreError
from trader.model import (
    Accepted,
    Account,
    Bars,
    CashEvent,
    Fill,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    Outcome,
    Position,
    Rejected,
)
from trader.simulation import checks, record
from trader.simulation.book import Listing, from_money, to_money
from trader.simulation.holdings import Holdings
from trader.simulation.matching import Matcher
from trader.simulation.rows import Layout, Row
from trader.simulation.terms import Terms
from trader.simulation.ticket import BEGINNING, BUY, WORKING, Ticket, Tickets

_time = attrgetter("time")
NO_BAR = -(2**63)


class SimulatedVenue:
    """One account at a simulated venue; the methods are those of `trader.protocols.Broker`.

    `instruments` are the symbols with rules of their own. Any other symbol gets the rules of `template` once bars have
    shown it or somebody asked for them; without a template it is refused. `recorded`: collect `changes` for whoever
    keeps the book on disk.
    """

    def __init__(
        self,
        cash: Decimal,
        currency: str = "USD",
        *,
        terms: Terms | None = None,
        instruments: Iterable[Instrument] = (),
        template: Instrument | None = None,
        account_id: str = "simulated",
        recorded: bool = False,
    ) -> None:
        self.account_id, self.currency, self.terms = account_id, currency, terms or Terms()
        self._rules = {rules.symbol: rules for rules in instruments}
        self._template = template
        self._holdings = Holdings(cash, self.terms)
        self._tickets = Tickets(recorded=recorded)
        self._matcher = Matcher(self._tickets, self._holdings, currency)
        self._listings: dict[str, Listing] = {}
        self._layout = Layout((), [])
        self._events: dict[str, CashEvent] = {}
        self._time, self._last_end = BEGINNING, NO_BAR
        self._forgotten, self._written, self._moved = 0, (0, 0), True

    # ---- orders ------------------------------------------------------------------------------------------------------
    def submit(self, order: OrderRequest) -> Outcome:
        """Accepted with the venue's id, or Rejected; a rejected order leaves no trace, its key stays free."""
        tickets = self._tickets
        if order.key in tickets.by_key:
            return Rejected("duplicate", f"key {order.key} belongs to order {tickets.by_key[order.key].venue_id}")
        listing = self._listings.get(order.symbol) or self._take_up(order.symbol)
        if listing is None:
            return Rejected("symbol", f"{order.symbol} is not traded here")
        steps = checks.read(order, listing, self._layout)
        if not isinstance(steps, tuple):
            return steps
        refused = self._hopeless(order, listing, steps[0])
        if refused is not None:
            return refused
        lots, limit, stop = steps
        venue_id, decided = str(tickets.count + 1), order.decided_at
        sign = 1 if order.side is BUY else -1
        tickets.add(Ticket(venue_id, order, listing, sign, lots, limit, stop, decided))
        if listing.margin:
            self._holdings.levered = True
        if decided > self._time:  # noqa: PLR1730 -- max() is a call, once for every order
            self._time = decided
        return Accepted(venue_id)

    def cancel(self, ref: OrderRef) -> Outcome:
        """Takes effect at once. Rejected("not_found") or Rejected("closed") where there is nothing to cancel."""
        ticket = self._tickets.find(ref)
        if ticket is None:
            return Rejected("not_found", f"no order {ref.venue_id or ref.key}")
        if ticket.state is not WORKING:
            return Rejected("closed", f"order {ticket.venue_id} is {ticket.state}")
        self._tickets.close(ticket, OrderState.CANCELED, "canceled on request", self._time)
        return Accepted(ticket.venue_id)

    def cancel_all(self) -> Outcome:
        """Cancel every working order; Accepted also if there is none."""
        for ticket in list(self._tickets.working.values()):
            self._tickets.close(ticket, OrderState.CANCELED, "canceled on request", self._time)
        return Accepted()

    def _take_up(self, symbol: str, *, shown: bool = False) -> Listing | None:
        """The listing of a symbol not met before. The template's rules serve what was shown, or all before any bar."""
        rules = self._rules.get(symbol)
        if rules is None:
            if self._template is None or not symbol or not (shown or self._last_end == NO_BAR):
                return None
            rules = like(self._template, symbol)
        self._moved = True
        listing = self._listings[symbol] = Listing(rules)
        return listing

    def _hopeless(self, order: OrderRequest, listing: Listing, lots: int) -> Rejected | None:
        """What is certain before a price is known; the rest is settled when the order fills."""
        held, buys = listing.lots, order.side is BUY
        currency = listing.instrument.currency
        if currency != self.currency:
            return Rejected("currency", f"{order.symbol} trades in {currency}, the account has {self.currency}")
        if lots > held and not buys and not self._holdings.shortable(listing):
            has = listing.quantity(held)
            return Rejected("position", f"sells {order.quantity:f}, holds {has:f}; short selling is not allowed")
        if order.reduce_only and not (held < 0 if buys else held > 0):
            return Rejected("reduce_only", f"{listing.quantity(held):f} {order.symbol} is held, nothing to reduce")
        if buys and self._holdings.cash <= 0 and not (self._holdings.levered or self._tickets.sells):
            return Rejected("funds", f"cash is {from_money(self._holdings.cash):f}, and nothing is being sold")
        return None

    # ---- bars --------------------------------------------------------------------------------------------------------
    def on_bars(self, bars: Bars) -> None:
        """Trade on closed bars, rows in time order; rows that end at or before the last end seen are ignored.

        DataError if the rows are not in time order; then none of them was traded on.
        """
        ends = bars.end.astype("datetime64[ns]").astype(np.int64)
        if len(ends) > 1 and not (np.diff(ends) > 0).all():
            raise DataError("bars must come in time order, each end once")
        first = int(np.searchsorted(ends, self._last_end, side="right"))
        if first == len(ends):
            return
        if bars.symbols != self._layout.symbols:
            self._lay_out(bars.symbols)
        layout, holdings = self._layout, self._holdings
        starts, stops = (times.astype("datetime64[us]").tolist() for times in (bars.start, bars.end))
        for index in range(first, len(ends)):
            end = stops[index].replace(tzinfo=UTC)
            if self._tickets.working:
                start = starts[index].replace(tzinfo=UTC)
                if holdings.levered:
                    holdings.mark(self._marks())
                self._matcher.trade(Row(bars, index, layout, start, end, self.terms.participation))
            closes = bars.close[index]
            np.copyto(layout.closes, closes, where=(closes > 0) & (closes < np.inf))
            self._last_end, self._time = int(ends[index]), max(self._time, end)
        self._moved = True

    def _lay_out(self, symbols: tuple[str, ...]) -> None:
        self._layout.dissolve()
        listings = (self._listings.get(symbol) or self._take_up(symbol, shown=True) for symbol in symbols)
        foreign = Instrument("")
        self._layout = Layout(symbols, [listing or Listing(foreign) for listing in listings])

    # ---- questions ---------------------------------------------------------------------------------------------------
    def account(self) -> Account:
        """Equity at the last closes seen; all cash is settled."""
        cash = from_money(self._holdings.cash)
        equity = self._holdings.equity(self._marks())
        return Account(self.account_id, "paper", self.currency, cash, equity, cash, self.terms.shorting, self._time)

    def positions(self) -> Sequence[Position]:
        """What is held, by symbol."""
        held = sorted(self._holdings.held.items())
        return tuple(Position(symbol, listing.quantity(listing.lots), listing.average()) for symbol, listing in held)

    def orders(self) -> Sequence[OrderReport]:
        """The working ones, in the order of submission."""
        return tuple(ticket.report() for ticket in self._tickets.working.values())

    def order(self, ref: OrderRef) -> OrderReport | NotFound:
        """By venue id, else by key; open or closed."""
        ticket = self._tickets.find(ref)
        return ticket.report() if ticket is not None else NotFound(f"no order {ref.venue_id or ref.key}")

    def fills(self, since: datetime) -> Sequence[Fill]:
        """Executions at or after `since`, oldest first; costs what it returns."""
        fills = self._matcher.fills
        return fills[bisect_left(fills, since, key=_time) :]

    def fills_from(self, cursor: int) -> tuple[Sequence[Fill], int]:
        """Executions from number `cursor` on (the first ever is 0), and the cursor for the next question."""
        fills = self._matcher.fills
        return fills[max(cursor - self._forgotten, 0) :], self._forgotten + len(fills)

    def cash_events(self, since: datetime) -> Sequence[CashEvent]:
        """Money that moved without a trade, at or after `since`, oldest first. The opening cash is none."""
        return sorted((event for event in self._events.values() if event.time >= since), key=_time)

    def instruments(self, symbols: Sequence[str] = ()) -> Sequence[Instrument]:
        """The rules of each symbol that is traded here (asked for is taken up); (): of all that are known by now."""
        asked = symbols or sorted(self._rules.keys() | self._listings.keys())
        found = (self._listings.get(symbol) or self._take_up(symbol, shown=True) for symbol in asked)
        return tuple(listing.instrument for listing in found if listing is not None)

    def _marks(self) -> Mapping[str, float]:
        return {symbol: self._layout.mark(listing) for symbol, listing in self._holdings.held.items()}

    # ---- the account's keeper ----------------------------------------------------------------------------------------
    def book_cash(self, event: CashEvent) -> None:
        """Move cash without a trade (a dividend, interest, a transfer), once for each event id."""
        if event.event_id in self._events:
            return
        if event.currency != self.currency:
            raise DataError(f"a cash event in {event.currency}; the account has {self.currency}")
        self._events[event.event_id] = event
        self._holdings.cash += to_money(event.amount)
        self._time, self._moved = max(self._time, event.time), True

    def forget(self, before: datetime) -> None:
        """Drop closed orders and fills older than `before`, to bound memory; their keys would be accepted again."""
        self._tickets.forget(before)
        count = bisect_left(self._matcher.fills, before, key=_time)
        del self._matcher.fills[:count]
        self._forgotten += count

    def changes(self) -> record.Changes:
        """What changed since the last call (needs `recorded=True`): write it in one transaction."""
        orders = [record.order_row(ticket) for ticket in self._tickets.touched.values()]
        fills, count = self.fills_from(self._written[0])
        events = list(self._events.values())[self._written[1] :]
        account = self._account_row() if self._moved else None
        self._tickets.touched, self._moved, self._written = {}, False, (count, len(self._events))
        return record.Changes(orders, list(fills), events, account)

    def _account_row(self) -> record.AccountRow:
        rows = [record.listing_row(listing, self._layout.mark(listing)) for listing in self._listings.values()]
        return record.AccountRow(self.currency, from_money(self._holdings.cash), self._time, self._last_end, rows)

    def restore(
        self,
        account: record.AccountRow | None,
        orders: Iterable[record.OrderRow],
        fills: Iterable[Fill],
        events: Iterable[CashEvent] = (),
    ) -> None:
        """Become the account that the rows describe; for a venue fresh from its constructor. Rows in sequence.

        StoreError if the rules of a symbol changed so that what the rows hold is no whole number of steps.
        """
        if account is not None:
            self._holdings.cash, self._time, self._last_end = to_money(account.cash), account.time, account.last_end
            for row in account.listings:
                listing = self._restored(row.symbol)
                record.resume_listing(listing, row)
                if listing.lots:
                    self._holdings.held[row.symbol] = listing
        for kept in orders:
            ticket = record.resume(kept, self._restored(kept.request.symbol))
            self._tickets.add(ticket)
            self._holdings.levered |= ticket.listing.margin
            self._time = max(self._time, kept.request.decided_at)
        self._matcher.fills = list(fills)
        self._events = {event.event_id: event for event in events}
        self._tickets.touched, self._moved = {}, account is None
        self._written = (len(self._matcher.fills), len(self._events))

    def _restored(self, symbol: str) -> Listing:
        listing = self._listings.get(symbol) or self._take_up(symbol, shown=True)
        if listing is None:
            raise StoreError(f"the book knows {symbol}, this venue does not")
        return listing


def like(template: Instrument, symbol: str) -> Instrument:
    """The template's rules for another symbol."""
    return Instrument(symbol, *(getattr(template, name) for name in template.__struct_fields__[1:]))
