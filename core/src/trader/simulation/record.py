"""The account's book as rows, so that it survives the process: what changed since it was last asked, and all of it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from trader.errors import StoreError
from trader.model import CashEvent, Fill, OrderRequest, OrderState, Struct
from trader.simulation import checks
from trader.simulation.book import EXACT, Listing, from_money, to_money
from trader.simulation.ticket import Ticket


class OrderRow(Struct, frozen=True):
    """One order as it is now. `seq` is its number at the venue."""

    seq: int
    request: OrderRequest
    state: OrderState
    reason: str
    time: datetime
    filled: Decimal
    fills: int
    notional: Decimal
    fee: Decimal
    triggered: bool
    day: date | None


class ListingRow(Struct, frozen=True):
    """One symbol the account has seen. `cost`: worth of the entries since flat, signed. `mark`: last close."""

    symbol: str
    quantity: Decimal
    cost: Decimal
    mark: float | None


class AccountRow(Struct, frozen=True):
    """Everything else. `last_end`: end of the last bar seen, nanoseconds since 1970 UTC."""

    currency: str
    cash: Decimal
    time: datetime
    last_end: int
    listings: list[ListingRow]


class Changes(Struct, frozen=True):
    """What to write in one transaction: rows to replace by `seq`, facts to append, the account if it moved."""

    orders: list[OrderRow]
    fills: list[Fill]
    events: list[CashEvent]
    account: AccountRow | None

    def __bool__(self) -> bool:
        return bool(self.orders or self.fills or self.events or self.account)


def order_row(order: Ticket) -> OrderRow:
    """The order as it is now."""
    return OrderRow(
        int(order.venue_id),
        order.request,
        order.state,
        order.reason,
        order.time,
        order.listing.quantity(order.filled),
        order.fills,
        from_money(order.notional),
        from_money(order.fee),
        order.triggered,
        order.day,
    )


def listing_row(listing: Listing, mark: float) -> ListingRow:
    """The symbol as it is now. `mark`: last close, NaN before the first."""
    held = listing.quantity(listing.lots)
    return ListingRow(listing.symbol, held, from_money(listing.cost), mark if mark > 0 else None)


def resume_listing(listing: Listing, row: ListingRow) -> None:
    """Put a fresh listing where the row says it was."""
    listing.lots, listing.cost = _lots(listing, row.quantity), to_money(row.cost)
    if row.mark is not None:
        listing.mark = row.mark


def resume(row: OrderRow, listing: Listing) -> Ticket:
    """The ticket as the row describes it. StoreError if a working order breaks the symbol's present rules."""
    steps = checks.read(row.request, listing)
    if not isinstance(steps, tuple):
        if row.state is OrderState.WORKING:
            raise StoreError(
                f"working order {row.seq} of the book breaks the present rules of {listing.symbol}: {steps.reason}",
                todo="Set the rules of the symbol back to what they were.",
            )
        steps = (0, 0, 0)
    ticket = Ticket(str(row.seq), row.request, listing, row.request.side.sign, *steps, row.time, row.state, row.reason)
    ticket.filled, ticket.fills = _lots(listing, row.filled), row.fills
    ticket.notional, ticket.fee = to_money(row.notional), to_money(row.fee)
    ticket.triggered, ticket.day = row.triggered, row.day
    return ticket


def _lots(listing: Listing, quantity: Decimal) -> int:
    lots = int(EXACT.divide_int(quantity, listing.instrument.lot))
    if lots * listing.instrument.lot != quantity:
        raise StoreError(
            f"the book has {quantity:f} {listing.symbol}, which is no multiple of the lot {listing.instrument.lot:f}",
            todo="Set the lot back to what it was.",
        )
    return lots
