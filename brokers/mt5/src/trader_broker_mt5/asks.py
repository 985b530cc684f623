"""What we ask of the terminal: an order of ours as one trade request. Pure.

One submit is one request. What cannot be said truthfully in MetaTrader's words is refused here and never sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from trader.model import ZERO, OrderRequest, OrderType, Rejected, Side, TimeInForce
from trader.wire import Fields

from trader_broker_mt5 import words
from trader_broker_mt5.wire import Ticket, comment, instrument

Request: TypeAlias = dict[str, Any]
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a symbol takes, as its payload says now."""

    name: str
    tick: Decimal
    step: Decimal
    least: Decimal
    most: Decimal
    trade_mode: int
    execution: int
    filling: int
    orders: int
    expiration: int
    bid: float
    ask: float


def rules(payload: object) -> Rules:
    """Of one symbol. BadPayload where it cannot be."""
    fields, known = Fields(payload, "symbol"), instrument(payload)
    return Rules(
        fields.text("name"), known.tick, known.lot, fields.decimal("volume_min", ZERO, floats=True),
        fields.decimal("volume_max", ZERO, floats=True), fields.integer("trade_mode", 4),
        fields.integer("trade_exemode"), fields.integer("filling_mode"), fields.integer("order_mode", 127),
        fields.integer("expiration_mode", 15), fields.real("bid", 0.0), fields.real("ask", 0.0),
    )  # fmt: skip


def order_request(
    order: OrderRequest, rule: Rules, held: Sequence[Ticket], *, hedging: bool, deviation: int = 20
) -> Request | Rejected:
    """The request for an order, or why there is none. `held`: the positions in this symbol now.

    A market order that reduces what a hedging account holds carries the ticket of one position. Where no single one is
    as large as the order it goes out without: the exposure is what was asked for, and the account then holds both
    sides until a person closes them by each other.
    """
    refused = _impossible(order, rule) or _not_reducing(order, held)
    if refused is not None:
        return refused
    filling = _filling(order, rule)
    if isinstance(filling, Rejected):
        return filling
    sell = order.side is Side.SELL
    request: Request = {
        "action": words.DEAL if order.type is OrderType.MARKET else words.PENDING,
        "symbol": rule.name,
        "volume": float(order.quantity),
        "type": words.TYPES[order.type] + sell,
        "type_filling": filling,
        "type_time": words.DAY if _until_evening(order) else words.GTC,
        "magic": int(order.key),
        "comment": comment(order.client_id),
    }
    if order.type is OrderType.MARKET:
        request["deviation"] = deviation
        price = rule.bid if sell else rule.ask
        if price > 0:
            request["price"] = price
        elif rule.execution in (words.REQUEST, words.INSTANT):
            return Rejected("price", f"not sent: {rule.name} has no quote, and its orders name a price")
        ticket = closes(order, held) if hedging else None
        if ticket is not None:
            request["position"] = ticket.ticket
        return request
    request["price"] = float(order.stop_price or order.limit_price or ZERO)
    return request


def cancel_request(ticket: int) -> Request:
    """A pending order be gone."""
    return {"action": words.REMOVE, "order": ticket}


def closes(order: OrderRequest, held: Sequence[Ticket]) -> Ticket | None:
    """The position that an order closes, wholly or in part: one of its very size, else the smallest that is larger,
    the oldest of those. None: there is none as large."""
    enough = [one for one in held if one.side is not order.side and one.volume >= order.quantity]
    return min(enough, key=lambda one: (one.volume, one.ticket), default=None)


def _impossible(order: OrderRequest, rule: Rules) -> Rejected | None:
    quantity = order.quantity
    if not quantity.is_finite() or quantity <= 0 or quantity % rule.step:
        return Rejected("quantity", f"not sent: {quantity} lots are no multiple of {rule.step}")
    if quantity < rule.least or (rule.most and quantity > rule.most):
        return Rejected("quantity", f"not sent: {quantity} lots; {rule.name} takes {rule.least} to {rule.most}")
    if order.type is OrderType.STOP_LIMIT:
        return Rejected("refused", "not sent: MetaTrader's stop-limit waits for the price to come back: another order")
    prices = (
        ("limit", order.limit_price, order.type is OrderType.LIMIT),
        ("stop", order.stop_price, order.type is OrderType.STOP),
    )
    for word, price, wanted in prices:
        if wanted is not (price is not None):
            return Rejected("price", f"not sent: a {order.type} order {'needs a' if wanted else 'has no'} {word} price")
        if price is not None and (not price.is_finite() or price <= 0 or price % rule.tick):
            return Rejected("price", f"not sent: the {word} price {price} is no multiple of {rule.tick}")
    if rule.trade_mode == 0:
        return Rejected("not_tradable", f"not sent: trading in {rule.name} is disabled")
    if not rule.orders & words.ALLOWED[order.type]:
        return Rejected("refused", f"not sent: {rule.name} takes no {order.type} orders")
    if _until_evening(order) and not rule.expiration & 2:
        return Rejected("refused", f"not sent: {rule.name} takes no orders for the day")
    return None


def _not_reducing(order: OrderRequest, held: Sequence[Ticket]) -> Rejected | None:
    """MetaTrader knows no reduce-only: what is held is looked at right before."""
    if not order.reduce_only:
        return None
    net = sum((one.volume * one.side.sign for one in held), ZERO)
    if net * order.side.sign >= 0 or abs(net) < order.quantity:
        return Rejected("reduce_only", f"not sent: {order.side} {order.quantity} does not reduce a position of {net}")
    return None


def _until_evening(order: OrderRequest) -> bool:
    return order.type is not OrderType.MARKET and order.time_in_force is TimeInForce.DAY


def _filling(order: OrderRequest, rule: Rules) -> int | Rejected:
    """How it may be filled: a value of ORDER_FILLING, chosen by the mask of what the symbol takes.

    Pending orders are of the kind RETURN. A market order without a wish takes what leaves least undone: RETURN where
    an exchange executes, then IOC, then FOK.
    """
    if order.type is not OrderType.MARKET:
        if order.time_in_force in AT_ONCE:
            return Rejected("refused", f"not sent: MetaTrader has no {order.type} order that is {order.time_in_force}")
        return words.RETURN
    quoted = rule.execution in (words.REQUEST, words.INSTANT)  # there a market order is all or nothing by nature
    may_fok, may_ioc = bool(rule.filling & words.MAY_FOK), bool(rule.filling & words.MAY_IOC)
    if order.time_in_force is TimeInForce.FOK:
        return words.FOK if may_fok or quoted else _no(order, rule)
    if order.time_in_force is TimeInForce.IOC:
        return words.IOC if may_ioc else _no(order, rule)
    if rule.execution == words.EXCHANGE:
        return words.RETURN
    return words.IOC if may_ioc else words.FOK


def _no(order: OrderRequest, rule: Rules) -> Rejected:
    return Rejected("refused", f"not sent: {rule.name} does not fill {order.time_in_force} (mask {rule.filling})")
