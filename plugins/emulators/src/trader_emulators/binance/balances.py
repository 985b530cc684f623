"""What a spot account holds, asset by asset: free, and locked in open orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from trader.model import ZERO, OrderReport, OrderType, Position, Side

from trader_emulators.binance.listing import QUOTE
from trader_emulators.binance.moments import eight


class Balance(NamedTuple):
    """Of one asset."""

    asset: str
    free: Decimal
    locked: Decimal


def asset(symbol: str) -> str:
    """What is bought: BTC of BTC/USDT."""
    return symbol.partition("/")[0]


def locked(orders: Iterable[OrderReport]) -> Mapping[str, Decimal]:
    """What open orders hold back. Market orders hold back nothing: at the venue they do not rest."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    for order in orders:
        left = order.quantity - order.filled
        price = order.limit_price or order.stop_price
        if order.side is Side.SELL and order.type is not OrderType.MARKET:
            held[asset(order.symbol)] += left
        elif price is not None:
            held[QUOTE] += left * price
    return held


def balances(
    cash: Decimal, positions: Iterable[Position], working: Iterable[OrderReport], listed: Iterable[str]
) -> list[Balance]:
    """USDT first, then every asset that trades here, also what is not held."""
    total = {QUOTE: cash, **dict.fromkeys(listed, ZERO)}
    total |= {asset(position.symbol): position.quantity for position in positions}
    held = locked(working)
    return [
        Balance(name, max(amount - held[name], ZERO), min(held[name], max(amount, ZERO)))
        for name, amount in total.items()
    ]


def told(balance: Balance) -> dict[str, Any]:
    """One row of the account."""
    return {"asset": balance.asset, "free": eight(balance.free), "locked": eight(balance.locked)}
