"""What the service of conditional orders is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trader.model import NotFound, OrderRef, OrderReport

from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.product import Endpoint
from trader_emulators.binance.refusal import NO_ORDER, NOT_CANCELED, Refused
from trader_emulators.binance.register import Seen
from trader_emulators.binance_futures import orders
from trader_emulators.binance_futures.algo import number_of

if TYPE_CHECKING:
    from trader_emulators.binance_futures.futures import Futures


class Conditional:
    """Of one account."""

    def __init__(self, market: Futures) -> None:
        self._market, self._algos = market, market.algos

    def endpoints(self) -> list[Endpoint]:
        """All that know an algoId."""
        api = "/fapi/v1"
        return [
            Endpoint("POST", f"{api}/algoOrder", "submit", "signed", self._submit, "algoOrder.place"),
            Endpoint("GET", f"{api}/algoOrder", "order", "signed", self._one),
            Endpoint("DELETE", f"{api}/algoOrder", "cancel", "signed", self._cancel, "algoOrder.cancel"),
            Endpoint("GET", f"{api}/openAlgoOrders", "orders", "signed", self._open),
            Endpoint("GET", f"{api}/allAlgoOrders", "orders", "signed", self._all),
            Endpoint("DELETE", f"{api}/algoOpenOrders", "cancel_all", "signed", self._cancel_all),
        ]

    def _submit(self, parameters: Parameters) -> dict[str, Any]:
        wish = self._market.wish(parameters, algo=True)
        seen = self._market.take(wish)
        self._algos.add(seen, wish)
        return self._algos.placed(seen, wish.pair.name)

    def _find(self, parameters: Parameters, none: Refused) -> Seen:
        if "algoId" in parameters:
            number = number_of(parameters.whole("algoId"))
            if not 0 <= number < len(self._market.venue.accepted):
                raise none
            taken = self._market.venue.accepted[number]
            ref = OrderRef("", taken.key, taken.order.symbol, taken.venue_id)
        elif "clientAlgoId" in parameters:
            ref = OrderRef("", parameters.text("clientAlgoId"), "")
        else:
            raise Refused(-1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!")
        found: OrderReport | NotFound = self._market.ask(self._market.venue.order, ref)
        if isinstance(found, NotFound) or (seen := self._market.register.seen(found)) not in self._algos:
            raise none
        return seen

    def _one(self, parameters: Parameters) -> dict[str, Any]:
        seen = self._find(parameters, NO_ORDER)
        return self._algos.shown(seen, self._market.name_of(seen))

    def _cancel(self, parameters: Parameters) -> dict[str, Any]:
        seen = self._find(parameters, NOT_CANCELED)
        if self._algos.triggered(self._market.register.truth(seen.report.venue_id)):
            raise NOT_CANCELED
        gone = self._market.withdraw(seen, NOT_CANCELED)
        told = self._algos.placed(gone, self._market.name_of(gone))
        return {"algoId": told["algoId"], "clientAlgoId": told["clientAlgoId"], "code": "200", "msg": "success"}

    def _open(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair = self._market.pair(parameters) if "symbol" in parameters else None
        return [
            self._algos.shown(seen, self._market.name_of(seen))
            for seen in self._market.working(pair)
            if self._algos.waiting(seen)
        ]

    def _all(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair, limit = self._market.pair(parameters), parameters.limit(500, 1_000)
        found = [
            self._algos.shown(seen, pair.name) for seen in self._market.between(pair, parameters) if seen in self._algos
        ]
        first, start = parameters.whole("algoId", 0), parameters.whole("page", 0) * limit
        found = [each for each in found if each["algoId"] >= first]
        if first or "startTime" in parameters or "page" in parameters:
            return found[start : start + limit]
        return found[-limit:]

    def _cancel_all(self, parameters: Parameters) -> dict[str, Any]:
        self._market.cancel_working(self._market.pair(parameters), lambda seen: not self._algos.waiting(seen))
        return dict(orders.ALL_GONE)
