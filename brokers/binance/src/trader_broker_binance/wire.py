"""What the venue's answers mean, and its errors. Pure; a malformed answer is a BadPayload that names the field.

Spot, and what spot and futures have in common; `futures_wire` has what only futures have. Symbols in answers are the
venue's; `names` turns them into ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from trader.errors import BadPayload
from trader.model import (
    ZERO,
    Account,
    Fill,
    OrderReport,
    OrderState,
    OrderType,
    Position,
    Quote,
    Side,
    Struct,
    Trade,
)
from trader.wire import EPOCH, Fields, every

from trader_broker_binance.amounts import above_zero, at_least_zero
from trader_broker_binance.cash_wire import deposit, distributions, withdrawal
from trader_broker_binance.names import AS_IS, Names, venue_id
from trader_broker_binance.rules import instrument, listed
from trader_broker_binance.troubles import Product, error

__all__ = [
    "Balances",
    "Ended",
    "Kline",
    "Product",
    "account",
    "balances",
    "bar",
    "deposit",
    "distributions",
    "documents",
    "error",
    "fill",
    "instrument",
    "kline_end",
    "listed",
    "marks",
    "order",
    "position",
    "quote",
    "restrictions",
    "rows",
    "server_time",
    "stream_event",
    "trade",
    "withdrawal",
]  # fmt: skip

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
STATES = {
    "NEW": OrderState.WORKING,
    "PENDING_NEW": OrderState.WORKING,
    "PARTIALLY_FILLED": OrderState.WORKING,
    "PENDING_CANCEL": OrderState.CANCEL_SENT,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "STOP_LOSS": OrderType.STOP,
    "TAKE_PROFIT": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT_LIMIT": OrderType.STOP_LIMIT,
}
RIGHTS = {
    "enableReading": "read",
    "enableWithdrawals": "withdraw",
    "enableInternalTransfer": "transfer",
    "permitsUniversalTransfer": "transfer",
}
KLINE = ("start", "open", "high", "low", "close", "volume", "end")


class Ended(Struct, frozen=True):
    """A word of the stream that it has to be built anew, or that something may have been missed (`look_only`)."""

    reason: str
    look_only: bool = False


# ---- orders and fills ------------------------------------------------------------------------------------------------
def order(payload: object, names: Names = AS_IS, types: Mapping[str, OrderType] = TYPES) -> OrderReport:
    """One order of order, openOrders, allOrders, or what a cancel answers (there the first id is origClientOrderId)."""
    fields = Fields(payload, "order")
    symbol = fields.text("symbol")
    moment = next((name for name in ("updateTime", "transactTime", "time") if name in fields), "updateTime")
    return OrderReport(
        key=fields.text("origClientOrderId", "") or fields.text("clientOrderId"),
        venue_id=venue_id(symbol, str(fields.integer("orderId"))),
        symbol=names.ours(symbol),
        side=fields.word("side", SIDES),
        quantity=at_least_zero(fields, "origQty"),
        filled=at_least_zero(fields, "executedQty"),
        state=fields.word("status", STATES, OrderState.UNKNOWN),
        time=fields.millis(moment),
        type=fields.word("type", types, OrderType.MARKET),
        limit_price=above_zero(fields, "price"),
        stop_price=above_zero(fields, "stopPrice"),
    )


def fill(payload: object, names: Names = AS_IS, key: str = "") -> Fill:
    """One of myTrades, or of userTrades. The venue does not say whose order it was: `key` does."""
    fields = Fields(payload, "trade")
    symbol = fields.text("symbol")
    told = "side" in fields  # futures say the word
    side = fields.word("side", SIDES) if told else Side.BUY if fields.flag("isBuyer") else Side.SELL
    return Fill(
        execution_id=str(fields.integer("id")),
        key=key,
        venue_id=venue_id(symbol, str(fields.integer("orderId"))),
        symbol=names.ours(symbol),
        side=side,
        quantity=at_least_zero(fields, "qty"),
        price=at_least_zero(fields, "price"),
        fee=fields.decimal("commission", ZERO),
        time=fields.millis("time"),
        fee_currency=fields.text("commissionAsset", ""),
    )


# ---- the account -----------------------------------------------------------------------------------------------------
class Balances(NamedTuple):
    """A spot account: what it holds, free and locked together."""

    uid: str
    can_trade: bool
    totals: dict[str, Decimal]


def balances(payload: object) -> Balances:
    """GET account."""
    fields = Fields(payload, "account")
    totals: dict[str, Decimal] = {}
    for one in fields.each("balances"):
        total = at_least_zero(one, "free") + at_least_zero(one, "locked")
        asset = one.text("asset")
        if asset in totals:
            raise BadPayload(one.where, "asset", "each asset once", asset)
        totals[asset] = total
    return Balances(fields.text("uid", ""), fields.flag("canTrade", False), totals)


def account(
    payload: object, *, currency: str = "USDT", prices: Mapping[str, Decimal] | None = None, time: datetime = EPOCH,
    kind: Literal["paper", "demo", "live"] = "demo", permissions: tuple[str, ...] = (),
) -> Account:  # fmt: skip
    """GET account. `prices`: asset -> its price in `currency`, of those that count as positions."""
    held = balances(payload)
    cash = held.totals.get(currency, ZERO)
    worth = sum((held.totals.get(asset, ZERO) * price for asset, price in (prices or {}).items()), ZERO)
    rights = permissions or (("read", "trade") if held.can_trade else ("read",))
    return Account(held.uid, kind, currency, cash, cash + worth, cash, shorting=False, time=time, permissions=rights)


def position(payload: object, *, currency: str = "USDT", price: Decimal = ZERO) -> Position:
    """One balance: what is held of BASE is a position in BASE/`currency`."""
    fields = Fields(payload, "balance")
    total = at_least_zero(fields, "free") + at_least_zero(fields, "locked")
    return Position(f"{fields.text('asset')}/{currency}", total, price)


def restrictions(payload: object, product: Product = "spot") -> tuple[str, ...]:
    """GET /sapi/v1/account/apiRestrictions: what the key may do, trade meaning in this product."""
    fields = Fields(payload, "restrictions")
    fields.flag("enableReading")
    rights = {**RIGHTS, "enableSpotAndMarginTrading" if product == "spot" else "enableFutures": "trade"}
    return tuple(dict.fromkeys(word for name, word in rights.items() if fields.flag(name, False)))


def server_time(payload: object) -> datetime:
    """GET time."""
    return Fields(payload, "time").millis("serverTime")


# ---- market data -----------------------------------------------------------------------------------------------------
class Kline(NamedTuple):
    """One candlestick; `start` is UTC."""

    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


def bar(payload: object) -> Kline:
    """One of klines."""
    fields = _row(payload, KLINE, "kline")
    return Kline(fields.millis("start"), *(fields.real(name) for name in KLINE[1:6]))


def kline_end(kline: Kline, seconds: int) -> datetime:
    """When it is closed."""
    return kline.start + timedelta(seconds=seconds)


def _row(payload: object, columns: Sequence[str], where: str) -> Fields:
    if not isinstance(payload, Sequence) or isinstance(payload, str | bytes) or len(payload) < len(columns):
        raise BadPayload(where, "", f"a list of {len(columns)} values", payload)
    return Fields(dict(zip(columns, payload, strict=False)), where)


def trade(payload: object, symbol: str) -> tuple[int, Trade]:
    """One of aggTrades, and its id."""
    fields = Fields(payload, "aggTrade")
    return fields.integer("a"), Trade(symbol, fields.millis("T"), fields.real("p"), fields.real("q"))


def quote(payload: object, time: datetime, names: Names = AS_IS) -> Quote:
    """One of bookTicker; `time` where the venue does not say it (spot)."""
    fields = Fields(payload, "bookTicker")
    return Quote(
        names.ours(fields.text("symbol")), fields.millis("time", time), fields.real("bidPrice"),
        fields.real("askPrice"), fields.real("bidQty"), fields.real("askQty"),
    )  # fmt: skip


def marks(payload: object) -> dict[str, Decimal]:
    """bookTicker of one or of all: venue's symbol -> the middle of bid and ask; what nobody quotes is left out."""
    found: dict[str, Decimal] = {}
    for one in every([payload] if isinstance(payload, Mapping) else payload, "bookTicker"):
        sides = [price for name in ("bidPrice", "askPrice") if (price := above_zero(one, name)) is not None]
        if sides:
            found[one.text("symbol")] = sum(sides, ZERO) / len(sides)
    return found


# ---- the user stream -------------------------------------------------------------------------------------------------
def stream_event(payload: object, names: Names = AS_IS) -> list[OrderReport | Fill | Ended]:
    """What one message of the spot user stream says; nothing for what the queries tell better."""
    fields = Fields(payload, "event")
    kind = fields.text("e", "")
    if kind == "executionReport":
        return _execution(fields, names)
    if kind in ("error", "eventStreamTerminated", "listenKeyExpired"):
        return [Ended(f"{kind}: {str(fields.raw('m', ''))[:100]}".rstrip(": "))]
    return []


def _execution(fields: Fields, names: Names) -> list[OrderReport | Fill | Ended]:
    symbol = fields.text("s")
    # After a cancel "c" is the cancel's own id, and "C" the order's.
    key = fields.text("C", "") or fields.text("c")
    report = OrderReport(
        key=key,
        venue_id=venue_id(symbol, str(fields.integer("i"))),
        symbol=names.ours(symbol),
        side=fields.word("S", SIDES),
        quantity=at_least_zero(fields, "q"),
        filled=at_least_zero(fields, "z"),
        state=fields.word("X", STATES, OrderState.UNKNOWN),
        time=fields.millis("T"),
        type=fields.word("o", TYPES, OrderType.MARKET),
        limit_price=above_zero(fields, "p"),
        stop_price=above_zero(fields, "P"),
        reason="" if fields.text("r", "NONE") == "NONE" else fields.text("r"),
    )
    return [fill_in(fields, report), report] if fields.text("x", "") == "TRADE" else [report]


def fill_in(fields: Fields, report: OrderReport) -> Fill:
    """The execution that an event of either product tells of."""
    return Fill(
        execution_id=str(fields.integer("t")),
        key=report.key,
        venue_id=report.venue_id,
        symbol=report.symbol,
        side=report.side,
        quantity=at_least_zero(fields, "l"),
        price=at_least_zero(fields, "L"),
        fee=fields.decimal("n", ZERO),
        time=report.time,
        fee_currency=fields.text("N", ""),
    )


def documents(payload: object, where: str) -> list[Any]:
    """A list of objects that the venue answered with. BadPayload if it is none."""
    count = sum(1 for _ in every(payload, where))
    return list(payload) if count and isinstance(payload, Sequence) else []


def rows(payload: object, where: str) -> Sequence[Any]:
    """A list of anything that the venue answered with. BadPayload if it is none."""
    if not isinstance(payload, Sequence) or isinstance(payload, str | bytes):
        raise BadPayload(where, "", "a list", payload)
    return payload
