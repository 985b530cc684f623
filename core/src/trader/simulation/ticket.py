"""Orders as the venue keeps them. Prices in ticks, quantities in lots, money as in `book`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

import msgspec

from trader.model import OrderRef, OrderReport, OrderRequest, OrderState, OrderType, Side, TimeInForce
from trader.simulation.book import Listing

# An enum's member costs more to look up than most of the arithmetic here.
BUY: Final = Side.BUY
MARKET, STOP, STOP_LIMIT = OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT
DAY, IOC, FOK = TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK
WORKING, FILLED = OrderState.WORKING, OrderState.FILLED
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Ticket(msgspec.Struct, eq=False, gc=False):
    """One order, as it changes. A struct, since one is made for every order: it costs a third of a class."""

    venue_id: str
    request: OrderRequest
    listing: Listing
    sign: int
    lots: int
    limit: int
    stop: int
    time: datetime
    state: OrderState = WORKING
    reason: str = ""
    filled: int = 0
    fills: int = 0
    notional: int = 0
    fee: int = 0
    triggered: bool = False
    day: date | None = None
    """The session day of its first bar: UTC date of that bar's last microsecond."""

    def report(self) -> OrderReport:
        """As the venue shows it."""
        request = self.request
        return OrderReport(
            request.key,
            self.venue_id,
            request.symbol,
            request.side,
            request.quantity,
            self.listing.quantity(self.filled),
            self.state,
            self.time,
            request.type,
            request.limit_price,
            request.stop_price,
            self.reason,
        )


class Tickets:
    """All orders of the account; `working` in the order of submission."""

    def __init__(self, *, recorded: bool) -> None:
        self.by_key: dict[str, Ticket] = {}
        self._by_id: dict[str, Ticket] = {}
        self.working: dict[str, Ticket] = {}
        self.sells = 0
        """How many of the working ones sell."""
        self.count = 0
        """Orders ever accepted; the newest one's number."""
        self.recorded = recorded
        self.touched: dict[str, Ticket] = {}
        """What changed since it was last written down, if anybody does."""

    def add(self, ticket: Ticket) -> None:
        self.count += 1
        self.by_key[ticket.request.key] = self._by_id[ticket.venue_id] = ticket
        if ticket.state is WORKING:
            self.working[ticket.venue_id] = ticket
            self.sells += ticket.sign < 0
        if self.recorded:
            self.touched[ticket.venue_id] = ticket

    def find(self, ref: OrderRef) -> Ticket | None:
        """By the venue's id if there is one, else by key."""
        return self._by_id.get(ref.venue_id) if ref.venue_id is not None else self.by_key.get(ref.key)

    def touch(self, ticket: Ticket) -> None:
        if self.recorded:
            self.touched[ticket.venue_id] = ticket

    def fill(self, tickets: list[Ticket], time: datetime) -> None:
        """Close what is filled whole and was touched: `close`, for many."""
        working, sells = self.working, 0
        for ticket in tickets:
            ticket.state, ticket.time = FILLED, time
            del working[ticket.venue_id]
            sells += ticket.sign < 0
        self.sells -= sells

    def close(self, ticket: Ticket, state: OrderState, reason: str, time: datetime) -> None:
        ticket.state, ticket.reason, ticket.time = state, reason, time
        del self.working[ticket.venue_id]
        self.sells -= ticket.sign < 0
        if self.recorded:
            self.touched[ticket.venue_id] = ticket

    def forget(self, before: datetime) -> None:
        """Drop what was closed before."""
        for venue_id, ticket in list(self._by_id.items()):
            if ticket.state is not WORKING and ticket.time < before:
                del self._by_id[venue_id], self.by_key[ticket.request.key]
