"""What Alpaca's payloads mean, and how an order is written. Pure: no clock, no network, no client library.

Every function takes a payload as it was parsed (`trader.wire.document`: no floats) and raises `BadPayload` for one
that cannot be what it should be. Alpaca writes stocks as "BRK.B" and crypto as "BTC/USD", in positions "BTCUSD".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from trader.errors import BadPayload
from trader.model import (
    ONE,
    ZERO,
    Account,
    CashEvent,
    Fill,
    Instrument,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Position,
    Reset,
    Side,
)
from trader.wire import EPOCH, Fields

from trader_broker_alpaca.market import NEW_YORK, Bar, Day, Moment, at, bar, clock, day, quote
from trader_broker_alpaca.refusals import Product, error

__all__ = [
    "NEW_YORK", "Bar", "Day", "Moment", "Product", "account", "bar", "cash_event", "clock", "day", "error", "fill",
    "instrument", "is_crypto", "order", "order_request", "position", "predecessor", "quote", "stream_event",
    "successor", "symbol_of", "watchlist",
]  # fmt: skip

Kind: TypeAlias = Literal["dividend", "fee", "funding", "interest", "transfer", "adjustment"]
CRYPTO_LEAST = Decimal(10)
"""USD: the smallest order for coins. Shares: 1 USD."""
FRACTION = Decimal("0.000000001")
"""Of a share: the finest that Alpaca takes."""
CENT = Decimal("0.01")
CRYPTO_QUOTES = ("USDT", "USDC", "USDG", "USD", "BTC")
"""What coins are priced in; a longer name before one that it ends with."""

WORKING = ("new", "accepted", "pending_new", "accepted_for_bidding", "partially_filled", "held", "suspended", "stopped",
           "pending_replace", "pending_review", "done_for_day", "calculated")  # fmt: skip
STATES = {
    **dict.fromkeys(WORKING, OrderState.WORKING),
    "pending_cancel": OrderState.CANCEL_SENT,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "replaced": OrderState.UNKNOWN,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
SIDES = {"buy": Side.BUY, "sell": Side.SELL, "sell_short": Side.SELL}
TYPES = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
    "trailing_stop": OrderType.STOP,
}
ACTIVITIES: Mapping[str, Kind] = {
    **dict.fromkeys(("DIV", "DIVCGL", "DIVCGS", "DIVNRA", "DIVROC", "DIVTXEX", "DIVWH", "CIL"), "dividend"),
    **dict.fromkeys(("FEE", "CFEE", "DIVFEE", "PTC", "TAF", "REG"), "fee"),
    **dict.fromkeys(("INT", "INTNRA", "INTTW"), "interest"),
    **dict.fromkeys(("CSD", "CSW", "JNL", "JNLC", "TRANS", "ACATC", "WIRE", "ACH"), "transfer"),
}  # fmt: skip
"""Any other activity that moves money is an adjustment."""
TRADES = ("FILL", "PFILL")
BLOCKS = ("account_blocked", "trading_blocked", "trade_suspended_by_user")


# ---- symbols and requests --------------------------------------------------------------------------------------------
def symbol_of(name: str, asset_class: str) -> str:
    """The symbol that we use: "BTCUSD" of class crypto is "BTC/USD"; others are as they are."""
    if "/" in name or not asset_class.startswith("crypto"):
        return name
    for money in CRYPTO_QUOTES:
        base = name.removesuffix(money)
        if base and base != name:
            return f"{base}/{money}"
    return name


def is_crypto(symbol: str) -> bool:
    """Whether a symbol of ours is a pair of coins."""
    return "/" in symbol


def order_request(order: OrderRequest) -> dict[str, str]:
    """The body of POST /orders. Numbers are text, digit by digit: the client library's own models make floats."""
    body = {
        "symbol": order.symbol,
        "qty": format(order.quantity, "f"),
        "side": order.side.value,
        "type": order.type.value,
        "time_in_force": order.time_in_force.value,
        "client_order_id": order.key,
    }
    if order.limit_price is not None:
        body["limit_price"] = format(order.limit_price, "f")
    if order.stop_price is not None:
        body["stop_price"] = format(order.stop_price, "f")
    return body


# ---- the account -----------------------------------------------------------------------------------------------------
def account(payload: object, *, now: datetime = EPOCH, emulated: bool = False) -> Account:
    """`now`: the venue's time, which this payload does not carry. The number of a paper account begins with PA."""
    fields = Fields(payload, "account")
    number = fields.text("account_number")
    cash = fields.decimal("cash")
    blocked = any(fields.flag(name, False) for name in BLOCKS)
    trades = not blocked and fields.text("status", "ACTIVE") == "ACTIVE"
    settled = cash
    if fields.decimal("multiplier", ONE) == ONE:  # a cash account: what was sold today does not pay for coins yet
        settled = min(cash, fields.decimal("non_marginable_buying_power", cash))
    return Account(
        account_id=number,
        kind="demo" if emulated else "paper" if number.startswith("PA") else "live",
        currency=fields.text("currency", "USD"),
        cash=cash,
        equity=fields.decimal("equity"),
        settled_cash=settled,
        shorting=fields.flag("shorting_enabled", False),
        time=now,
        permissions=("read", "trade") if trades else ("read",),
    )


def position(payload: object) -> Position:
    """Signed: Alpaca writes a short as a negative quantity, and says so in `side`."""
    fields = Fields(payload, "position")
    quantity = fields.decimal("qty")
    if fields.text("side", "long") == "short":
        quantity = -abs(quantity)
    symbol = symbol_of(fields.text("symbol"), fields.text("asset_class", ""))
    return Position(symbol, quantity, fields.decimal("avg_entry_price", ZERO))


def instrument(payload: object, *, fractional: bool = False) -> Instrument:
    """`fractional`: shares may be traded in parts, where Alpaca has them so.

    A stock's tick is a cent: below 1 USD Alpaca takes finer prices, and takes cents too.
    """
    fields = Fields(payload, "asset")
    kind = fields.text("class", "us_equity")
    symbol = symbol_of(fields.text("symbol"), kind)
    tradable = fields.flag("tradable", False) and fields.text("status", "active") == "active"
    tags = {"class": kind, "exchange": fields.text("exchange", "")}
    if kind.startswith("crypto"):
        tags["time_in_force"] = "gtc ioc"
        least = fields.decimal("min_order_size", None)
        if least is not None:
            tags["min_order_size"] = format(least, "f")
        return Instrument(
            symbol,
            currency=symbol.partition("/")[2] or "USD",
            tick=_step(fields, "price_increment", CENT),
            lot=_step(fields, "min_trade_increment", FRACTION),
            min_notional=ZERO if symbol.endswith("/BTC") else CRYPTO_LEAST,
            tradable=tradable,
            shortable=False,
            tags=tags,
        )
    parts = fractional and fields.flag("fractionable", False)
    if parts:
        tags["time_in_force"] = "day"
    return Instrument(
        symbol,
        lot=FRACTION if parts else ONE,
        min_notional=ONE,
        tradable=tradable,
        shortable=fields.flag("shortable", False) and fields.flag("easy_to_borrow", False),
        tags=tags,
    )


def watchlist(payload: object) -> tuple[str, ...]:
    """The symbols of a watch list."""
    listed = Fields(payload, "watchlist").each("assets", ())
    return tuple(symbol_of(asset.text("symbol"), asset.text("class", "")) for asset in listed)


def _step(fields: Fields, name: str, default: Decimal) -> Decimal:
    step = fields.decimal(name, default)
    if step <= 0:
        raise BadPayload(fields.where, name, "a step above 0", step)
    return step


# ---- orders and executions -------------------------------------------------------------------------------------------
def order(payload: object) -> OrderReport:
    """An order, under the client id it was sent with. One that was replaced is UNKNOWN: it goes on under
    another id, see `successor`. An order over an amount of money has no quantity before it is filled."""
    fields = Fields(payload, "order")
    filled = fields.decimal("filled_qty", ZERO)
    status = fields.text("status", "")
    kind = fields.word("type", TYPES, None) if "type" in fields else fields.word("order_type", TYPES, None)
    reason = fields.text("reject_reason", "")
    state = fields.word("status", STATES, OrderState.UNKNOWN)
    if state is OrderState.UNKNOWN or status in ("replaced", "suspended", "held", "stopped"):
        reason = reason or f"the venue calls it {status[:40]!r}"
    moment = next((name for name in ("updated_at", "submitted_at") if name in fields), "created_at")
    return OrderReport(
        key=fields.text("client_order_id", ""),
        venue_id=fields.text("id"),
        symbol=symbol_of(fields.text("symbol"), fields.text("asset_class", "")),
        side=fields.word("side", SIDES),
        quantity=fields.decimal("qty", filled),
        filled=filled,
        state=state,
        time=fields.iso(moment),
        type=kind or OrderType.MARKET,
        limit_price=fields.decimal("limit_price", None),
        stop_price=fields.decimal("stop_price", None),
        reason=reason,
    )


def successor(payload: object) -> str | None:
    """The id under which a replaced order goes on; None: it was not replaced."""
    fields = Fields(payload, "order")
    return fields.text("replaced_by") if fields.text("status", "") == "replaced" else None


def predecessor(payload: object) -> str | None:
    """The id of the order that this one replaces."""
    return Fields(payload, "order").text("replaces", None) or None


def fill(payload: object, *, key: str = "", symbol: str | None = None) -> Fill:
    """An activity of type FILL. It does not carry the client id, nor the class of what was traded: `key` and `symbol`
    come from its order. Fees are activities of their own. One that was taken back has quantity 0."""
    fields = Fields(payload, "fill")
    taken_back = fields.text("status", "") == "canceled"
    return Fill(
        execution_id=fields.text("id"),
        key=key,
        venue_id=fields.text("order_id"),
        symbol=fields.text("symbol") if symbol is None else symbol,
        side=fields.word("side", SIDES),
        quantity=ZERO if taken_back else fields.decimal("qty"),
        price=fields.decimal("price"),
        fee=ZERO,
        time=fields.iso("transaction_time"),
        fee_currency="USD",
    )


def cash_event(payload: object) -> CashEvent | None:
    """An activity that moved money without a trade; None for any other (a trade, a split, shares that came in).

    A fee for coins that is taken in coins has no amount of money: it is in the coin's currency.
    """
    fields = Fields(payload, "activity")
    name = fields.text("activity_type")
    if name in TRADES:
        return None
    amount, currency = fields.decimal("net_amount", ZERO), fields.text("currency", "USD")
    symbol = fields.text("symbol", None) or None
    if symbol is not None and name == "CFEE":
        symbol = symbol_of(symbol, "crypto")
        if not amount:
            amount, currency = fields.decimal("qty", ZERO), symbol.partition("/")[0]
    if not amount or fields.text("status", "executed") == "canceled":
        return None
    return CashEvent(
        event_id=fields.text("id"),
        kind=ACTIVITIES.get(name, "adjustment"),
        amount=amount,
        currency=currency,
        time=_activity_time(fields),
        symbol=symbol,
    )


def _activity_time(fields: Fields) -> datetime:
    """Its own, else that in its id, such as 20220304135420903::047e252a-..., else its date; of New York."""
    for name in ("transaction_time", "created_at"):
        if name in fields:
            return fields.iso(name)
    begun = fields.text("id").partition("::")[0]
    if len(begun) == 17 and begun.isascii() and begun.isdigit():
        return at(fields, begun[:8], f"{begun[8:14]}.{begun[14:]}")
    return at(fields, fields.text("date"), "00:00")


def stream_event(payload: object) -> OrderReport | Reset | None:
    """A message of the trade_updates stream; None for what says nothing about an order. An execution has another id
    here than among the activities, so it is told as the state of its order. A replaced order has two ids: ask."""
    fields = Fields(payload, "message")
    if fields.text("stream", "") != "trade_updates":
        return None
    inside = fields.inside("data").inside("order")
    if inside.text("status", "") == "replaced" or "replaces" in inside:
        return Reset(f"order {inside.text('id')} was replaced at the venue")
    return order(fields.inside("data").raw("order"))
