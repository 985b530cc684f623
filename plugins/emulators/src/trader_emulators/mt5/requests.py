"""An order request as the terminal reads it, and what the server finds wrong with it: pure. 0: nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trader_emulators.mt5.constants import FOK, IOC, RETURN
from trader_emulators.mt5.structs import TradeRequest
from trader_emulators.mt5.symbols import FILLS_FOK, FILLS_IOC, Spec, on_step
from trader_emulators.mt5.words import PARAMS, Refused

INTEGERS = ("action", "magic", "order", "deviation", "type", "type_filling", "type_time", "expiration", "position",
            "position_by")  # fmt: skip
FLOATS = ("volume", "price", "stoplimit", "sl", "tp")
TEXTS = ("symbol", "comment")
LONGEST_COMMENT = 31
LARGEST = 2**64
GTC, DAY, SPECIFIED, SPECIFIED_DAY = range(4)
INVALID, INVALID_VOLUME, INVALID_PRICE, INVALID_STOPS = 10013, 10014, 10015, 10016
INVALID_EXPIRATION, INVALID_FILL, INVALID_ORDER = 10022, 10030, 10035


@dataclass(frozen=True, slots=True)
class Market:
    """What a request is held against."""

    spec: Spec
    bid: float
    ask: float
    now: float
    """Seconds since 1970 on the server's clock."""

    @property
    def level(self) -> float:
        """The least distance of a stop or pending price, in price."""
        return self.spec.stops_level * float(self.spec.point)


def read(request: Any) -> Any:
    """The TradeRequest of a plain dict. Refused for whatever compiled code would not read: before anything is sent."""
    if type(request) is not dict:
        raise Refused(PARAMS, "Invalid arguments")
    if "action" not in request:
        raise Refused(PARAMS, 'Invalid "action" argument')
    for name, value in request.items():
        if not _is_right(name, value):
            raise Refused(PARAMS, f'Invalid "{name}" argument')
    blank: dict[str, Any] = {**dict.fromkeys(INTEGERS, 0), **dict.fromkeys(FLOATS, 0.0), **dict.fromkeys(TEXTS, "")}
    return TradeRequest(**{**blank, **request})


def _is_right(name: Any, value: Any) -> bool:
    if name in INTEGERS:
        return type(value) is int and 0 <= value < LARGEST
    if name in FLOATS:
        return type(value) is float and 0 <= value < float("inf")
    return name in TEXTS and type(value) is str and (name == "symbol" or len(value) <= LONGEST_COMMENT)


def volume(asked: Any, spec: Spec) -> int:
    """In whole steps, within the least and the most."""
    lots = on_step(asked.volume, spec.volume_step)
    return 0 if lots is not None and spec.volume_min <= lots <= spec.volume_max else INVALID_VOLUME


def filling(asked: Any, spec: Spec, *, pending: bool) -> int:
    """The mask of what is allowed has other numbers than the choice. RETURN: of pending orders only."""
    if asked.type_filling == RETURN:
        return 0 if pending else INVALID_FILL
    allowed = {FOK: FILLS_FOK, IOC: FILLS_IOC}.get(asked.type_filling, 0)
    return 0 if allowed & spec.filling else INVALID_FILL


def stops(asked: Any, market: Market, sign: int, price: float) -> int:
    """A stop loss lies on the losing side of the price, a take profit on the other, far enough away."""
    for stop, way in ((asked.sl, -sign), (asked.tp, sign)):
        if stop and not ((stop - price) * way > market.level - 1e-9 and on_tick(stop, market.spec)):
            return INVALID_STOPS
    return 0


def on_tick(price: float, spec: Spec) -> bool:
    """Whether a price is a whole number of points, and not 0."""
    return price > 0 and on_step(price, spec.point) is not None


def pending_price(asked: Any, market: Market) -> int:
    """A limit is better than the market, a stop worse; a stop-limit's limit is no worse than its stop."""
    if not on_tick(asked.price, market.spec):
        return INVALID_PRICE
    sign = 1 if asked.type % 2 == 0 else -1
    current = market.ask if sign > 0 else market.bid
    way = -sign if asked.type in {2, 3} else sign
    if (asked.price - current) * way < max(market.level, float(market.spec.point) / 2) - 1e-9:
        return INVALID_PRICE
    if asked.type in {6, 7} and not (on_tick(asked.stoplimit, market.spec) and
                                     (asked.stoplimit - asked.price) * sign <= 0):  # fmt: skip
        return INVALID_PRICE
    return 0


def lifetime(asked: Any, market: Market) -> int:
    """A time to expire is in the future, and is given with the types that have one."""
    if asked.type_time in {GTC, DAY}:
        return 0
    timed = asked.type_time in {SPECIFIED, SPECIFIED_DAY}
    return 0 if timed and asked.expiration > market.now else INVALID_EXPIRATION


def deal(asked: Any, market: Market) -> int:
    """A market order."""
    if asked.type not in {0, 1}:
        return INVALID_ORDER
    sign, price = (1, market.bid) if asked.type == 0 else (-1, market.ask)
    return volume(asked, market.spec) or filling(asked, market.spec, pending=False) or stops(asked, market, sign, price)


def pending(asked: Any, market: Market) -> int:
    """An order that waits."""
    if asked.type not in range(2, 8):
        return INVALID_ORDER
    sign = 1 if asked.type % 2 == 0 else -1
    price = asked.stoplimit if asked.type in {6, 7} else asked.price
    return (
        volume(asked, market.spec)
        or filling(asked, market.spec, pending=True)
        or pending_price(asked, market)
        or stops(asked, market, sign, price)
        or lifetime(asked, market)
    )


def exact(price: float, spec: Spec) -> Decimal:
    """A price that was checked, as a decimal number."""
    found = on_step(price, spec.point)
    if found is None:
        raise AssertionError(f"{price} was not checked")
    return found
