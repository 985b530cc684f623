"""A contract's rules on the futures market: as exchangeInfo tells them, and as an order meets them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trader.model import Side

from trader_emulators.binance.listing import QUOTE, Pair
from trader_emulators.binance.moments import plain
from trader_emulators.binance.refusal import Refused

HIGHEST = Decimal(4_529_764)
FAR_UP, FAR_DOWN = Decimal(5), Decimal("0.2")
"""A limit may be so many times the last price at most, and at least: wider than at the venue."""
OPEN_ORDERS, STOPS = 200, 10
"""In one contract: of the plain space, and conditional ones."""
TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET")
FORCES = ("GTC", "IOC", "FOK", "GTX")
IMPRECISE = Refused(-1111, "Precision is over the maximum defined for this asset.")
NEVER = 4_133_404_800_000
"""When a perpetual contract ends, in milliseconds since 1970."""


def told(pair: Pair) -> dict[str, Any]:
    """One symbol of exchangeInfo."""
    return {
        "symbol": pair.name,
        "pair": pair.name,
        "contractType": "PERPETUAL",
        "deliveryDate": NEVER,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": pair.base,
        "quoteAsset": QUOTE,
        "marginAsset": QUOTE,
        "pricePrecision": pair.written_places,
        "quantityPrecision": pair.lot_places,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(pair),
        "orderTypes": list(TYPES),
        "timeInForce": list(FORCES),
    }


def _filters(pair: Pair) -> list[dict[str, Any]]:
    tick, lot, most = str(pair.tick), str(pair.lot), plain(pair.most)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": plain(HIGHEST), "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
        {"filterType": "MAX_NUM_ORDERS", "limit": OPEN_ORDERS},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": STOPS},
        {"filterType": "MIN_NOTIONAL", "notional": plain(pair.least)},
        {"filterType": "PERCENT_PRICE", "multiplierUp": plain(FAR_UP), "multiplierDown": plain(FAR_DOWN),
         "multiplierDecimal": "4"},
    ]  # fmt: skip


def passes_quantity(pair: Pair, quantity: Decimal) -> None:
    """Refused for what is no quantity of the contract."""
    if not quantity:
        raise Refused(-4003, "Quantity less than or equal to zero.")
    if _places(quantity) > pair.lot_places:
        raise IMPRECISE
    if quantity > pair.most:
        raise Refused(-4005, "Quantity greater than max quantity.")


def passes_price(pair: Pair, price: Decimal, last: Decimal) -> None:
    """Refused for what is no price of the contract, or is far from the last one."""
    if not price:
        raise Refused(-4001, "Price less than 0.")
    if _places(price) > pair.written_places:
        raise IMPRECISE
    if price % pair.tick:
        raise Refused(-4014, "Price not increased by tick size.")
    if price > min(last * FAR_UP, HIGHEST):
        raise Refused(-4016, f"Limit price can't be higher than {plain(min(last * FAR_UP, HIGHEST))}.")
    if price < last * FAR_DOWN:
        raise Refused(-4024, f"Limit price can't be lower than {plain(last * FAR_DOWN)}.")


def passes_worth(pair: Pair, worth: Decimal) -> None:
    """Refused for an order that is too small; one that only reduces may be."""
    if worth < pair.least:
        least = plain(pair.least)
        raise Refused(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def passes_maker(side: Side, price: Decimal, bid: Decimal, ask: Decimal) -> None:
    """Refused for a GTX order that would take."""
    if price >= ask if side is Side.BUY else price <= bid:
        raise Refused(-5022, "Due to the order could not be executed as maker, the Post Only order will be rejected.")


def passes_trigger(side: Side, stop: Decimal, last: Decimal) -> None:
    """Refused for a stop that the price has reached already."""
    if stop <= last if side is Side.BUY else stop >= last:
        raise Refused(-2021, "Order would immediately trigger.")


def _places(number: Decimal) -> int:
    return max(0, -int(number.normalize().as_tuple().exponent))
