"""The spot market: /api, /sapi, the websocket API and the market streams.

What is as at the venue, and what is not:

* A buy's fee is 0.1 % of what was bought, in that asset; a sale is free (`account/commission` says both).
* A market order waits for the next trade, and what is left of it goes on waiting; at the venue it does not rest.
* An order holds back what it may need, so that the next one is refused with -2010.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web
from trader.model import ZERO, Account, Fill, Instrument, OrderReport, Position, Rejected, Side
from trader.testing.emulation import Mishap, Setup

from trader_emulators.binance import balances, events, filters, orders, trades
from trader_emulators.binance.balances import Balance
from trader_emulators.binance.cash import Cash
from trader_emulators.binance.listing import QUOTE, SPOT, Pair
from trader_emulators.binance.moments import BEGINNING, eight, milliseconds
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.prices import Prices
from trader_emulators.binance.product import Endpoint, Product
from trader_emulators.binance.refusal import NO_ORDER, NOT_CANCELED, Refused, filtered
from trader_emulators.binance.register import Seen, order_id
from trader_emulators.binance.replacing import replace
from trader_emulators.binance.streams import Streams, spot_tells
from trader_emulators.binance.wsapi import WebsocketApi

FEE = Decimal("0.001")
DAY = timedelta(hours=24)
UID = 354_937_868
SHORT_OF = Refused(-2010, "Account has insufficient balance for requested action.")
TWICE = Refused(-2010, "Duplicate order sent.")
TOO_LONG = Refused(-1127, "More than 24 hours between startTime and endTime.")
SAME = {"positions": "account"}
"""What is held is asked with the account here: a mishap of the one meets the other."""


class Spot(Product):
    """One spot account."""

    name = "binance"
    base_fee: ClassVar[Decimal] = FEE
    pairs: ClassVar[Mapping[str, Pair]] = SPOT
    weight_limit: ClassVar[int] = 6_000

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.market_data = Prices(self, most=1_000)
        self.messages_api, self.streams = WebsocketApi(self, events=True), Streams(self, spot_tells(self))
        self.cash = Cash(self)
        self._words: dict[int, str] = {}
        self.cancel_ids: dict[int, str] = {}
        """What a canceled order is called in the event that says so, by its number."""

    def instruments(self) -> Iterable[Instrument]:
        return [self.rule(pair, "cash") for pair in SPOT.values()]

    def mishap(self, call: str, mishap: Mishap, times: int = 1, *, after: int = 0) -> None:
        super().mishap(SAME.get(call, call), mishap, times, after=after)

    def requests(self, call: str) -> int:
        return super().requests(SAME.get(call, call))

    def known_endpoints(self) -> list[Endpoint]:
        api = "/api/v3"
        return [
            Endpoint("GET", f"{api}/ping", "time", "open", lambda _: {}, "ping"),
            Endpoint("GET", f"{api}/time", "time", "open", lambda _: {"serverTime": self.server_time()}, "time"),
            Endpoint("GET", f"{api}/exchangeInfo", "instruments", "open", self._rules, "exchangeInfo"),
            *self.market_data.endpoints(api, message=True),
            Endpoint("GET", f"{api}/account", "account", "signed", self._account, "account.status"),
            Endpoint("GET", f"{api}/account/commission", "instruments", "signed", self._commission,
                     "account.commission"),
            Endpoint("POST", f"{api}/order", "submit", "signed", self._submit, "order.place"),
            Endpoint("POST", f"{api}/order/test", "submit", "signed", self._test, "order.test"),
            Endpoint("GET", f"{api}/order", "order", "signed", self._order, "order.status"),
            Endpoint("DELETE", f"{api}/order", "cancel", "signed", self._cancel, "order.cancel"),
            Endpoint("POST", f"{api}/order/cancelReplace", "submit", "signed", self._replace, "order.cancelReplace"),
            Endpoint("GET", f"{api}/openOrders", "orders", "signed", self._open_orders, "openOrders.status"),
            Endpoint("DELETE", f"{api}/openOrders", "cancel_all", "signed", self._cancel_all, "openOrders.cancelAll"),
            Endpoint("GET", f"{api}/allOrders", "orders", "signed", self._all_orders, "allOrders"),
            Endpoint("GET", f"{api}/myTrades", "fills", "signed", self._trades, "myTrades"),
            self.restrictions(futures=False),
            *self.cash.endpoints(),
        ]  # fmt: skip

    def refusal(self, rejected: Rejected) -> Refused:
        known = {
            "duplicate": TWICE, "funds": SHORT_OF, "position": SHORT_OF, "lot": filtered("LOT_SIZE"),
            "tick": filtered("PRICE_FILTER"), "min_notional": filtered("NOTIONAL"),
            "expired": Refused(-1021, "Timestamp for this request is outside of the recvWindow."),
            "not_tradable": Refused(-1013, "Market is closed."),
        }  # fmt: skip
        return known.get(rejected.kind) or Refused(-2010, rejected.reason)

    # ---- rules -------------------------------------------------------------------------------------------------------
    def _rules(self, parameters: Parameters) -> dict[str, Any]:
        asked = self.asked_pairs(parameters)
        return {
            "timezone": "UTC", "serverTime": self.server_time(), "rateLimits": self.rate_limits(),
            "exchangeFilters": [], "symbols": [filters.told(pair) for pair in asked],
        }  # fmt: skip

    def _commission(self, parameters: Parameters) -> dict[str, Any]:
        none = dict.fromkeys(("maker", "taker", "buyer", "seller"), eight(ZERO))
        return {
            "symbol": self.pair(parameters).name,
            "standardCommission": {**none, "buyer": eight(FEE)},
            "specialCommission": none,
            "taxCommission": none,
            "discount": {
                "enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB",
                "discount": "0.75000000",
            },
        }  # fmt: skip

    # ---- the account -------------------------------------------------------------------------------------------------
    def _account(self, parameters: Parameters) -> dict[str, Any]:
        account: Account = self.ask(self.venue.account)
        positions: list[Position] = self.ask(self.venue.positions)
        held = self.assets(account.cash, positions)
        bare = parameters.flag("omitZeroBalances")
        return {
            "makerCommission": 0,
            "takerCommission": 0,
            "buyerCommission": 10,
            "sellerCommission": 0,
            "commissionRates": {"maker": eight(ZERO), "taker": eight(ZERO), "buyer": eight(FEE), "seller": eight(ZERO)},
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": milliseconds(account.time),
            "accountType": "SPOT",
            "balances": [balances.told(each) for each in held if not bare or each.free or each.locked],
            "permissions": ["SPOT"],
            "uid": UID,
        }

    def assets(self, cash: Decimal, positions: Iterable[Position]) -> list[Balance]:
        """Every asset, with what open orders hold back."""
        listed = [pair.base for pair in self.listed.values()]
        return balances.balances(cash, positions, self.venue.truth_working(), listed)

    def true_balances(self) -> dict[str, Balance]:
        """As they really are, by asset."""
        held = [Position(symbol, quantity, ZERO) for symbol, quantity in self.venue.truth_positions().items()]
        return {each.asset: each for each in self.assets(self.venue.truth_cash(), held)}

    # ---- orders ------------------------------------------------------------------------------------------------------
    def _wish(self, parameters: Parameters) -> orders.Wish:
        """Read and checked. Refused where the venue would."""
        pair = self.pair(parameters)
        last, (bid, ask) = self.last(pair), self.book(pair)
        wish = orders.read(pair, parameters, last)
        orders.check(wish, last, bid, ask)
        return wish

    def _affordable(self, wish: orders.Wish) -> None:
        free = {name: each.free for name, each in self.true_balances().items()}
        price = wish.price or wish.stop or self.book(wish.pair)[1]
        wanted = (wish.pair.base, wish.quantity) if wish.side is Side.SELL else (QUOTE, wish.quantity * price)
        if wanted[1] > free[wanted[0]]:
            raise SHORT_OF

    def _submit(self, parameters: Parameters) -> dict[str, Any]:
        wish = self._wish(parameters)
        return orders.placed(self._take(wish), wish.pair.name, wish.answer, self.register, self._special(wish))

    def _take(self, wish: orders.Wish) -> Seen:
        if wish.key and wish.key in self.open_keys():
            raise TWICE
        working = [each for each in self.venue.truth_working() if each.symbol == wish.pair.symbol]
        if len(working) >= filters.OPEN_ORDERS:
            raise filtered("MAX_NUM_ORDERS")
        if wish.stop is not None and sum(each.stop_price is not None for each in working) >= filters.STOPS:
            raise filtered("MAX_NUM_ALGO_ORDERS")
        self._affordable(wish)
        seen = self.place(
            wish.pair,
            wish.key or self.unnamed(),
            wish.side,
            wish.quantity,
            wish.kind,
            wish.force,
            wish.price,
            wish.stop,
        )
        if self._special(wish):
            self._words[seen.taken.number] = wish.word
        return seen

    def _special(self, wish: orders.Wish) -> str:
        return wish.word if wish.word == "LIMIT_MAKER" else ""

    def word(self, seen: Seen) -> str:
        """The type of an order where the venue inside does not know it, else ""."""
        return self._words.get(seen.taken.number, "")

    def _test(self, parameters: Parameters) -> dict[str, Any]:
        self._wish(parameters)
        return {}

    def _order(self, parameters: Parameters) -> dict[str, Any]:
        pair = self.pair(parameters)
        seen = self.find(pair, parameters, NO_ORDER)
        return orders.shown(seen, pair.name, self.word(seen))

    def _cancel(self, parameters: Parameters) -> dict[str, Any]:
        pair, new_id = self.pair(parameters), orders.client_id(parameters, "newClientOrderId") or self.unnamed()
        found = self.find(pair, parameters, NOT_CANCELED)
        only = parameters.optional("cancelRestrictions")
        if only and only != {"NEW": "ONLY_NEW", "PARTIALLY_FILLED": "ONLY_PARTIALLY_FILLED"}.get(found.state):
            raise Refused(-2011, "Order was not canceled due to cancel restrictions.")
        self.cancel_ids[found.taken.number] = new_id
        return orders.canceled(self.withdraw(found, NOT_CANCELED), pair.name, new_id, self.word(found))

    def _cancel_all(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair = self.pair(parameters)
        gone = self.cancel_working(pair)
        if not gone:
            raise NOT_CANCELED
        return [orders.canceled(seen, pair.name, self.unnamed(), self.word(seen)) for seen in gone]

    def _replace(self, parameters: Parameters) -> dict[str, Any]:
        self._wish(parameters)  # what the filters refuse cancels nothing
        return replace(self._cancel, self._submit, parameters)

    def _open_orders(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair = self.pair(parameters) if "symbol" in parameters else None
        return [orders.shown(seen, self._name(seen), self.word(seen)) for seen in self.working(pair)]

    def _name(self, seen: Seen) -> str:
        return SPOT[seen.taken.order.symbol].name

    def _all_orders(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair, limit = self.pair(parameters), parameters.limit(500, 1_000)
        start, end = parameters.moment("startTime"), parameters.moment("endTime")
        if start and end and end - start > DAY:
            raise TOO_LONG
        first = parameters.whole("orderId", 0)
        found = [
            seen for seen in self.every(pair)
            if seen.order_id >= first and (start is None or seen.taken.moment >= start)
            and (end is None or milliseconds(seen.taken.moment) <= milliseconds(end))
        ]  # fmt: skip
        chosen = found[:limit] if first or start else found[-limit:]
        return [orders.shown(seen, pair.name, self.word(seen)) for seen in chosen]

    def _trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair = self.pair(parameters)
        fills: list[Fill] = [fill for fill in self.ask(self.venue.fills, BEGINNING) if fill.symbol == pair.symbol]
        if "orderId" in parameters:
            fills = [fill for fill in fills if self._of(fill) == parameters.whole("orderId")]
        page = trades.page(fills, parameters, self.register.trade_id, window=DAY, wide=TOO_LONG)
        return [orders.trade(fill, pair.name, self.register.trade_id(fill), self._of(fill)) for fill in page]

    def _of(self, fill: Fill) -> int:
        """The id that the order has now."""
        return order_id(self.register.order(fill.venue_id).venue_id)

    # ---- push --------------------------------------------------------------------------------------------------------
    def socket_routes(self) -> dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]:
        return {"/ws-api/v3": self.messages_api.serve, **self.streams.routes(("",))}

    def candle(self, pair: Pair, interval: str, opened: int | None = None) -> list[Any]:
        return self.market_data.candle(pair, interval, opened)

    def moved(self, prices: Mapping[str, float]) -> None:
        self.streams.moved(self.market_data.moved(prices))

    async def push(self, event: Fill | OrderReport) -> None:
        """An execution tells of itself and of its order; an order of itself where no execution does."""
        if not self.messages_api.listeners:
            return
        taken = self.register.order(event.venue_id)
        name, now = SPOT[taken.order.symbol].name, self.server_time()
        if isinstance(event, Fill):
            seen = self.register.after(event)
            number = self.register.trade_id(event)
            told = events.traded(seen, name, self.word(seen), now, fill=event, number=number)
        else:
            seen = self.register.seen(event)
            if seen.state in ("FILLED", "PARTIALLY_FILLED"):
                return
            cancel_id = self.cancel_ids.get(taken.number, taken.key)
            told = events.report(seen, name, self.word(seen), now, kind=seen.state, cancel_id=cancel_id)
        await self.messages_api.tell(told)
        held = self.true_balances()
        await self.messages_api.tell(events.position([held[QUOTE], held[balances.asset(taken.order.symbol)]], now))

    async def beat(self) -> None:
        await self.streams.publish()
        for event in self.register.new_events():
            await self.messages_api.tell(events.moved(event, self.server_time()))
            await self.messages_api.tell(events.position([self.true_balances()[QUOTE]], self.server_time()))
