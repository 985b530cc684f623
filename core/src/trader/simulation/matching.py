"""When an order fills, and at which price.

The rules, for a buy (a sell is the mirror image):

* market: the open, plus slippage.
* limit: the open if it is at the limit or better, else the limit if the low touches it.
* stop: the open if it is at the stop or beyond, else the stop if the high touches it; plus slippage. What is left of it
  then is a market order, wherever the price goes.
* stop-limit: a limit order from the moment the stop is met. Met at the open, the whole bar counts. Met inside the bar,
  that bar fills it only if it closes at the limit or better, which proves that the market was there after the stop
  was met; the price is then the worst that the limit and the bar allow. Else it waits for the next bar.

A price off the tick is rounded against the trader.
"""

from __future__ import annotations

from datetime import datetime
from math import ceil, floor

from trader.model import ZERO, Fill, OrderState
from trader.simulation.book import from_money
from trader.simulation.holdings import Holdings
from trader.simulation.rows import INSTANT, NEAR, Row
from trader.simulation.slippage import NoSlippage
from trader.simulation.ticket import (
    BEGINNING,
    DAY,
    FILLED,
    FOK,
    IOC,
    MARKET,
    STOP,
    STOP_LIMIT,
    WORKING,
    Ticket,
    Tickets,
)

Price = tuple[float, bool]
"""Ticks, before slippage and rounding, and whether slippage applies."""


def at_open(order: Ticket, opened: float) -> Price | None:
    """The price at the bar's open; None if it does not fill there. Notes a met stop."""
    kind, sign = order.request.type, order.sign
    if kind is MARKET:
        return opened, True
    if kind is STOP:
        if not order.triggered and (opened - order.stop) * sign < -NEAR:
            return None
        order.triggered = True
        return opened, True
    if kind is STOP_LIMIT and not order.triggered:
        if (opened - order.stop) * sign < -NEAR:
            return None
        order.triggered = True
    return (opened, False) if (opened - order.limit) * sign <= NEAR else None


def at_touch(order: Ticket, high: float, low: float, close: float) -> Price | None:
    """The price inside the bar, after its open; None if it does not fill there. Notes a met stop."""
    kind, sign, limit = order.request.type, order.sign, order.limit
    if kind is MARKET or (kind is STOP and order.triggered):
        return None
    beyond, towards = (high, low) if sign > 0 else (low, high)
    if kind is STOP:
        if not (beyond - order.stop) * sign >= -NEAR:
            return None
        order.triggered = True
        return order.stop, True
    if kind is STOP_LIMIT and not order.triggered:
        if not (beyond - order.stop) * sign >= -NEAR:
            return None
        order.triggered = True
        worst = min(limit, high) if sign > 0 else max(limit, low)
        return (worst, False) if (close - limit) * sign <= NEAR else None
    return (limit, False) if (towards - limit) * sign <= NEAR else None


def against(sign: int, ticks: float) -> int:
    """The whole tick that is no better for the trader than `ticks`; at least one tick."""
    whole = ceil(ticks - NEAR) if sign > 0 else floor(ticks + NEAR)
    return whole if whole > 0 else 1


class Matcher:
    """Meets the working orders with the bars and books what fills."""

    def __init__(self, tickets: Tickets, holdings: Holdings, currency: str) -> None:
        self._tickets, self._holdings, self._currency = tickets, holdings, currency
        self._slipped = holdings.terms.slippage.fraction
        self._slips = not isinstance(holdings.terms.slippage, NoSlippage)
        self.fills: list[Fill] = []
        """Every execution, oldest first."""

    def trade(self, row: Row) -> None:
        """All working orders at the open, then those that are left at what the bar touched."""
        latest = self.fills[-1].time if self.fills else BEGINNING
        opened = max(row.start + INSTANT, latest)
        orders = list(self._tickets.working.values())
        if self._holdings.levered or self._slips:
            for order in orders:
                self._meet_open(order, row, opened)
        else:
            self._open_plain(orders, row, opened)
        left = [order for order in self._tickets.working.values() if order.day is not None]
        if left:
            row.look_inside()
            closed = max(row.end, opened)
            for order in left:
                self._meet_touch(order, row, closed)

    def _open_plain(self, orders: list[Ticket], row: Row, time: datetime) -> None:
        """`_meet_open` for each, where the account neither borrows nor slips. Then nearly all are market orders that
        fill whole and at once: these in one loop, because for them the calls cost more than the work."""
        tickets, holdings, currency, append = self._tickets, self._holdings, self._currency, self.fills.append
        start, day, room, opens = row.start, row.day, row.room, row.open
        recorded, filled = tickets.recorded, list[Ticket]()
        try:
            for order in orders:
                request, listing, lots, sign = order.request, order.listing, order.lots, order.sign
                column = listing.column
                if (
                    request.type is MARKET
                    and column >= 0
                    and lots <= room[column]
                    and order.day is None
                    and request.decided_at <= start
                    and (sign < 0 or not request.reduce_only)  # a sale of what is held reduces
                ):
                    ticks = against(sign, opens[column])
                    amount = lots * ticks * listing.unit
                    fee = 0 if holdings.free else holdings.charge(order, lots, ticks)
                    if (amount + fee <= holdings.cash) if sign > 0 else (lots <= listing.lots):
                        room[column] -= lots
                        fee = holdings.fill(order, lots, ticks, amount, fee)
                        key, name, number, paid = request.key, request.symbol, order.venue_id, ZERO
                        order.day, order.filled, order.fills, order.notional = day, lots, 1, amount
                        if fee:
                            order.fee, paid = fee, from_money(fee)
                        price = ticks * listing.instrument.tick
                        append(
                            Fill(
                                number + "-1",
                                key,
                                number,
                                name,
                                request.side,
                                request.quantity,
                                price,
                                paid,
                                time,
                                currency,
                            )
                        )
                        filled.append(order)
                        if recorded:
                            tickets.touch(order)
                        continue
                self._meet_open(order, row, time)
        finally:
            tickets.fill(filled, time)

    def _meet_open(self, order: Ticket, row: Row, time: datetime) -> None:
        if order.day is None:
            column = order.listing.column
            if column < 0 or order.request.decided_at > row.start or not row.trades[column]:
                return
            order.day = row.day
            self._tickets.touch(order)
        elif order.request.time_in_force is DAY and row.day > order.day:
            self._tickets.close(order, OrderState.EXPIRED, "its day is over", order.time)
            return
        else:
            column = order.listing.column
            if column < 0 or not row.trades[column]:
                return
        price = at_open(order, row.open[column])
        if price is not None:
            self._execute(order, row, price, time)
        if order.state is WORKING and order.request.time_in_force in (IOC, FOK):
            self._tickets.close(order, OrderState.EXPIRED, "not filled at once", time)

    def _meet_touch(self, order: Ticket, row: Row, time: datetime) -> None:
        column = order.listing.column
        if column >= 0 and row.trades[column]:
            price = at_touch(order, row.high[column], row.low[column], row.close[column])
            if order.triggered:
                self._tickets.touch(order)
            if price is not None:
                self._execute(order, row, price, time)
        if order.state is WORKING and row.last and order.request.time_in_force is DAY:
            self._tickets.close(order, OrderState.EXPIRED, "its day is over", time)

    def _execute(self, order: Ticket, row: Row, price: Price, time: datetime) -> None:
        """Fill what the bar's volume has room for and the account carries."""
        listing, whole_only = order.listing, order.request.time_in_force is FOK
        column = listing.column
        wanted, room = order.lots - order.filled, row.room[column]
        lots = wanted if wanted <= room else int(room)
        if lots == 0 or (lots < wanted and whole_only):
            return
        ticks, slips = price
        if slips and self._slips:
            ticks *= 1 + order.sign * self._slipped(lots * listing.lot / row.volume[column])
        whole = against(order.sign, ticks)
        granted = self._holdings.granted(order, lots, whole)
        if granted == lots or (granted and not whole_only):
            row.room[column] = room - granted
            charge = self._holdings.charge(order, granted, whole)
            self._fill(order, granted, whole, granted * whole * listing.unit, charge, time)
        if granted < lots:
            bare = order.sign < 0 and not self._holdings.shortable(listing)
            short = "position" if bare or order.request.reduce_only else "funds"
            carried, asked = listing.quantity(granted), listing.quantity(lots)
            reason = f"{short}: the account carries {carried:f} of {asked:f}"
            self._tickets.close(order, OrderState.CANCELED, reason, time)

    def _fill(self, order: Ticket, lots: int, ticks: int, amount: int, fee: int, time: datetime) -> None:
        """Book what was granted, worth `amount` and charged `fee`."""
        listing, request = order.listing, order.request
        fee = self._holdings.fill(order, lots, ticks, amount, fee)
        order.filled += lots
        order.fills += 1
        order.notional += amount
        order.fee += fee
        fill = Fill(
            f"{order.venue_id}-{order.fills}",
            request.key,
            order.venue_id,
            request.symbol,
            request.side,
            request.quantity if lots == order.lots else listing.quantity(lots),
            listing.price(ticks),
            from_money(fee) if fee else ZERO,
            time,
            self._currency,
        )
        self.fills.append(fill)
        if order.filled == order.lots:
            self._tickets.close(order, FILLED, "", time)
        else:
            order.time = time
            self._tickets.touch(order)
