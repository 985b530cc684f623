"""An order as it is asked for: read, checked by Alpaca's rules, and weighed against the account. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any

from trader.model import ZERO, OrderReport, OrderType, Side, TimeInForce

from trader_emulators.alpaca.assets import CRYPTO_MINIMUM, Asset, is_whole
from trader_emulators.alpaca.text import Refused, amount, dollars, invalid, no

LONGEST = 128
SUB_PENNY = "sub-penny increment does not fulfill minimum pricing criteria"
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
LIMITS = (OrderType.LIMIT, OrderType.STOP_LIMIT)


@dataclass(frozen=True, slots=True)
class Wish:
    """A well-formed order. `notional`: the dollars it was asked for in, then `quantity` is what they buy now."""

    asset: Asset
    side: Side
    quantity: Decimal
    notional: Decimal | None
    type: OrderType
    time_in_force: TimeInForce
    limit: Decimal | None
    stop: Decimal | None
    client_order_id: str
    extended_hours: bool = False


@dataclass(frozen=True, slots=True)
class Purse:
    """What the account has for one more order in a symbol. `held` is signed; `held_for_orders` of it are promised to
    orders that reduce it; `buying_power` for buys and `short_power` for shorts are dollars, less what is promised."""

    held: Decimal
    held_for_orders: Decimal
    buying_power: Decimal
    short_power: Decimal


def refused(code: int, message: str, **more: str) -> Refused:
    """An order that the rules forbid, or that the account does not carry."""
    return Refused(no(403 if code // 100_000 == 403 else 422, code, message, **more))


def body_of(body: bytes) -> dict[str, Any]:
    """A JSON object, its numbers as decimals."""
    try:
        read = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise Refused(no(400, 40010000, "request body format is invalid"))
    return read


def number(body: Mapping[str, Any], name: str) -> Decimal | None:
    """A decimal written as a text or as a number; None if it is not there."""
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        read = Decimal(value) if isinstance(value, str | Decimal) else None
    except InvalidOperation:
        read = None
    if read is None or not read.is_finite():
        raise invalid(f"{name} is not a valid number")
    return read


def wish(
    body: Mapping[str, Any], find: Callable[[str], Asset | None], price_of: Callable[[str], Decimal], fresh_id: str
) -> Wish:
    """Refused for what Alpaca refuses by its rules. `fresh_id`: the client's id if it sends none."""
    name = body.get("symbol")
    if not isinstance(name, str) or not name:
        raise invalid("symbol is required")
    asset = find(name)
    if asset is None:
        raise refused(42210000, f'asset "{name}" not found')
    side = _word(Side, body.get("side"), "side")
    kind = _word(OrderType, body.get("type"), "order type")
    time_in_force = _word(TimeInForce, body.get("time_in_force"), "time_in_force")
    if body.get("order_class") not in (None, "", "simple"):
        raise refused(42210000, f"order_class {body['order_class']} is not emulated")
    limit, stop = _prices(body, kind)
    for label, price in (("limit_price", limit), ("stop_price", stop)):
        check_price(label, price, asset)
    quantity, notional = _quantity(body, asset.lot, price_of(asset.symbol))
    extended = body.get("extended_hours") is True
    if extended and not (kind is OrderType.LIMIT and time_in_force is TimeInForce.DAY):
        raise refused(42210000, "extended hours order must be DAY limit orders")
    found = Wish(asset, side, quantity, notional, kind, time_in_force, limit, stop, _client_id(body, fresh_id),
                 extended)  # fmt: skip
    check_time(found)
    check_size(found, limit or stop or price_of(asset.symbol))
    return found


def _word(kind: Any, value: object, label: str) -> Any:
    if value is None or value == "":
        raise invalid(f"{label} is required")
    if value not in list(kind):
        if value in ("trailing_stop", "opg", "cls"):
            raise refused(42210000, f"{label} {value} is not emulated")
        raise invalid(f"invalid {label}")
    return kind(value)


def _client_id(body: Mapping[str, Any], fresh_id: str) -> str:
    given = body.get("client_order_id")
    if given is None or given == "":
        return fresh_id
    if not isinstance(given, str) or len(given) > LONGEST:
        raise invalid(f"client_order_id must be no more than {LONGEST} characters")
    return given


def _prices(body: Mapping[str, Any], kind: OrderType) -> tuple[Decimal | None, Decimal | None]:
    limit, stop = number(body, "limit_price"), number(body, "stop_price")
    words = {
        OrderType.MARKET: "market orders require no stop or limit price",
        OrderType.LIMIT: "limit orders require only limit price",
        OrderType.STOP: "stop orders require only stop price",
        OrderType.STOP_LIMIT: "stop limit orders require both stop and limit price",
    }
    if (limit is not None) is not (kind in LIMITS) or (stop is not None) is not (kind in STOPS):
        raise invalid(words[kind])
    return limit, stop


def check_price(label: str, price: Decimal | None, asset: Asset) -> None:
    """Two digits after the point from a dollar on, four below."""
    if price is None:
        return
    if price <= 0:
        raise invalid(f"{label} must be > 0")
    step = Decimal("0.0001") if price < 1 and not asset.crypto else Decimal("0.01")
    if price % step:
        raise refused(42210000, f"invalid {label} {price:f}. {SUB_PENNY}")


def _quantity(body: Mapping[str, Any], lot: Decimal, price: Decimal) -> tuple[Decimal, Decimal | None]:
    quantity, notional = number(body, "qty"), number(body, "notional")
    if quantity is None and notional is None:
        raise invalid("qty or notional is required")
    if quantity is not None and notional is not None:
        raise invalid("only one of qty or notional is accepted")
    if quantity is not None:
        if quantity <= 0:
            raise invalid("qty must be > 0")
        return quantity, None
    if notional is None or notional <= 0:
        raise invalid("notional must be > 0")
    if notional % Decimal("0.01"):
        raise refused(42210000, "notional value must be limited to 2 decimal places")
    return (notional / price).quantize(lot, ROUND_DOWN), notional


def check_time(found: Wish) -> None:
    """Which orders may stand how long."""
    kind, time_in_force = found.type, found.time_in_force
    if found.asset.crypto:
        if time_in_force not in (TimeInForce.GTC, TimeInForce.IOC):
            raise refused(42210000, "invalid crypto time_in_force")
        if kind is OrderType.STOP:
            raise refused(42210000, "invalid order type for crypto order")
    elif (not is_whole(found.quantity) or found.notional is not None) and time_in_force is not TimeInForce.DAY:
        raise refused(42210000, "fractional orders must be DAY orders")
    if found.notional is not None and kind is not OrderType.MARKET:
        raise refused(42210000, "notional orders must be market orders")
    if kind in STOPS and time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        raise refused(42210000, f"{kind.replace('_', ' ')} orders must be DAY or GTC orders")


def check_size(found: Wish, price: Decimal) -> None:
    """Not too small, not too finely cut."""
    asset, quantity = found.asset, found.quantity
    minimum = CRYPTO_MINIMUM if asset.crypto else Decimal(1)
    cost = found.notional or quantity * price
    if cost < minimum:
        raise refused(40310000, f"cost basis must be >= minimal amount of order {minimum}", cost_basis=amount(cost))
    if found.notional is None and quantity % asset.lot:
        digits = -asset.lot.normalize().as_tuple().exponent  # type: ignore[operator]  # it is finite
        raise refused(42210000, f"qty must be limited to {digits} decimal places")


def weigh(found: Wish, purse: Purse, price: Decimal) -> str:
    """Refused if the account does not carry it at `price`; else what it does to the position: its intent."""
    asset, side, quantity = found.asset, found.side, found.quantity
    if purse.held * side.sign < 0:
        available = abs(purse.held) - purse.held_for_orders
        if quantity > available:
            raise _too_many(found, purse, available)
        return f"{side}_to_close"
    cost = quantity * price
    if side is Side.BUY:
        if cost > purse.buying_power:
            raise _too_dear(cost, purse.buying_power)
        return "buy_to_open"
    if asset.crypto:
        raise _too_many(found, purse, ZERO)
    if not is_whole(quantity):
        raise refused(42210000, "fractional orders cannot be sold short")
    if cost > purse.short_power:
        raise _too_dear(cost, purse.short_power)
    return "sell_to_open"


def wash(found: Wish, standing: OrderReport) -> str | None:
    """Why the venue will not have an order beside one that works: of the other side, the two could trade with each
    other. Two with limits may stand where these are apart. None: it will."""
    if standing.symbol != found.asset.symbol or standing.side is found.side:
        return None
    if standing.type not in LIMITS:
        return "opposite side market/stop order exists"
    bought, sold = found.limit, standing.limit_price
    if found.side is Side.SELL:
        bought, sold = sold, bought
    if bought is None or sold is None or bought >= sold:
        return "opposite side limit order exists"
    return None


def _too_dear(cost: Decimal, power: Decimal) -> Refused:
    return refused(40310000, "insufficient buying power", buying_power=dollars(power), cost_basis=amount(cost))


def _too_many(found: Wish, purse: Purse, available: Decimal) -> Refused:
    asset, asked = found.asset, amount(found.quantity)
    rest = amount(max(available, ZERO))
    if asset.crypto:
        what = f"insufficient balance for {asset.base} (requested: {asked}, available: {rest})"
    else:
        what = f"insufficient qty available for order (requested: {asked}, available: {rest})"
    return refused(
        40310000, what, available=rest, existing_qty=amount(abs(purse.held)),
        held_for_orders=amount(purse.held_for_orders), symbol=asset.symbol,
    )  # fmt: skip
