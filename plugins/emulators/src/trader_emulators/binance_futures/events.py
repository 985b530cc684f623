"""The events of a futures account."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trader.model import ZERO, Fill

from trader_emulators.binance.listing import QUOTE
from trader_emulators.binance.moments import eight, milliseconds, plain
from trader_emulators.binance.orders import PREVENTION
from trader_emulators.binance.register import Seen

REASONS = {"funding": "FUNDING_FEE", "adjustment": "ADJUSTMENT"}
"""Of an ACCOUNT_UPDATE; else DEPOSIT or WITHDRAW."""


def order(seen: Seen, shown: dict[str, Any], now: int, *, kind: str) -> dict[str, Any]:
    """An ORDER_TRADE_UPDATE without an execution. `shown`: the order as it is listed."""
    time = milliseconds(seen.report.time)
    told = {
        "s": shown["symbol"], "c": shown["clientOrderId"], "S": shown["side"], "o": shown["type"],
        "f": shown["timeInForce"], "q": shown["origQty"], "p": shown["price"], "ap": plain(seen.average),
        "sp": plain(seen.taken.order.stop_price or ZERO), "x": kind, "X": shown["status"], "i": seen.order_id,
        "l": "0", "z": shown["executedQty"], "L": "0", "T": time, "t": 0, "b": "0", "a": "0", "m": False,
        "R": shown["reduceOnly"], "wt": "CONTRACT_PRICE", "ot": shown["origType"], "ps": "BOTH", "cp": False,
        "rp": "0", "pP": False, "si": 0, "ss": 0, "V": PREVENTION, "pm": "NONE", "gtd": 0, "er": "0",
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": now, "T": time, "o": told}


def traded(
    seen: Seen, shown: dict[str, Any], now: int, *, fill: Fill, number: int, profit: Decimal
) -> dict[str, Any]:  # fmt: skip
    """An ORDER_TRADE_UPDATE of one execution; `seen` is the order right after it."""
    event = order(seen, shown, now, kind="TRADE")
    event["o"] |= {
        "l": plain(fill.quantity), "L": plain(fill.price), "N": QUOTE, "n": plain(fill.fee), "t": number,
        "T": milliseconds(fill.time), "rp": plain(profit),
    }  # fmt: skip
    return event


def lite(shown: dict[str, Any], now: int, fill: Fill, number: int) -> dict[str, Any]:
    """A TRADE_LITE: the same execution once more, sooner and with less."""
    return {
        "e": "TRADE_LITE", "E": now, "T": milliseconds(fill.time), "s": shown["symbol"], "q": shown["origQty"],
        "p": shown["price"], "m": False, "c": shown["clientOrderId"], "S": shown["side"], "L": plain(fill.price),
        "l": plain(fill.quantity), "t": number, "i": shown["orderId"],
    }  # fmt: skip


def account(
    now: int, reason: str, cash: Decimal, change: Decimal, positions: list[dict[str, Any]]
) -> dict[str, Any]:  # fmt: skip
    """An ACCOUNT_UPDATE. `change`: of the balance, without what trading did."""
    balance = {"a": QUOTE, "wb": eight(cash), "cw": eight(cash), "bc": plain(change)}
    return {"e": "ACCOUNT_UPDATE", "E": now, "T": now, "a": {"m": reason, "B": [balance], "P": positions}}


def position(name: str, held: Decimal, entry: Decimal, mark: Decimal, margin_type: str) -> dict[str, Any]:
    """One position of an ACCOUNT_UPDATE."""
    return {
        "s": name, "pa": plain(held), "ep": plain(entry), "bep": plain(entry), "cr": "0",
        "up": eight(held * (mark - entry)), "mt": margin_type, "iw": "0", "ps": "BOTH",
    }  # fmt: skip


def reason(kind: str, amount: Decimal) -> str:
    """Why money moved without a trade."""
    return REASONS.get(kind) or ("DEPOSIT" if amount > 0 else "WITHDRAW")
