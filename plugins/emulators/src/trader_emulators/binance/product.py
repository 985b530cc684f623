"""What the venue's spot and futures markets have in common: keys, the clock, weights, errors, symbols, ids."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import count
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

from trader.model import (
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Outcome,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
)
from trader.simulation.floor import Ids
from trader.testing.emulation import Mishap, Setup

from trader_emulators.binance import signature
from trader_emulators.binance.listing import QUOTE, Pair
from trader_emulators.binance.moments import down, exact, milliseconds, up
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.refusal import BAD_KEY, FAILED, UNKNOWN_SYMBOL, Refused, too_many
from trader_emulators.binance.register import Register, Seen, inside
from trader_emulators.http import Answer, Asked, Handler, HttpEmulator, Route

API_KEY = "emulatedBinanceKey0000000000000000000000000000000000000000000000"
API_SECRET = "emulatedBinanceSecret0000000000000000000000000000000000000000000"  # noqa: S105 - opens nothing

Security = Literal["open", "key", "signed"]
Speak = Callable[[Parameters], Any]
"""Parameters -> what the venue answers, as JSON; Refused where it says no."""


class Endpoint(NamedTuple):
    """One request that a market knows, over HTTP and (where it has a `message`) over its websocket API."""

    method: str
    path: str
    call: str
    security: Security
    speak: Speak
    message: str = ""


class Product(HttpEmulator):
    """One of the venue's markets, on one port."""

    ids: ClassVar[Ids] = "open_only"
    currency: ClassVar[str] = QUOTE
    expiry_seconds: ClassVar[float | None] = signature.USUAL / 1_000
    pairs: ClassVar[Mapping[str, Pair]]
    weight_limit: ClassVar[int]
    """Requests a minute, if nobody set another limit."""
    api_key = API_KEY
    api_secret = API_SECRET

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.register = Register(self.venue)
        self.listed = {self.pairs[symbol].name: self.pairs[symbol] for symbol in self.rules}
        """What trades, by the venue's name."""
        self.endpoints: list[Endpoint] = []
        self._doors: dict[tuple[str, str], Security] = {}
        self.permissions: dict[str, bool] = {}
        """What apiRestrictions says instead, such as {"enableWithdrawals": True}."""
        self._unnamed = count(1)
        self._weights: deque[float] = deque()

    # ---- what a market says ------------------------------------------------------------------------------------------
    def known_endpoints(self) -> list[Endpoint]:
        """Every request that it knows."""
        raise NotImplementedError

    def prices(self) -> Mapping[str, float]:
        return {symbol: pair.begin for symbol, pair in self.pairs.items()}

    def rule(self, pair: Pair, settlement: Literal["cash", "margin"]) -> Instrument:
        """A pair's rules, for the venue inside."""
        return Instrument(
            pair.symbol, QUOTE, pair.tick, pair.lot, pair.least, settlement=settlement, shortable=settlement == "margin"
        )

    def candle(self, pair: Pair, interval: str, opened: int | None = None) -> list[Any]:
        """The candle that is open now, or the one that opened then, as the venue writes it."""
        raise NotImplementedError

    # ---- the wire ----------------------------------------------------------------------------------------------------
    def routes(self) -> list[Route]:
        self.endpoints = self.known_endpoints()
        self._doors = {(each.method, each.path): each.security for each in self.endpoints}
        return [Route(each.method, each.path, each.call, self._handler_of(each)) for each in self.endpoints]

    def _handler_of(self, endpoint: Endpoint) -> Handler:
        def handle(asked: Asked) -> Answer:
            try:
                body = endpoint.speak(Parameters(signature.given(asked.raw_query, asked.body)))
            except Refused as refused:
                return Answer(refused.status, refused.body)
            return Answer(200, body)

        return handle

    def authorized(self, asked: Asked, call: str) -> Answer | None:  # noqa: ARG002 - a door has its path
        security = self._doors.get((asked.method, asked.path), "open")
        if security == "open":
            return None
        try:
            signature.known(self, asked.headers.get("x-mbx-apikey", ""))
            if security == "signed":
                parameters = Parameters(signature.given(asked.raw_query, asked.body))
                parameters.text("timestamp")
                signature.signed(self, asked.raw_query, asked.body)
                signature.timely(self, parameters)
        except Refused as refused:
            return Answer(refused.status, refused.body)
        return None

    def trouble(self, what: Mishap) -> Answer:
        if what is Mishap.RATE_LIMITED:
            refused = too_many(min(self.allowance[0], self.weight_limit))
            return Answer(refused.status, refused.body, {"Retry-After": str(self.retry_after())})
        refused = BAD_KEY if what is Mishap.UNAUTHORIZED else FAILED
        return Answer(refused.status, refused.body)

    def retry_after(self) -> int:
        """Whole seconds until the venue takes requests again, one at least."""
        return max(1, math.ceil(self.reopens))

    def arrived(self, call: str, *also: str) -> Mishap | None:
        now = self.clock.monotonic()
        self._weights.append(now)
        while self._weights[0] <= now - 60:
            self._weights.popleft()
        return super().arrived(call, *also)

    def headers(self) -> dict[str, str]:
        limit, left, seconds = self.allowance
        minute = str(len(self._weights))
        told = {"X-MBX-USED-WEIGHT": minute, "X-MBX-USED-WEIGHT-1M": minute}
        return told if seconds == 60 else {**told, f"X-MBX-USED-WEIGHT-{span(seconds)}": str(limit - left)}

    def unknown_path(self) -> Answer:
        return Answer(404, {"code": -5000, "msg": "Path is invalid"})

    def rate_limits(self) -> list[dict[str, Any]]:
        """As exchangeInfo says them."""
        limit, _, seconds = self.allowance
        minute = seconds == 60
        weight = {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE" if minute else "SECOND",
            "intervalNum": 1 if minute else max(1, math.ceil(seconds)),
            "limit": min(limit, self.weight_limit),
        }
        orders = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300}
        return [weight, orders]

    def rate_counts(self) -> list[dict[str, Any]]:
        """The same with what was used, as the websocket API says them."""
        return [{**self.rate_limits()[0], "count": len(self._weights)}]

    @property
    def secrets(self) -> Mapping[str, str]:
        return MappingProxyType({"BINANCE_API_KEY": self.api_key, "BINANCE_API_SECRET": self.api_secret})

    @property
    def options(self) -> Mapping[str, Any]:
        return {"url": self.url}

    # ---- what everybody asks -----------------------------------------------------------------------------------------
    def server_time(self) -> int:
        """Milliseconds since 1970, on the venue's clock."""
        return milliseconds(self.clock.now())

    def pair(self, parameters: Parameters) -> Pair:
        """The one that is asked for. Refused if it is not traded here."""
        name = parameters.text("symbol")
        if name not in self.listed:
            raise UNKNOWN_SYMBOL
        return self.listed[name]

    def asked_pairs(self, parameters: Parameters) -> list[Pair]:
        """The one named, those in the list, or all."""
        if "symbol" in parameters:
            return [self.pair(parameters)]
        names = parameters.words("symbols")
        if names is None:
            return list(self.listed.values())
        if any(name not in self.listed for name in names):
            raise UNKNOWN_SYMBOL
        return [self.listed[name] for name in names]

    def last(self, pair: Pair) -> Decimal:
        """The last price, as traded: a multiple of the tick."""
        return max(down(exact(self.market.last(pair.symbol)), pair.tick), pair.tick)

    def book(self, pair: Pair) -> tuple[Decimal, Decimal]:
        """Best bid and ask."""
        bid, ask = self.market.quote(pair.symbol)
        return max(down(bid, pair.tick), pair.tick), up(ask, pair.tick)

    def restrictions(self, *, futures: bool) -> Endpoint:
        """What the key may do."""
        told = {
            "ipRestrict": True, "createTime": 1_555_200_000_000, "enableReading": True, "enableWithdrawals": False,
            "enableInternalTransfer": False, "enableMargin": False, "enableFutures": futures,
            "permitsUniversalTransfer": False, "enableVanillaOptions": False, "enableFixApiTrade": False,
            "enableFixReadOnly": False, "enableSpotAndMarginTrading": not futures,
            "enablePortfolioMarginTrading": False,
        }  # fmt: skip
        return Endpoint(
            "GET", "/sapi/v1/account/apiRestrictions", "login", "signed", lambda _: {**told, **self.permissions}
        )

    # ---- orders ------------------------------------------------------------------------------------------------------
    def unnamed(self) -> str:
        """A client order id for an order that came without one."""
        return f"and_{next(self._unnamed):018d}"

    def place(
        self, pair: Pair, key: str, side: Side, quantity: Decimal, kind: OrderType, tif: TimeInForce,
        limit: Decimal | None, stop: Decimal | None, *, reduce_only: bool = False,
    ) -> Seen:  # fmt: skip
        """Hand an order to the venue inside. Refused in the market's words."""
        order = OrderRequest(
            key, key, "", pair.symbol, side, quantity, kind, tif, limit, stop, reduce_only, Purpose.MANUAL,
            self.last(pair), self.clock.now(),
        )  # fmt: skip
        outcome: Outcome = self.ask(self.venue.submit, order)
        if isinstance(outcome, Rejected):
            raise self.refusal(outcome)
        return self.register.truth(str(getattr(outcome, "venue_id", "")))

    def refusal(self, rejected: Rejected) -> Refused:
        """Why the venue inside did not take it, in the market's words."""
        raise NotImplementedError

    def open_keys(self) -> set[str]:
        """Client order ids that are taken."""
        return {report.key for report in self.venue.truth_working()}

    def find(self, pair: Pair, parameters: Parameters, none: Refused) -> Seen:
        """The order that is asked for by orderId, else by origClientOrderId: the newest with it."""
        if "orderId" in parameters:
            ref = OrderRef("", "", pair.symbol, inside(parameters.whole("orderId")))
        elif "origClientOrderId" in parameters:
            ref = OrderRef("", parameters.text("origClientOrderId"), pair.symbol)
        else:
            raise Refused(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        found: OrderReport | NotFound = self.ask(self.venue.order, ref)
        if isinstance(found, NotFound) or found.symbol != pair.symbol:
            raise none
        return self.register.seen(found)

    def withdraw(self, seen: Seen, none: Refused) -> Seen:
        """Cancel one order. Refused if it is closed."""
        report = seen.report
        outcome = self.ask(self.venue.cancel, OrderRef(report.key, report.key, report.symbol, report.venue_id))
        if isinstance(outcome, Rejected):
            raise none
        return self.register.truth(report.venue_id)

    def working(self, pair: Pair | None) -> list[Seen]:
        """The open orders, of one pair or of all."""
        reports: list[OrderReport] = self.ask(self.venue.orders)
        return [self.register.seen(report) for report in reports if pair is None or report.symbol == pair.symbol]

    def every(self, pair: Pair) -> Iterator[Seen]:
        """All orders of a pair that are shown, open and closed, oldest first."""
        shown = {report.venue_id: report for report in self.ask(self.venue.orders)}
        for taken in self.venue.accepted:
            report = shown.get(taken.venue_id, taken.report)
            hidden = taken.report.state is OrderState.WORKING and taken.venue_id not in shown
            if taken.order.symbol == pair.symbol and not hidden:
                yield self.register.seen(report)

    def cancel_working(self, pair: Pair, keep: Callable[[Seen], bool] = lambda _: False) -> list[Seen]:
        """Cancel what works in a pair, except what is to be kept."""
        working = [self.register.seen(report) for report in self.venue.truth_working() if report.symbol == pair.symbol]
        gone = []
        for seen in working:
            if not keep(seen):
                report = seen.report
                self.ask(self.venue.cancel, OrderRef(report.key, report.key, report.symbol, report.venue_id))
                gone.append(self.register.truth(report.venue_id))
        return gone


def span(seconds: float) -> str:
    """A stretch of time as the venue names it in its headers: 1M, 10S."""
    whole = max(1, math.ceil(seconds))
    return f"{whole // 60}M" if whole % 60 == 0 else f"{whole}S"
