"""A pair's filters on the spot market: as exchangeInfo tells them, and as an order meets them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trader.model import Side

from trader_emulators.binance.listing import QUOTE, Pair
from trader_emulators.binance.moments import eight
from trader_emulators.binance.refusal import Refused, filtered

HIGHEST = Decimal(1_000_000)
FAR_UP, FAR_DOWN = Decimal(5), Decimal("0.2")
"""A limit may be so many times the last price at most, and at least."""
LARGEST = Decimal(900_000_000)
"""The largest order in USDT."""
OPEN_ORDERS, STOPS = 200, 5
"""In one symbol; the stops count among the others too."""
PRECISION = 8
TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT")


def told(pair: Pair) -> dict[str, Any]:
    """One symbol of exchangeInfo."""
    return {
        "symbol": pair.name,
        "status": "TRADING",
        "baseAsset": pair.base,
        "baseAssetPrecision": PRECISION,
        "quoteAsset": QUOTE,
        "quotePrecision": PRECISION,
        "quoteAssetPrecision": PRECISION,
        "baseCommissionPrecision": PRECISION,
        "quoteCommissionPrecision": PRECISION,
        "orderTypes": list(TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(pair),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _filters(pair: Pair) -> list[dict[str, Any]]:
    up, down = str(FAR_UP), str(FAR_DOWN)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": eight(pair.tick), "maxPrice": eight(HIGHEST),
         "tickSize": eight(pair.tick)},
        {"filterType": "LOT_SIZE", "minQty": eight(pair.lot), "maxQty": eight(pair.most), "stepSize": eight(pair.lot)},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {"filterType": "MARKET_LOT_SIZE", "minQty": eight(Decimal(0)), "maxQty": eight(pair.most),
         "stepSize": eight(Decimal(0))},
        {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": up, "bidMultiplierDown": down,
         "askMultiplierUp": up, "askMultiplierDown": down, "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": eight(pair.least), "applyMinToMarket": True,
         "maxNotional": eight(LARGEST), "applyMaxToMarket": False, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": OPEN_ORDERS},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": STOPS},
    ]  # fmt: skip


def precise(name: str, number: Decimal, places: int) -> None:
    """Refused for more digits than the venue keeps."""
    if -int(number.normalize().as_tuple().exponent) > places:
        raise Refused(-1111, f"Parameter '{name}' has too much precision.")


def passes_price(pair: Pair, price: Decimal) -> None:
    """Refused for what is no price of the pair."""
    if price < pair.tick or price > HIGHEST or price % pair.tick:
        raise filtered("PRICE_FILTER")


def passes_distance(price: Decimal, last: Decimal) -> None:
    """Refused for a price far from the last one."""
    if not last * FAR_DOWN <= price <= last * FAR_UP:
        raise filtered("PERCENT_PRICE_BY_SIDE")


def passes_quantity(pair: Pair, quantity: Decimal) -> None:
    """Refused for what is no quantity of the pair."""
    if quantity < pair.lot or quantity > pair.most or quantity % pair.lot:
        raise filtered("LOT_SIZE")


def passes_worth(pair: Pair, worth: Decimal) -> None:
    """Refused for an order that is too small."""
    if worth < pair.least:
        raise filtered("NOTIONAL")


def passes_maker(side: Side, price: Decimal, bid: Decimal, ask: Decimal) -> None:
    """Refused for a LIMIT_MAKER that would take."""
    if price >= ask if side is Side.BUY else price <= bid:
        raise Refused(-2010, "Order would immediately match and take.")


def passes_trigger(side: Side, stop: Decimal, last: Decimal) -> None:
    """Refused for a stop that the price has reached already."""
    if stop <= last if side is Side.BUY else stop >= last:
        raise Refused(-2010, "Stop price would trigger immediately.")
