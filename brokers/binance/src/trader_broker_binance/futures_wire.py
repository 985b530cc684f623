"""What only USD-M futures answer: conditional orders (their own service, their own ids), positions, income. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import structs
from trader.errors import BadPayload
from trader.model import ZERO, Account, CashEvent, Fill, Instrument, OrderReport, OrderState, OrderType, Position
from trader.wire import EPOCH, Fields, Trouble, every

from trader_broker_binance import wire
from trader_broker_binance.amounts import above_zero, at_least_zero
from trader_broker_binance.names import AS_IS, CONDITIONAL, Names, venue_id
from trader_broker_binance.troubles import error as _error
from trader_broker_binance.wire import SIDES, STATES, Ended

TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOP": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT_MARKET": OrderType.STOP,
    "TRAILING_STOP_MARKET": OrderType.STOP,
    "LIQUIDATION": OrderType.MARKET,
}
ALGO_STATES = {
    "NEW": OrderState.WORKING,
    "TRIGGERING": OrderState.WORKING,
    "TRIGGERED": OrderState.WORKING,
    "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED,
    "REJECTED": OrderState.REJECTED,
}
"""FINISHED is not among them: filled or canceled, only the order that it became can tell."""
IN_TRADES = ("REALIZED_PNL", "COMMISSION")
"""Income that the trades tell of."""
Kind = Literal["dividend", "fee", "funding", "interest", "transfer", "adjustment"]
INCOME: dict[str, Kind] = {
    "FUNDING_FEE": "funding",
    "TRANSFER": "transfer",
    "INTERNAL_TRANSFER": "transfer",
    "CROSS_COLLATERAL_TRANSFER": "transfer",
    "STRATEGY_UMFUTURES_TRANSFER": "transfer",
    "COIN_SWAP_DEPOSIT": "transfer",
    "COIN_SWAP_WITHDRAW": "transfer",
    "COMMISSION_REBATE": "fee",
    "API_REBATE": "fee",
    "REFERRAL_KICKBACK": "fee",
    "FEE_RETURN": "fee",
    "POSITION_LIMIT_INCREASE_FEE": "fee",
}
"""The rest (INSURANCE_CLEAR, WELCOME_BONUS, AUTO_EXCHANGE, ...) are adjustments."""


class Algo(NamedTuple):
    """A conditional order, and the plain order that it became ("" while it waits)."""

    report: OrderReport
    became: str


def error(status: int, body: bytes | str, retry_after: float | None = None) -> Trouble:
    """`wire.error` of this product."""
    return _error(status, body, "futures", retry_after)


def order(payload: object, names: Names = AS_IS) -> OrderReport:
    """One plain order."""
    return wire.order(payload, names, TYPES)


def fill(payload: object, names: Names = AS_IS, key: str = "") -> Fill:
    """One of userTrades."""
    return wire.fill(payload, names, key)


def instrument(payload: object) -> Instrument:
    """One symbol of exchangeInfo."""
    return wire.instrument(payload, "futures")


def algo(payload: object, names: Names = AS_IS) -> Algo:
    """One conditional order, of algoOrder, openAlgoOrders, allAlgoOrders."""
    fields = Fields(payload, "algo")
    symbol = fields.text("symbol")
    became = fields.text("actualOrderId", "")
    report = OrderReport(
        key=fields.text("clientAlgoId"),
        venue_id=venue_id(symbol, str(fields.integer("algoId")), CONDITIONAL),
        symbol=names.ours(symbol),
        side=fields.word("side", SIDES),
        quantity=at_least_zero(fields, "quantity"),
        filled=at_least_zero(fields, "actualQty", ZERO),
        state=fields.word("algoStatus", ALGO_STATES, OrderState.UNKNOWN),
        time=fields.millis("updateTime" if "updateTime" in fields else "createTime"),
        type=fields.word("orderType", TYPES, OrderType.STOP),
        limit_price=above_zero(fields, "price"),
        stop_price=above_zero(fields, "triggerPrice"),
    )
    return Algo(report, "" if became == "0" else became)


def merged(conditional: OrderReport, plain: OrderReport) -> OrderReport:
    """A conditional order by its own ids, as the order that it became stands."""
    return structs.replace(conditional, filled=plain.filled, state=plain.state, time=plain.time, reason=plain.reason)


def position(payload: object, names: Names = AS_IS) -> Position:
    """One of positionRisk; BadPayload for one half of a hedge."""
    fields = Fields(payload, "position")
    side = fields.text("positionSide", "BOTH")
    if side != "BOTH":
        raise BadPayload(fields.where, "positionSide", "BOTH (one-way mode)", side)
    price = at_least_zero(fields, "entryPrice")
    return Position(names.ours(fields.text("symbol")), fields.decimal("positionAmt"), price)


def account(
    payload: object, *, currency: str = "USDT", account_id: str = "", time: datetime = EPOCH,
    kind: Literal["paper", "demo", "live"] = "demo", permissions: tuple[str, ...] = (),
) -> Account:  # fmt: skip
    """GET account: one asset's wallet (cash, with realized profit) and margin balance (with unrealized)."""
    fields = Fields(payload, "account")
    trades = fields.flag("canTrade", False)
    cash = equity = settled = ZERO
    for one in fields.each("assets"):
        if one.text("asset") == currency:
            cash, equity = one.decimal("walletBalance"), one.decimal("marginBalance")
            settled = one.decimal("availableBalance", cash)
    rights = permissions or (("read", "trade") if trades else ("read",))
    return Account(account_id, kind, currency, cash, equity, settled, shorting=True, time=time, permissions=rights)


def alias(payload: object) -> str:
    """GET balance: the account's own code, the same in every row."""
    found = {one.text("accountAlias") for one in every(payload, "balance")}
    if len(found) != 1:
        raise BadPayload("balance", "accountAlias", "one code in every row", sorted(found))
    return found.pop()


def hedged(payload: object) -> bool:
    """GET positionSide/dual: True where longs and shorts are kept apart."""
    return Fields(payload, "positionSide").flag("dualSidePosition")


def income(payload: object, names: Names = AS_IS) -> CashEvent | None:
    """One of income; None for what the trades tell of. A tranId is unique among its own kind."""
    fields = Fields(payload, "income")
    kind = fields.text("incomeType")
    if kind in IN_TRADES:
        fields.millis("time")
        return None
    symbol = fields.text("symbol", "")
    return CashEvent(
        f"{kind}:{fields.text('tranId')}", INCOME.get(kind, "adjustment"), fields.decimal("income"),
        fields.text("asset"), fields.millis("time"), names.ours(symbol) if symbol else None,
    )  # fmt: skip


def done(payload: object) -> int:
    """What a cancel of everything answers: its code is 200, as a number or as text."""
    fields = Fields(payload, "answer")
    code = fields.integer("code")
    if code != 200:
        raise BadPayload("answer", "code", "200", code)
    return code


def canceled(payload: object, key: str, number: str) -> str:
    """The number of the conditional order that was canceled. BadPayload if it is not the one that was meant."""
    fields = Fields(payload, "canceled")
    told = str(fields.integer("algoId"))
    if (number and told != number) or (not number and fields.text("clientAlgoId") != key):
        raise BadPayload("canceled", "algoId", number or key, told)
    return told


def income_row(payload: object) -> tuple[str, datetime]:
    """The venue's symbol that one of income is about ("" for none), and when it was."""
    fields = Fields(payload, "income")
    return fields.text("symbol", ""), fields.millis("time")


class Became(NamedTuple):
    """A conditional order was triggered: its key and id, and the plain order's number."""

    symbol: str
    key: str
    algo_id: str
    number: str


def became(payload: object) -> Became | None:
    """What an ALGO_UPDATE tells of the order that the conditional one became; None for anything else."""
    fields = Fields(payload, "event")
    if fields.text("e", "") != "ALGO_UPDATE":
        return None
    told = fields.inside("o")
    number = told.text("ai", "")
    if not number or number == "0":
        return None
    return Became(told.text("s"), told.text("caid"), str(told.integer("aid")), number)


def stream_event(payload: object, names: Names = AS_IS) -> list[OrderReport | Fill | Ended]:
    """What one message of the futures user stream says."""
    fields = Fields(payload, "event")
    kind = fields.text("e", "")
    if kind == "ORDER_TRADE_UPDATE":
        return _order_update(fields.inside("o"), names)
    if kind == "ALGO_UPDATE":
        return _algo_update(fields, names)
    if kind in ("error", "listenKeyExpired", "eventStreamTerminated"):
        return [Ended(f"{kind}: {str(fields.raw('m', ''))[:100]}".rstrip(": "))]
    return [Ended("margin call", look_only=True)] if kind == "MARGIN_CALL" else []


def _order_update(fields: Fields, names: Names) -> list[OrderReport | Fill | Ended]:
    symbol = fields.text("s")
    report = OrderReport(
        key=fields.text("c"),
        venue_id=venue_id(symbol, str(fields.integer("i"))),
        symbol=names.ours(symbol),
        side=fields.word("S", SIDES),
        quantity=at_least_zero(fields, "q"),
        filled=at_least_zero(fields, "z"),
        state=fields.word("X", STATES, OrderState.UNKNOWN),
        time=fields.millis("T"),
        type=fields.word("o", TYPES, OrderType.MARKET),
        limit_price=above_zero(fields, "p"),
        stop_price=above_zero(fields, "sp"),
    )
    what = fields.text("x", "")
    if what == "CALCULATED":  # a liquidation: the queries have it with its ids
        return [report, Ended("liquidation", look_only=True)]
    return [wire.fill_in(fields, report), report] if what == "TRADE" else [report]


def _algo_update(event: Fields, names: Names) -> list[OrderReport | Fill | Ended]:
    fields = event.inside("o")
    symbol, state = fields.text("s"), fields.word("X", ALGO_STATES, OrderState.UNKNOWN)
    report = OrderReport(
        key=fields.text("caid"),
        venue_id=venue_id(symbol, str(fields.integer("aid")), CONDITIONAL),
        symbol=names.ours(symbol),
        side=fields.word("S", SIDES),
        quantity=at_least_zero(fields, "q"),
        filled=at_least_zero(fields, "aq", ZERO),
        state=state,
        time=event.millis("T"),
        type=fields.word("o", TYPES, OrderType.STOP),
        limit_price=above_zero(fields, "p"),
        stop_price=above_zero(fields, "tp"),
        reason=fields.text("rm", ""),
    )
    if state is OrderState.UNKNOWN:  # FINISHED: the order that it became says how
        return [Ended("a conditional order finished", look_only=True)]
    return [report]
