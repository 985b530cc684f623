"""exchangeInfo: what is traded, by which rules, and how much may be asked. Pure."""

from __future__ import annotations

from decimal import Decimal

from trader.errors import BadPayload
from trader.model import ZERO, Instrument
from trader.wire import Fields

from trader_broker_binance.amounts import EXACT, above_zero, at_least_zero, plain
from trader_broker_binance.troubles import Product


def listed(payload: object) -> tuple[list[Fields], dict[str, float]]:
    """exchangeInfo: its symbols, and the weight limits by seconds ("60" -> 6000)."""
    fields = Fields(payload, "exchangeInfo")
    limits: dict[str, float] = {}
    seconds = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
    for rate in fields.each("rateLimits", []):
        if rate.text("rateLimitType", "") == "REQUEST_WEIGHT" and rate.text("interval", "") in seconds:
            length = seconds[rate.text("interval")] * rate.integer("intervalNum", 1)
            limits[str(length)] = float(at_least_zero(rate, "limit"))
    return list(fields.each("symbols")), limits


def instrument(payload: object, product: Product = "spot") -> Instrument:
    """One symbol of exchangeInfo: its filters. `tags["venue"]` is the venue's name."""
    fields = payload if isinstance(payload, Fields) else Fields(payload, "symbol")
    filters = {one.text("filterType"): one for one in fields.each("filters")}
    name, base, quote_asset = fields.text("symbol"), fields.text("baseAsset"), fields.text("quoteAsset")
    pair = product == "spot" or fields.text("contractType", "") in ("PERPETUAL", "TRADIFI_PERPETUAL")
    tick = _step(filters.get("PRICE_FILTER"), "tickSize")
    lot = _step(filters.get("LOT_SIZE"), "stepSize")
    coarse = _step(filters.get("MARKET_LOT_SIZE"), "stepSize")
    if coarse is not None and (lot is None or (coarse > lot and not EXACT.remainder(coarse, lot))):
        lot = coarse
    worth = [
        at_least_zero(one, field, ZERO)
        for kind, field in (("MIN_NOTIONAL", "minNotional"), ("MIN_NOTIONAL", "notional"), ("NOTIONAL", "minNotional"))
        if (one := filters.get(kind)) is not None
    ]
    trading = fields.text("status", "") == "TRADING" and fields.flag("isSpotTradingAllowed", True)
    return Instrument(
        f"{base}/{quote_asset}" if pair else name,
        quote_asset,
        tick if tick is not None else _decimals(fields, "quotePrecision" if product == "spot" else "pricePrecision"),
        lot if lot is not None else _decimals(
            fields, "baseAssetPrecision" if product == "spot" else "quantityPrecision"
        ),
        plain(max(worth, default=ZERO)),
        settlement="cash" if product == "spot" else "margin",
        tradable=trading,
        shortable=product == "futures",
        tags={"venue": name},
    )  # fmt: skip


def _step(one: Fields | None, name: str) -> Decimal | None:
    """0 is the venue's word for no rule."""
    value = above_zero(one, name) if one is not None else None
    return plain(value) if value is not None else None


def _decimals(fields: Fields, name: str) -> Decimal:
    digits = fields.integer(name, 8)
    if not 0 <= digits <= 20:
        raise BadPayload(fields.where, name, "0 to 20 digits", digits)
    return Decimal(1).scaleb(-digits)
