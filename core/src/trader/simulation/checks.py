"""What the venue refuses at once: orders that no market could make right."""

from __future__ import annotations

from decimal import Decimal

from trader.model import ZERO, OrderRequest, OrderType, Rejected
from trader.simulation.book import EXACT, Listing
from trader.simulation.rows import Layout
from trader.simulation.ticket import FOK, IOC, MARKET, STOP, STOP_LIMIT

Steps = tuple[int, int, int]
"""An order's quantity in lots, its limit and stop in ticks; 0 where it has none."""


def read(order: OrderRequest, listing: Listing, layout: Layout | None = None) -> Steps | Rejected:
    """The order in lots and ticks, or why the instrument's rules forbid it. `layout` knows the last closes; without
    one the order's worth is not looked at: what was taken is not refused because its price fell since."""
    rules, units = listing.instrument, listing.units
    if not rules.tradable:
        return Rejected("not_tradable", f"{order.symbol} is not tradable")
    if order.decided_at.tzinfo is None:
        return Rejected("order", "decided_at has no time zone")
    quantity = order.quantity
    if not quantity.is_finite() or quantity.is_signed() or not quantity:
        return Rejected("quantity", f"quantity {quantity} is not above 0")
    lots = int(quantity) if units else int(EXACT.divide_int(quantity, rules.lot))
    if (lots if units else lots * rules.lot) != quantity:
        return Rejected("lot", f"quantity {quantity:f} is not a multiple of the lot {rules.lot:f}")
    limit = stop = 0
    if order.type is not MARKET or order.limit_price is not None or order.stop_price is not None:
        prices = _prices(order, rules.tick)
        if not isinstance(prices, tuple):
            return prices
        limit, stop = prices
    if rules.min_notional and layout is not None:
        mark = layout.mark(listing)
        price = order.limit_price or order.stop_price or (Decimal(repr(mark)) if mark > 0 else order.price)
        notional = quantity * price * rules.multiplier
        if notional < rules.min_notional:
            return Rejected("min_notional", f"{notional:f} is below the minimum of {rules.min_notional:f}")
    return lots, limit, stop


def _prices(order: OrderRequest, tick: Decimal) -> tuple[int, int] | Rejected:
    kind = order.type
    if kind in (STOP, STOP_LIMIT) and order.time_in_force in (IOC, FOK):
        return Rejected("order", f"a {kind} order cannot be {order.time_in_force}")
    wants = (kind in (OrderType.LIMIT, STOP_LIMIT), kind in (STOP, STOP_LIMIT))
    given = (order.limit_price, order.stop_price)
    found = []
    for name, wanted, price in zip(("limit_price", "stop_price"), wants, given, strict=True):
        if wanted is not (price is not None):
            return Rejected("order", f"a {kind} order {'needs a' if wanted else 'has no'} {name}")
        value = ZERO if price is None else price
        if price is not None and not (price.is_finite() and price > 0):
            return Rejected("price", f"{name} {price} is not above 0")
        ticks = int(EXACT.divide_int(value, tick))
        if ticks * tick != value:
            return Rejected("tick", f"{name} {value:f} is not a multiple of the tick {tick:f}")
        found.append(ticks)
    return found[0], found[1]
