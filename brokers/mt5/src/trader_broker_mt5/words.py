"""The numbers of MetaTrader and what they mean for us. Pure tables."""

from __future__ import annotations

from trader.model import OrderState, OrderType, Rejected, Unknown
from trader.wire import AuthFailed, RateLimited, Trouble

EMULATOR = "trader-emulator"
"""The server name of an emulated account."""
DEAL, PENDING, REMOVE = 1, 5, 8
"""Trade actions."""
FOK, IOC, RETURN = 0, 1, 2
"""Values of ORDER_FILLING, not to be mixed up with the mask in a symbol's `filling_mode`:"""
MAY_FOK, MAY_IOC = 1, 2
REQUEST, INSTANT, MARKET, EXCHANGE = 0, 1, 2, 3
"""Execution modes of a symbol."""
HEDGING = 2
"""The margin mode in which each opening order has a position of its own."""
OUT_BY = 3
"""The entry of a deal that closed a ticket by an opposite one."""
GTC, DAY = 0, 1
"""Values of ORDER_TIME; in a symbol's `expiration_mode` they are the bits 1 and 2."""
TYPES = {OrderType.MARKET: 0, OrderType.LIMIT: 2, OrderType.STOP: 4, OrderType.STOP_LIMIT: 6}
"""Of a buy; a sell is one more."""
ALLOWED = {OrderType.MARKET: 1, OrderType.LIMIT: 2, OrderType.STOP: 4, OrderType.STOP_LIMIT: 8}
"""Bits of a symbol's `order_mode`."""
STATES = {
    0: OrderState.WORKING,  # started: checked, not yet taken by the broker
    1: OrderState.WORKING,  # placed
    2: OrderState.CANCELED,
    3: OrderState.WORKING,  # partial; in the history it is over, see wire.order
    4: OrderState.FILLED,
    5: OrderState.REJECTED,
    6: OrderState.EXPIRED,
    7: OrderState.WORKING,  # being registered
    8: OrderState.WORKING,  # being modified
    9: OrderState.CANCEL_SENT,
}
BY_THE_SERVER = range(4, 11)
"""Reasons of a deal that no order of ours made, though it shows the magic of the position: stop loss, take profit,
stop out, rollover, variation margin, split, corporate action."""
CASH = {
    2: "transfer", 3: "transfer", 4: "fee", 5: "adjustment", 6: "transfer", 7: "fee", 8: "fee", 9: "fee", 10: "fee",
    11: "fee", 12: "interest", 15: "dividend", 16: "dividend", 17: "fee",
}  # fmt: skip
"""Deal types that move money without a trade; 13 and 14 are trades that were taken back."""

SENT, DONE, PARTIAL, NO_CHANGES = 10008, 10009, 10010, 10025
SWITCHED_OFF = (
    "algorithmic trading is switched off in the terminal: press Algo Trading, and see Tools > Options > Expert Advisors"
)
REFUSALS = {
    10004: ("price", "requote: the price moved before the order was executed"),
    10006: ("refused", "the server refused the request"),
    10007: ("refused", "a dealer canceled the request"),
    10013: ("refused", "the request is invalid"),
    10014: ("quantity", "the volume is invalid"),
    10015: ("price", "the price is invalid"),
    10016: ("price", "the price is too near to the market, or on its wrong side (stops level)"),
    10017: ("not_tradable", "trading is disabled"),
    10018: ("market_closed", "the market is closed"),
    10019: ("funds", "there is not enough money"),
    10020: ("price", "the price changed"),
    10021: ("price", "there are no quotes"),
    10022: ("refused", "the expiration is invalid"),
    10026: ("refused", "the server has disabled algorithmic trading for this account: ask the broker"),
    10027: ("refused", SWITCHED_OFF),
    10029: ("refused", "the order or position is frozen: too near to its execution"),
    10030: ("refused", "the filling mode is not supported for this symbol"),
    10032: ("refused", "only live accounts may do this"),
    10033: ("refused", "the account has as many pending orders as it may"),
    10034: ("quantity", "the volume of orders and positions in this symbol is at its limit"),
    10035: ("refused", "the order type is invalid or prohibited"),
    10036: ("position", "the position is closed already"),
    10038: ("quantity", "the volume to close exceeds the position's"),
    10039: ("position", "an order to close this position exists already"),
    10040: ("refused", "the account has as many positions as it may"),
    10041: ("refused", "the activation was refused, the order is canceled"),
    10042: ("not_tradable", "only long positions are allowed in this symbol"),
    10043: ("not_tradable", "only short positions are allowed in this symbol"),
    10044: ("reduce_only", "positions in this symbol may only be closed"),
    10045: ("position", "positions may only be closed in the order in which they were opened (FIFO)"),
    10046: ("position", "opposite positions in one symbol are prohibited for this account"),
}
"""The server said no."""
DOUBTS = {
    SENT: ("server", "placed: it is not certain that it reached the trade server"),
    10011: ("server", "the request could not be processed"),
    10012: ("timeout", "the trade server did not answer in time"),
    10023: ("server", "the order changed meanwhile"),
    10028: ("server", "the request is locked for processing"),
    10031: ("connection", "the terminal has no connection to the trade server"),
}
"""Nobody knows. What is in no table is a doubt too."""
TOO_MANY, QUIET = 10024, 1.0
"""Too many requests; MetaTrader does not say for how long: so many seconds."""
INVALID, UNAUTHORIZED, FORBIDDEN = -2, -6, -8
IPC = range(-10005, -9999)
"""The terminal's own faults in talking to its Python module."""


def verdict(code: int, said: str) -> Trouble:
    """What a retcode of order_send means that is none of the successes."""
    told = f" ({said})" if said else ""
    if code == TOO_MANY:
        return RateLimited(f"{code}: too many requests{told}", QUIET)
    if code in REFUSALS:
        kind, reason = REFUSALS[code]
        return Rejected(kind, f"{code}: {reason}{told}")
    kind, reason = DOUBTS.get(code, ("payload", "no retcode that we know"))
    return Unknown(kind, f"{code}: {reason}{told}")


def fault(code: int, said: str) -> Trouble:
    """What last_error means after a function answered None."""
    told = f"last_error {code}" + (f", {said}" if said else "")
    if code == UNAUTHORIZED:
        return AuthFailed(f"the terminal is not logged in to this account ({told})")
    if code == INVALID:
        return Rejected("refused", f"the MetaTrader5 module did not take the arguments, nothing was sent ({told})")
    if code == FORBIDDEN:
        return Rejected("refused", f"{SWITCHED_OFF} ({told})")
    if "too many requests" in said.lower():
        return RateLimited(told, QUIET)
    if code in IPC:
        kind = "timeout" if code == IPC.start else "connection"
        return Unknown(kind, f"the MetaTrader5 module does not reach the terminal ({told})")
    return Unknown("server", f"the terminal did not answer ({told})")
