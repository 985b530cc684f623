"""Orders on the spot market: read from parameters, written as the venue shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trader.model import ZERO, Fill, OrderType, Side, TimeInForce

from trader_emulators.binance import filters
from trader_emulators.binance.listing import QUOTE, Pair
from trader_emulators.binance.moments import down, eight, milliseconds
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.refusal import Refused, illegal, needless
from trader_emulators.binance.register import Register, Seen

CLIENT_ID = "^[a-zA-Z0-9-_]{1,36}$"
KINDS = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
}
WORDS = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
FORCES = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
PREVENTION = "EXPIRE_MAKER"


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as it is asked for."""

    pair: Pair
    side: Side
    word: str
    """The venue's own type: LIMIT_MAKER is a limit order inside."""
    quantity: Decimal
    price: Decimal | None
    stop: Decimal | None
    force: TimeInForce
    key: str
    answer: str
    """ACK, RESULT or FULL."""

    @property
    def kind(self) -> OrderType:
        """Inside."""
        return KINDS[self.word]


def read(pair: Pair, parameters: Parameters, last: Decimal) -> Wish:
    """Refused for what is not there, not a word, or too much."""
    side, word = _side(parameters), parameters.text("type")
    if word not in KINDS:
        raise Refused(-1116, "Invalid orderType.")
    limited, stopped = word.startswith("LIMIT") or word.endswith("LIMIT"), word.startswith("STOP")
    force = _force(parameters, needed=limited and word != "LIMIT_MAKER")
    price, stop = (
        _price(parameters, name, wanted=wanted) for name, wanted in (("price", limited), ("stopPrice", stopped))
    )
    quantity = _quantity(pair, parameters, word, last)
    answer = parameters.optional("newOrderRespType", "FULL" if word in ("MARKET", "LIMIT") else "ACK")
    if answer not in ("ACK", "RESULT", "FULL"):
        raise Refused(-1138, "Invalid newOrderRespType.")
    return Wish(pair, side, word, quantity, price, stop, force, client_id(parameters, "newClientOrderId"), answer)


def client_id(parameters: Parameters, name: str) -> str:
    """Empty if none was sent; Refused for one that the venue does not take."""
    key = parameters.optional(name)
    if key and not re.match(CLIENT_ID, key):
        raise illegal(name, CLIENT_ID)
    return key


def _side(parameters: Parameters) -> Side:
    word = parameters.text("side")
    if word not in ("BUY", "SELL"):
        raise Refused(-1117, "Invalid side.")
    return Side(word.lower())


def _force(parameters: Parameters, *, needed: bool) -> TimeInForce:
    if not needed:
        if "timeInForce" in parameters:
            raise needless("timeInForce")
        return TimeInForce.GTC
    word = parameters.text("timeInForce")
    if word not in FORCES:
        raise Refused(-1115, "Invalid timeInForce.")
    return FORCES[word]


def _price(parameters: Parameters, name: str, *, wanted: bool) -> Decimal | None:
    if not wanted:
        if name in parameters:
            raise needless(name)
        return None
    price = parameters.number(name)
    filters.precise(name, price, filters.PRECISION)
    return price


def _quantity(pair: Pair, parameters: Parameters, word: str, last: Decimal) -> Decimal:
    if word == "MARKET" and "quoteOrderQty" in parameters and "quantity" not in parameters:
        return down(parameters.number("quoteOrderQty") / last, pair.lot)
    if "quoteOrderQty" in parameters:
        raise needless("quoteOrderQty")
    quantity = parameters.number("quantity")
    filters.precise("quantity", quantity, filters.PRECISION)
    if not quantity:
        raise Refused(-1013, "Invalid quantity.")
    return quantity


def check(wish: Wish, last: Decimal, bid: Decimal, ask: Decimal) -> None:
    """The filters, in the venue's order. Refused where one does not let it pass."""
    for price in (wish.price, wish.stop):
        if price is not None:
            filters.passes_price(wish.pair, price)
    filters.passes_quantity(wish.pair, wish.quantity)
    if wish.price is not None:
        filters.passes_distance(wish.price, last)
    filters.passes_worth(wish.pair, wish.quantity * (wish.price or wish.stop or last))
    if wish.stop is not None:
        filters.passes_trigger(wish.side, wish.stop, last)
    if wish.word == "LIMIT_MAKER" and wish.price is not None:
        filters.passes_maker(wish.side, wish.price, bid, ask)


# ---- as the venue shows them -----------------------------------------------------------------------------------------
def common(seen: Seen, word: str = "") -> dict[str, Any]:
    """What every answer about an order says. `word`: its type, where the venue inside does not know it."""
    order, report = seen.taken.order, seen.report
    return {
        "price": eight(order.limit_price or ZERO),
        "origQty": eight(order.quantity),
        "executedQty": eight(report.filled),
        "origQuoteOrderQty": eight(ZERO),
        "cummulativeQuoteQty": eight(seen.notional),
        "status": seen.state,
        "timeInForce": _force_word(seen),
        "type": word or WORDS[order.type],
        "side": str(order.side).upper(),
        **({"stopPrice": eight(order.stop_price)} if order.stop_price is not None else {}),
    }


def _force_word(seen: Seen) -> str:
    force = seen.taken.order.time_in_force
    return "GTC" if force is TimeInForce.DAY else str(force).upper()


def shown(seen: Seen, name: str, word: str = "") -> dict[str, Any]:
    """One order of order, openOrders, allOrders."""
    made, report = milliseconds(seen.taken.moment), seen.report
    return {
        "symbol": name,
        "orderId": seen.order_id,
        "orderListId": -1,
        "clientOrderId": seen.taken.key,
        "stopPrice": eight(ZERO),
        **common(seen, word),
        "icebergQty": eight(ZERO),
        "time": made,
        "updateTime": milliseconds(report.time),
        "isWorking": seen.taken.order.stop_price is None or bool(report.filled),
        "workingTime": made,
        "selfTradePreventionMode": PREVENTION,
    }


def placed(seen: Seen, name: str, answer: str, register: Register, word: str = "") -> dict[str, Any]:
    """The answer to a new order: ACK, RESULT or FULL."""
    made = milliseconds(seen.taken.moment)
    told: dict[str, Any] = {
        "symbol": name, "orderId": seen.order_id, "orderListId": -1, "clientOrderId": seen.taken.key,
        "transactTime": made,
    }  # fmt: skip
    if answer == "ACK":
        return told
    told |= {**common(seen, word), "workingTime": made, "selfTradePreventionMode": PREVENTION}
    if answer == "FULL":
        told["fills"] = [
            {"price": eight(fill.price), "qty": eight(fill.quantity), "commission": eight(fill.fee),
             "commissionAsset": fill.fee_currency or QUOTE, "tradeId": register.trade_id(fill)} for fill in seen.fills
        ]  # fmt: skip
    return told


def canceled(seen: Seen, name: str, new_id: str, word: str = "") -> dict[str, Any]:
    """The answer to a cancel."""
    return {
        "symbol": name, "origClientOrderId": seen.taken.key, "orderId": seen.order_id, "orderListId": -1,
        "clientOrderId": new_id, "transactTime": milliseconds(seen.report.time), **common(seen, word),
        "selfTradePreventionMode": PREVENTION,
    }  # fmt: skip


def trade(fill: Fill, name: str, number: int, order_id: int) -> dict[str, Any]:
    """One of myTrades."""
    return {
        "symbol": name,
        "id": number,
        "orderId": order_id,
        "orderListId": -1,
        "price": eight(fill.price),
        "qty": eight(fill.quantity),
        "quoteQty": eight(fill.price * fill.quantity),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_currency or QUOTE,
        "time": milliseconds(fill.time),
        "isBuyer": fill.side is Side.BUY,
        "isMaker": False,
        "isBestMatch": True,
    }
