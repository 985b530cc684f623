"""Orders on the futures market: read from parameters, written as the venue shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trader.model import ZERO, Fill, OrderType, Side, TimeInForce

from trader_emulators.binance.listing import QUOTE, Pair
from trader_emulators.binance.moments import milliseconds, plain
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.refusal import Refused, needless
from trader_emulators.binance.register import Seen
from trader_emulators.binance_futures import rules

CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
PLAIN = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
CONDITIONAL = {"STOP_MARKET": OrderType.STOP, "STOP": OrderType.STOP_LIMIT}
ELSEWHERE = {"TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET", *CONDITIONAL}
"""What the plain endpoint sends away."""
WORDS = {kind: word for word, kind in (PLAIN | CONDITIONAL).items()}
ONCE_TRIGGERED = {OrderType.STOP: "MARKET", OrderType.STOP_LIMIT: "LIMIT"}
FORCES = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTX": TimeInForce.GTC}
USE_ALGO = Refused(
    -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
)
WRONG_SIDE = Refused(-4061, "Order's position side does not match user's setting.")
PREVENTION = "EXPIRE_MAKER"
ALL_GONE = {"code": 200, "msg": "The operation of cancel all open order is done."}


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as it is asked for."""

    pair: Pair
    side: Side
    kind: OrderType
    quantity: Decimal
    price: Decimal | None
    stop: Decimal | None
    force: str
    """GTX is one that must not take."""
    reduce_only: bool
    key: str
    closes: bool = False
    """Whatever is held, once the stop is reached."""


def read(pair: Pair, parameters: Parameters, held: Decimal, *, algo: bool) -> Wish:
    """Refused for what is not there, not a word, or too much. `held`: signed, for a close-position order."""
    side, kind = _side(parameters), _kind(parameters, algo=algo)
    if parameters.optional("positionSide", "BOTH") != "BOTH":
        raise WRONG_SIDE
    limited = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    force = _force(parameters, needed=limited, algo=algo)
    price = _price(parameters, "price", wanted=limited)
    stop = _price(parameters, "triggerPrice", wanted=algo)
    closes = algo and parameters.flag("closePosition")
    if closes:
        if "quantity" in parameters or "reduceOnly" in parameters:
            raise needless("quantity" if "quantity" in parameters else "reduceOnly")
        if held * side.sign >= 0:
            raise Refused(-4509, "Time in Force (TIF) GTE can only be used with open positions.")
        quantity = abs(held)
    else:
        quantity = parameters.number("quantity")
    reduce_only = closes or parameters.flag("reduceOnly")
    key = client_id(parameters, "clientAlgoId" if algo else "newClientOrderId")
    return Wish(pair, side, kind, quantity, price, stop, force, reduce_only, key, closes)


def client_id(parameters: Parameters, name: str) -> str:
    """Empty if none was sent; Refused for one that the venue does not take."""
    key = parameters.optional(name)
    if len(key) > 36:
        raise Refused(-4015, "Client order id length should be less than 36 chars")
    if key and not re.match(CLIENT_ID, key):
        raise Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{CLIENT_ID}'.")
    return key


def _side(parameters: Parameters) -> Side:
    word = parameters.text("side")
    if word not in ("BUY", "SELL"):
        raise Refused(-1117, "Invalid side.")
    return Side(word.lower())


def _kind(parameters: Parameters, *, algo: bool) -> OrderType:
    word, known = parameters.text("type"), CONDITIONAL if algo else PLAIN
    if algo and parameters.text("algoType") != "CONDITIONAL":
        raise Refused(-1102, "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.")
    if not algo and word in ELSEWHERE:
        raise USE_ALGO
    if word not in known:
        raise Refused(-1116, "Invalid orderType.")
    return known[word]


def _force(parameters: Parameters, *, needed: bool, algo: bool) -> str:
    if not needed and not algo and "timeInForce" in parameters:
        raise needless("timeInForce")
    word = parameters.text("timeInForce") if needed and not algo else parameters.optional("timeInForce", "GTC")
    if word not in FORCES:
        raise Refused(-1115, "Invalid timeInForce.")
    return word if needed else "GTC"


def _price(parameters: Parameters, name: str, *, wanted: bool) -> Decimal | None:
    if wanted:
        return parameters.number(name)
    if name in parameters and parameters.number(name):
        raise needless(name)
    return None


def check(wish: Wish, last: Decimal, bid: Decimal, ask: Decimal) -> None:
    """The rules of the contract. Refused where one does not let it pass."""
    rules.passes_quantity(wish.pair, wish.quantity)
    for price in (wish.price, wish.stop):
        if price is not None:
            rules.passes_price(wish.pair, price, last)
    if not wish.reduce_only:
        rules.passes_worth(wish.pair, wish.quantity * (wish.price or wish.stop or last))
    if wish.stop is not None:
        rules.passes_trigger(wish.side, wish.stop, last)
    if wish.force == "GTX" and wish.price is not None:
        rules.passes_maker(wish.side, wish.price, bid, ask)


# ---- as the venue shows them -----------------------------------------------------------------------------------------
def shown(seen: Seen, name: str, force: str) -> dict[str, Any]:
    """One order of order, openOrders, allOrders, and the answer to a new one and to a cancel. A conditional order that
    was triggered is shown as what it became."""
    order, report = seen.taken.order, seen.report
    return {
        "orderId": seen.order_id,
        "symbol": name,
        "status": seen.state,
        "clientOrderId": seen.taken.key,
        "price": plain(order.limit_price or ZERO),
        "avgPrice": f"{seen.average:.5f}",
        "origQty": plain(order.quantity),
        "executedQty": plain(report.filled),
        "cumQuote": plain(seen.notional),
        "timeInForce": force,
        "type": ONCE_TRIGGERED.get(order.type) or WORDS[order.type],
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": str(order.side).upper(),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": WORDS[order.type],
        "priceMatch": "NONE",
        "selfTradePreventionMode": PREVENTION,
        "goodTillDate": 0,
        "time": milliseconds(seen.taken.moment),
        "updateTime": milliseconds(report.time),
    }


def answered(seen: Seen, name: str, force: str) -> dict[str, Any]:
    """The answer to a new order, and to a cancel."""
    told = shown(seen, name, force)
    del told["time"]
    return {**told, "cumQty": told["executedQty"]}


def trade(fill: Fill, name: str, number: int, order_id: int, profit: Decimal) -> dict[str, Any]:
    """One of userTrades."""
    return {
        "symbol": name,
        "id": number,
        "orderId": order_id,
        "side": str(fill.side).upper(),
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "realizedPnl": plain(profit),
        "quoteQty": plain(fill.price * fill.quantity),
        "commission": plain(fill.fee),
        "commissionAsset": QUOTE,
        "time": milliseconds(fill.time),
        "positionSide": "BOTH",
        "maker": False,
        "buyer": fill.side is Side.BUY,
    }
