"""What Robinhood sends and takes: pure functions between its JSON and the trade's nouns.

Amounts, prices and quantities come as text and leave as text. A payload that cannot be what it should be is a
`BadPayload`; a word that nobody knows (a new order state) is not. Moments are aware UTC.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal, NamedTuple
from uuid import uuid5

from trader.errors import BadPayload
from trader.model import (
    ONE,
    ZERO,
    Account,
    Fill,
    Instrument,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Position,
    Rejected,
    Side,
    TimeInForce,
)
from trader.wire import Fields, every

from trader_broker_robinhood.names import API, SPACE, following, id_in, identity, instrument_id, key_of, rows
from trader_broker_robinhood.prices import INTERVALS, Bar, ask_price, bar, quote, span
from trader_broker_robinhood.trouble import error, plain

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
STATES = {
    "new": OrderState.WORKING, "queued": OrderState.WORKING, "unconfirmed": OrderState.WORKING,
    "confirmed": OrderState.WORKING, "partially_filled": OrderState.WORKING, "locating": OrderState.WORKING,
    "pending": OrderState.WORKING, "pending_cancelled": OrderState.CANCEL_SENT, "filled": OrderState.FILLED,
    "cancelled": OrderState.CANCELED, "canceled": OrderState.CANCELED, "voided": OrderState.CANCELED,
    "partially_filled_rest_cancelled": OrderState.CANCELED, "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED, "failed": OrderState.REJECTED, "not_accepted": OrderState.REJECTED,
    "locate_failed": OrderState.REJECTED,
}  # fmt: skip
FINAL = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED})
TYPES = {("market", "immediate"): OrderType.MARKET, ("limit", "immediate"): OrderType.LIMIT,
         ("market", "stop"): OrderType.STOP, ("limit", "stop"): OrderType.STOP_LIMIT}  # fmt: skip
FORCE = {TimeInForce.DAY: "gfd", TimeInForce.GTC: "gtc"}
FRACTION = Decimal("0.000001")
"""The smallest step of a quantity, where parts of a share are traded."""
CENT = Decimal("0.01")


# ---- the account -----------------------------------------------------------------------------------------------------
class Standing(NamedTuple):
    """What the list of accounts says of one of them."""

    number: str
    cash: Decimal
    """All of it, settled or not."""
    settled: Decimal
    trades: bool


def standing(payload: object) -> Standing:
    """One row of GET /accounts/."""
    fields = Fields(payload, "account")
    unsettled = fields.decimal("unsettled_funds", ZERO) + fields.decimal("uncleared_deposits", ZERO)
    settled = fields.decimal("cash")
    total = fields.decimal("portfolio_cash", None)
    closed = fields.flag("deactivated", False) or fields.flag("only_position_closing_trades", False)
    if total is None:  # older answers: "cash" is without what is unsettled
        return Standing(identity(fields, "account_number"), settled + unsettled, settled, not closed)
    return Standing(identity(fields, "account_number"), total, total - unsettled, not closed)


def account(payload: object, portfolio: object, time: datetime, kind: Literal["paper", "demo", "live"]) -> Account:
    """A row of GET /accounts/ and GET /portfolios/{number}/ together."""
    row, fields = standing(payload), Fields(portfolio, "portfolio")
    equity = fields.decimal("extended_hours_equity", None)
    permissions = ("read", "trade") if row.trades else ("read",)
    return Account(
        row.number, kind, "USD", row.cash, fields.decimal("equity") if equity is None else equity, row.settled,
        shorting=False, time=time, permissions=permissions,
    )  # fmt: skip


def position(payload: object, symbol: str) -> Position:
    """One row of GET /positions/."""
    fields = Fields(payload, "position")
    return Position(symbol, fields.decimal("quantity"), fields.decimal("average_buy_price", ZERO))


# ---- instruments ----------------------------------------------------------------------------------------------------
class Listed(NamedTuple):
    """An instrument, and the id by which everything else names it."""

    id: str
    rules: Instrument


def instrument(payload: object, *, fractional: bool = False) -> Listed:
    """One instrument. `fractional`: parts of a share are traded, where the venue takes them."""
    fields = Fields(payload, "instrument")
    shown = identity(fields, "id")
    tradable = (
        fields.flag("tradeable", True)
        and fields.text("state", "active") == "active"
        and fields.text("tradability", "tradable") == "tradable"
    )
    parts = fractional and fields.text("fractional_tradability", "") == "tradable"
    tick = fields.decimal("min_tick_size", CENT)
    if tick <= 0:
        raise BadPayload("instrument", "min_tick_size", "above 0", tick)
    symbol = identity(fields, "symbol", "") or shown  # a share that is listed no more may have lost its symbol
    return Listed(shown, Instrument(symbol, tick=tick, lot=FRACTION if parts else ONE, tradable=tradable,
                                    shortable=False, tags={"name": plain(fields.text("simple_name", ""))}))  # fmt: skip


# ---- orders ----------------------------------------------------------------------------------------------------------
def order(payload: object, symbol: str) -> OrderReport:
    """One order, in an answer to POST or GET."""
    fields = Fields(payload, "order")
    words = (fields.text("type", "market"), fields.text("trigger", "immediate"))
    if words[0] == "limit" and "preset_percent_limit" in fields:  # a market or stop buy, with its collar
        words = ("market", words[1])
    kind = TYPES.get(words, OrderType.LIMIT if "limit" in words else OrderType.MARKET)
    moments = (fields.iso(name, None) for name in ("updated_at", "last_transaction_at"))
    time: datetime | None = next((moment for moment in moments if moment is not None), None)
    limited = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    return OrderReport(
        key=identity(fields, "ref_id", ""),
        venue_id=identity(fields, "id"),
        symbol=symbol,
        side=fields.word("side", SIDES),
        quantity=fields.decimal("quantity"),
        filled=fields.decimal("cumulative_quantity", ZERO),
        state=fields.word("state", STATES, OrderState.UNKNOWN),
        time=fields.iso("created_at") if time is None else time,
        type=kind,
        limit_price=fields.decimal("price", None) if limited else None,
        stop_price=fields.decimal("stop_price", None),
        reason=plain(fields.text("reject_reason", "")),
    )


def fill(payload: object, whole: OrderReport, before: Decimal) -> Fill:
    """One execution of an order of which `before` was executed earlier. Where it has no id (older orders) it gets one
    made of the order, the quantity executed by then, its price and its moment."""
    fields = Fields(payload, "execution")
    quantity, price, time = fields.decimal("quantity"), fields.decimal("price"), fields.iso("timestamp")
    if quantity <= 0:
        raise BadPayload("execution", "quantity", "above 0", quantity)
    shown = identity(fields, "id", "")
    if not shown:
        made = f"{whole.venue_id}|{(before + quantity).normalize():f}|{price.normalize():f}|{time.isoformat()}"
        shown = str(uuid5(SPACE, made))
    return Fill(shown, whole.key, whole.venue_id, whole.symbol, whole.side, quantity, price,
                fields.decimal("fees", ZERO), time, "USD")  # fmt: skip


def fills(payload: object, symbol: str) -> list[Fill]:
    """The executions inside an order, oldest first."""
    whole = order(payload, symbol)
    sent = Fields(payload, "order").raw("executions", [])
    times = [(fields.iso("timestamp"), row) for row, fields in enumerate(every(sent, "order.executions"))]
    found: list[Fill] = []
    before = ZERO
    for _, row in sorted(times):  # the order of rows is not promised, and an id may be made of it
        found.append(fill(sent[row], whole, before))
        before += found[-1].quantity
    return found


def order_request(
    request: OrderRequest, account_number: str, instrument: str, *, ask: Decimal | None = None, collar: Decimal = ZERO
) -> dict[str, str] | Rejected:
    """The form that is posted; numbers are text. Rejected: Robinhood has no such order.

    A market or stop buy with `ask` (or a stop price) is a limit order that may pay `collar` more, as a fraction.
    """
    force = FORCE.get(request.time_in_force)
    if force is None:
        return Rejected("refused", f"Robinhood takes day and gtc orders, not {request.time_in_force}; nothing was sent")
    if request.reduce_only and request.side is Side.BUY:
        return Rejected("reduce_only", "Robinhood has no short positions to reduce; nothing was sent")
    kind, trigger = next(words for words, meaning in TYPES.items() if meaning is request.type)
    limit = request.limit_price
    if kind == "market" and request.side is Side.BUY:
        mark = request.stop_price if request.type is OrderType.STOP else ask
        if mark is not None and collar:
            kind, limit = "limit", _collared(mark, collar)
    form = {
        "account": f"{API}/accounts/{account_number}/",
        "instrument": f"{API}/instruments/{instrument}/",
        "symbol": request.symbol,
        "side": request.side.value,
        "quantity": f"{request.quantity:f}",
        "type": kind,
        "trigger": trigger,
        "time_in_force": force,
        "ref_id": request.key,
        "market_hours": "regular_hours",
        "extended_hours": "false",
        "order_form_version": "4",  # without it: "Your app version is missing important stock trading updates"
    }
    if kind == "limit" and limit is not None:
        form["price"] = f"{limit:f}"
    if kind == "limit" and request.limit_price is None:
        form["preset_percent_limit"] = f"{collar:f}"  # it does not widen the price; by it the order is known again
    if trigger == "stop" and request.stop_price is not None:
        form["stop_price"] = f"{request.stop_price:f}"
    return form


def _collared(mark: Decimal, collar: Decimal) -> Decimal:
    step = CENT if mark >= 1 else Decimal("0.0001")
    at_least = mark.quantize(step, ROUND_CEILING)
    return max((mark * (1 + collar)).quantize(step, ROUND_FLOOR), at_least)


def taken(payload: object, request: OrderRequest) -> OrderReport:
    """The order that an answer to POST /orders/ shows. BadPayload if it is not the one that was asked for."""
    report = order(payload, request.symbol)
    shown = Fields(payload, "order").text("ref_id", None)
    if shown is not None and shown != request.key:
        raise BadPayload("order", "ref_id", request.key, shown)
    if not Fields(payload, "order").text("state"):
        raise BadPayload("order", "state", "a word", "")
    return report


__all__ = [
    "API", "FINAL", "INTERVALS", "Bar", "Listed", "Standing", "account", "ask_price", "bar", "error", "fill", "fills",
    "following", "id_in", "identity", "instrument", "instrument_id", "key_of", "order", "order_request", "position",
    "quote", "rows", "span", "standing", "taken",
]  # fmt: skip
