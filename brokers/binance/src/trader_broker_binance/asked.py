"""From an order of ours to the venue's parameters: text, exact. What cannot be said there is refused here. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

from trader.model import OrderRequest, OrderType, Rejected, Side, TimeInForce

CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")
SYMBOL = re.compile(r"[A-Z0-9_]{1,30}")
FORCES = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
SPOT = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
FUTURES = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
}
WAITS = (OrderType.STOP, OrderType.STOP_LIMIT)
PRICED = (OrderType.LIMIT, OrderType.STOP_LIMIT)


def conditional(order: OrderRequest) -> bool:
    """Whether futures keep it in their algo service."""
    return order.type in WAITS


def spot_request(order: OrderRequest, symbol: str) -> dict[str, str] | Rejected:
    """Parameters of POST /api/v3/order. `symbol` is the venue's. Spot has no shorts: a sale is cut by nothing, and a
    buy that may only reduce has nothing to reduce."""
    refused = _refusal(order, symbol)
    if refused is not None:
        return refused
    if order.reduce_only and order.side is Side.BUY:
        return Rejected("reduce_only", "spot has no short positions: a buy reduces nothing")
    asked = {**_common(order, symbol), "type": SPOT[order.type], "newClientOrderId": order.key}
    if order.type in WAITS:
        asked["stopPrice"] = text(order.stop_price)
    return {**asked, "newOrderRespType": "ACK"}


def futures_request(order: OrderRequest, symbol: str) -> dict[str, str] | Rejected:
    """Parameters of POST /fapi/v1/order; of algoOrder for one that waits for a price, where the id is clientAlgoId."""
    refused = _refusal(order, symbol)
    if refused is not None:
        return refused
    asked = {**_common(order, symbol), "type": FUTURES[order.type]}
    if order.reduce_only:
        asked["reduceOnly"] = "true"
    if conditional(order):
        return {**asked, "triggerPrice": text(order.stop_price), "algoType": "CONDITIONAL", "clientAlgoId": order.key}
    return {**asked, "newClientOrderId": order.key}


def text(value: Decimal | None) -> str:
    """Without an exponent: a float would go out as 1e-05."""
    return f"{value:f}"


def _common(order: OrderRequest, symbol: str) -> dict[str, str]:
    asked = {"symbol": symbol, "side": order.side.value.upper(), "quantity": text(order.quantity)}
    if order.type in PRICED:
        asked |= {"price": text(order.limit_price), "timeInForce": FORCES[order.time_in_force]}
    return asked


def _refusal(order: OrderRequest, symbol: str) -> Rejected | None:
    """What the venue has no words for."""
    if not SYMBOL.fullmatch(symbol):
        return Rejected("symbol", f"{order.symbol!r} is no symbol of Binance")
    if not CLIENT_ID.fullmatch(order.key):
        return Rejected("refused", f"{order.key!r} is no client order id of Binance: 1 to 36 of a-z A-Z 0-9 _ -")
    if not (order.quantity.is_finite() and order.quantity > 0):
        return Rejected("quantity", f"a quantity is above 0, was {order.quantity}")
    wanted = ((order.type in PRICED, order.limit_price, "limit"), (order.type in WAITS, order.stop_price, "stop"))
    for needed, price, name in wanted:
        if needed and not (price is not None and price.is_finite() and price > 0):
            return Rejected("price", f"the {name} price of a {order.type} order is above 0, was {price}")
    return _refused_force(order)


def _refused_force(order: OrderRequest) -> Rejected | None:
    """A market order is done at once, whatever it is to live; a stop lives until it is cancelled."""
    force = order.time_in_force
    if order.type is OrderType.MARKET and force is not TimeInForce.FOK:
        return None
    if order.type in PRICED and force is not TimeInForce.DAY:
        return None
    if order.type is OrderType.STOP and force is TimeInForce.GTC:
        return None
    hint = "there are no day orders: use gtc, ioc or fok" if force is TimeInForce.DAY else "use gtc"
    return Rejected("refused", f"Binance has no {order.type} order that is {force}; {hint}")
