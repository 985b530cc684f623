"""The events of a spot account."""

from __future__ import annotations

from typing import Any

from trader.model import ZERO, CashEvent, Fill, OrderState

from trader_emulators.binance.balances import Balance
from trader_emulators.binance.listing import QUOTE
from trader_emulators.binance.moments import eight, milliseconds
from trader_emulators.binance.orders import PREVENTION, common
from trader_emulators.binance.register import FIRST_ORDER, Seen


def report(seen: Seen, name: str, word: str, now: int, *, kind: str, cancel_id: str = "") -> dict[str, Any]:
    """An executionReport without an execution: NEW, CANCELED or EXPIRED. After a cancel "c" is the cancel's own id and
    "C" the order's."""
    order, told = seen.taken.order, common(seen, word)
    made, time = milliseconds(seen.taken.moment), milliseconds(seen.report.time)
    canceled = kind == "CANCELED"
    return {
        "e": "executionReport", "E": now, "s": name, "c": cancel_id if canceled else seen.taken.key, "S": told["side"],
        "o": told["type"], "f": told["timeInForce"], "q": told["origQty"], "p": told["price"],
        "P": eight(order.stop_price or ZERO), "F": eight(ZERO), "g": -1, "C": seen.taken.key if canceled else "",
        "x": kind, "X": told["status"], "r": "NONE", "i": seen.order_id, "l": eight(ZERO), "z": told["executedQty"],
        "L": eight(ZERO), "n": "0", "N": None, "T": time, "t": -1, "I": seen.order_id - FIRST_ORDER,
        "w": seen.report.state is OrderState.WORKING and order.stop_price is None, "m": False, "M": False, "O": made,
        "Z": told["cummulativeQuoteQty"], "Y": eight(ZERO), "Q": eight(ZERO), "W": made, "V": PREVENTION,
    }  # fmt: skip


def traded(seen: Seen, name: str, word: str, now: int, *, fill: Fill, number: int) -> dict[str, Any]:
    """An executionReport of one execution; `seen` is the order right after it."""
    return {
        **report(seen, name, word, now, kind="TRADE"),
        "l": eight(fill.quantity), "L": eight(fill.price), "n": eight(fill.fee), "N": fill.fee_currency or QUOTE,
        "T": milliseconds(fill.time), "t": number, "Y": eight(fill.price * fill.quantity), "M": True,
    }  # fmt: skip


def position(balances: list[Balance], now: int) -> dict[str, Any]:
    """What assets are there after something happened."""
    rows = [{"a": each.asset, "f": eight(each.free), "l": eight(each.locked)} for each in balances]
    return {"e": "outboundAccountPosition", "E": now, "u": now, "B": rows}


def moved(event: CashEvent, now: int) -> dict[str, Any]:
    """Money came or went without a trade."""
    return {"e": "balanceUpdate", "E": now, "a": QUOTE, "d": eight(event.amount), "T": milliseconds(event.time)}
