"""The service that keeps conditional orders: ids of its own, and no order in the plain space until one is triggered.

A triggered order is then an order of the plain space, with an orderId of its own and the clientAlgoId as its
clientOrderId; its algo order goes on being shown here, TRIGGERED and then FINISHED, and can no longer be canceled here.
One thing is stricter than at the venue: an id that is open in one space is taken in the other as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trader.model import ZERO, OrderState, OrderType

from trader_emulators.binance.moments import exact, milliseconds, plain
from trader_emulators.binance.register import Register, Seen
from trader_emulators.binance_futures import orders

FIRST = 3_000_000_000_000
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)


@dataclass(slots=True)
class Algo:
    """What the service knows of a conditional order, beside the order itself."""

    closes: bool
    force: str
    triggered: datetime | None = None


class AlgoService:
    """Conditional orders by the number that they have among all orders."""

    def __init__(self) -> None:
        self._algos: dict[int, Algo] = {}
        self._pending: set[int] = set()

    def add(self, seen: Seen, wish: orders.Wish) -> None:
        """A new one."""
        self._algos[seen.taken.number] = Algo(wish.closes, wish.force)
        self._pending.add(seen.taken.number)

    def __contains__(self, seen: Seen) -> bool:
        return seen.taken.number in self._algos

    def triggered(self, seen: Seen) -> bool:
        """Whether it is an order of the plain space by now."""
        report = seen.report
        if report.filled or seen.state == "EXPIRED":
            return True
        return self._algos[seen.taken.number].triggered is not None

    def waiting(self, seen: Seen) -> bool:
        """Whether it is a conditional order that the plain space does not show."""
        return seen in self and not self.triggered(seen)

    def moved(self, register: Register, prices: Mapping[str, float], now: datetime) -> list[str]:
        """Take note of what the last trade triggered; the ids that those orders have inside."""
        found = []
        for number in list(self._pending):
            seen, algo = register.at(number), self._algos[number]
            order = seen.taken.order
            reached = order.stop_price is not None and (
                order.symbol in prices and order.side.sign * (exact(prices[order.symbol]) - order.stop_price) >= 0
            )
            if seen.report.filled or (reached and seen.report.state is OrderState.WORKING):
                algo.triggered = now
                found.append(seen.report.venue_id)
            if algo.triggered is not None or seen.report.state is not OrderState.WORKING:
                self._pending.discard(number)
        return found

    def status(self, seen: Seen) -> str:
        """In the service's word."""
        if not self.triggered(seen):
            return "NEW" if seen.report.state is OrderState.WORKING else seen.state
        return "TRIGGERED" if seen.report.state is OrderState.WORKING else "FINISHED"

    def placed(self, seen: Seen, name: str) -> dict[str, Any]:
        """The answer to a new one."""
        order, algo = seen.taken.order, self._algos[seen.taken.number]
        return {
            "algoId": algo_id(seen),
            "clientAlgoId": seen.taken.key,
            "algoType": "CONDITIONAL",
            "orderType": orders.WORDS[order.type],
            "symbol": name,
            "side": str(order.side).upper(),
            "positionSide": "BOTH",
            "timeInForce": algo.force,
            "quantity": "0" if algo.closes else plain(order.quantity),
            "algoStatus": self.status(seen),
            "triggerPrice": plain(order.stop_price or ZERO),
            "price": plain(order.limit_price or ZERO),
            "icebergQuantity": None,
            "selfTradePreventionMode": orders.PREVENTION,
            "workingType": "CONTRACT_PRICE",
            "priceMatch": "NONE",
            "closePosition": algo.closes,
            "priceProtect": False,
            "reduceOnly": order.reduce_only,
            "activatePrice": "",
            "callbackRate": "",
            "createTime": milliseconds(seen.taken.moment),
            "updateTime": milliseconds(seen.report.time),
            "triggerTime": milliseconds(algo.triggered) if algo.triggered else 0,
            "goodTillDate": 0,
        }

    def shown(self, seen: Seen, name: str) -> dict[str, Any]:
        """One of algoOrder, openAlgoOrders, allAlgoOrders."""
        triggered = self.triggered(seen)
        actual = {
            "actualOrderId": str(seen.order_id) if triggered else "",
            "actualPrice": f"{seen.average:.5f}",
            "actualQty": plain(seen.report.filled),
            "actualType": orders.ONCE_TRIGGERED[seen.taken.order.type] if triggered else "",
            "tpTriggerPrice": "0.000",
            "tpPrice": "0.000",
            "slTriggerPrice": "0.000",
            "slPrice": "0.000",
            "tpOrderType": "",
        }
        return {**self.placed(seen, name), **actual}

    def told(self, seen: Seen, name: str) -> dict[str, Any]:
        """The "o" of an ALGO_UPDATE event."""
        shown = self.shown(seen, name)
        keys = {
            "caid": "clientAlgoId", "aid": "algoId", "at": "algoType", "o": "orderType", "s": "symbol", "S": "side",
            "ps": "positionSide", "f": "timeInForce", "q": "quantity", "X": "algoStatus", "ai": "actualOrderId",
            "tp": "triggerPrice", "p": "price", "V": "selfTradePreventionMode", "wt": "workingType",
            "pm": "priceMatch", "cp": "closePosition", "pP": "priceProtect", "R": "reduceOnly", "tt": "triggerTime",
            "gtd": "goodTillDate",
        }  # fmt: skip
        event = {short: shown[long] for short, long in keys.items()}
        if shown["actualOrderId"]:
            event |= {"ap": shown["actualPrice"], "aq": shown["actualQty"], "act": shown["actualType"]}
        return event


def algo_id(seen: Seen) -> int:
    """The service's integer."""
    return FIRST + seen.taken.number


def number_of(algo: int) -> int:
    """The other way: the number among all orders; negative for what can be none."""
    return algo - FIRST
