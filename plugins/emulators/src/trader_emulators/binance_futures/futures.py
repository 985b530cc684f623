"""The USD-M futures market: /fapi, the websocket API, the user stream and the market streams.

What is as at the venue, and what is not:

* One-way positions with cross margin in USDT; an account that is set to hedge mode is refused every order.
* A market order waits for the next trade, and what is left of it goes on waiting; at the venue it does not rest.
* Nothing is liquidated. Conditional orders are STOP and STOP_MARKET.
* `countdownCancelAll` cancels the orders of the plain space; conditional ones stay.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web
from trader.model import ZERO, Account, Fill, Instrument, OrderReport, Position, Rejected
from trader.simulation import Percentage, Terms
from trader.testing.emulation import Setup

from trader_emulators.binance import trades
from trader_emulators.binance.listing import FUTURES, Pair
from trader_emulators.binance.moments import BEGINNING, milliseconds
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.prices import Prices
from trader_emulators.binance.product import Endpoint, Product
from trader_emulators.binance.refusal import NO_ORDER, NOT_CANCELED, Refused
from trader_emulators.binance.register import Seen, order_id
from trader_emulators.binance.streams import Streams
from trader_emulators.binance.wsapi import WebsocketApi
from trader_emulators.binance_futures import margin, orders, rules
from trader_emulators.binance_futures.algo import AlgoService
from trader_emulators.binance_futures.books import Books
from trader_emulators.binance_futures.conditional import Conditional
from trader_emulators.binance_futures.dials import LEVERAGE, Dials
from trader_emulators.binance_futures.profits import Profits
from trader_emulators.binance_futures.pushed import Pushed
from trader_emulators.binance_futures.tells import futures_tells
from trader_emulators.binance_futures.users import Users

WEEK = timedelta(days=7)
NO_MARGIN = Refused(-2019, "Margin is insufficient.")
TWICE = Refused(-4116, "ClientOrderId is duplicated.")
TOO_MANY_ORDERS = Refused(-2025, "Reach max open order limit.")
TOO_MANY_STOPS = Refused(-4045, "Reach max stop order limit.")
TOO_LONG = Refused(-4165, "Invalid time interval. Maximum time interval is 7 days.")


class Futures(Product):
    """One futures account."""

    name = "binance_futures"
    pairs: ClassVar[Mapping[str, Pair]] = FUTURES
    weight_limit: ClassVar[int] = 2_400
    fee_rate: ClassVar[Decimal] = Decimal("0.0005")

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.market_data = Prices(self, most=1_500)
        self.algos, self.profits, self.dials = AlgoService(), Profits(), Dials(self, hedge=setup.mode == "hedge")
        self.conditional = Conditional(self)
        self.books, self.users, self.pushed = Books(self), Users(self), Pushed(self)
        self.messages_api, self.streams = WebsocketApi(self, events=False), Streams(self, futures_tells(self))

    def instruments(self) -> Iterable[Instrument]:
        """Without a smallest order: one that only reduces may be smaller, so the market itself looks at it."""
        return [Instrument(pair.symbol, self.currency, pair.tick, pair.lot, settlement="margin")
                for pair in FUTURES.values()]  # fmt: skip

    def terms(self) -> Terms:
        return Terms(
            fee=Percentage(self.fee_rate), shorting=True, leverage=Decimal(LEVERAGE), quantum=Decimal("0.00000001")
        )

    def known_endpoints(self) -> list[Endpoint]:
        api = "/fapi/v1"
        return [
            Endpoint("GET", f"{api}/ping", "time", "open", lambda _: {}, "ping"),
            Endpoint("GET", f"{api}/time", "time", "open", lambda _: {"serverTime": self.server_time()}, "time"),
            Endpoint("GET", f"{api}/exchangeInfo", "instruments", "open", self._rules),
            *self.market_data.endpoints(api, message=True),
            Endpoint("GET", "/fapi/v2/ticker/price", "quotes", "open", self.market_data.ticker),
            Endpoint("POST", f"{api}/order", "submit", "signed", self._submit, "order.place"),
            Endpoint("POST", f"{api}/order/test", "submit", "signed", self._test),
            Endpoint("GET", f"{api}/order", "order", "signed", self._order, "order.status"),
            Endpoint("DELETE", f"{api}/order", "cancel", "signed", self._cancel, "order.cancel"),
            Endpoint("GET", f"{api}/openOrders", "orders", "signed", self._open_orders),
            Endpoint("GET", f"{api}/openOrder", "order", "signed", self._order),
            Endpoint("DELETE", f"{api}/allOpenOrders", "cancel_all", "signed", self._cancel_all),
            Endpoint("GET", f"{api}/allOrders", "orders", "signed", self._all_orders),
            Endpoint("GET", f"{api}/userTrades", "fills", "signed", self._trades),
            *self.conditional.endpoints(),
            self.restrictions(futures=True),
            *self.books.endpoints(),
            *self.dials.endpoints(),
            *self.users.endpoints(),
        ]

    def refusal(self, rejected: Rejected) -> Refused:
        known = {
            "duplicate": TWICE, "funds": NO_MARGIN, "lot": rules.IMPRECISE, "tick": rules.IMPRECISE,
            "reduce_only": Refused(-2022, "ReduceOnly Order is rejected."),
            "expired": Refused(-1021, "Timestamp for this request is outside of the recvWindow."),
            "not_tradable": Refused(-4140, "Invalid symbol status for opening position."),
        }  # fmt: skip
        return known.get(rejected.kind) or Refused(-2010, rejected.reason)

    # ---- rules and the account ---------------------------------------------------------------------------------------
    def _rules(self, parameters: Parameters) -> dict[str, Any]:
        asked = self.asked_pairs(parameters)
        return {
            "timezone": "UTC", "serverTime": self.server_time(), "futuresType": "U_MARGINED",
            "rateLimits": self.rate_limits(), "exchangeFilters": [],
            "assets": [{"asset": self.currency, "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [rules.told(pair) for pair in asked],
        }  # fmt: skip

    def wallet(self) -> margin.Wallet:
        """As it is shown."""
        account: Account = self.ask(self.venue.account)
        positions: list[Position] = self.ask(self.venue.positions)
        return self.wallet_of(account.cash, positions)

    def available(self) -> Decimal:
        """What is really left for new orders."""
        held = [Position(symbol, quantity, self.last(FUTURES[symbol]))
                for symbol, quantity in self.venue.truth_positions().items()]  # fmt: skip
        return self.wallet_of(self.venue.truth_account().equity, held).available

    def wallet_of(self, cash: Decimal, positions: Iterable[Position]) -> margin.Wallet:
        """With what open orders tie up."""
        working = [
            (report, self.register.order(report.venue_id).order.reduce_only) for report in self.venue.truth_working()
        ]
        marks = {symbol: self.last(FUTURES[symbol]) for symbol in self.rules}
        return margin.wallet(cash, positions, working, marks, self.dials.leverage)

    # ---- plain orders ------------------------------------------------------------------------------------------------
    def wish(self, parameters: Parameters, *, algo: bool = False) -> orders.Wish:
        """An order as it is asked for, read and checked."""
        pair = self.pair(parameters)
        if self.dials.hedge:
            raise orders.WRONG_SIDE
        held = self.venue.truth_positions().get(pair.symbol, ZERO)
        wish = orders.read(pair, parameters, held, algo=algo)
        orders.check(wish, self.last(pair), *self.book(pair))
        return wish

    def take(self, wish: orders.Wish) -> Seen:
        """Hand it to the venue inside. Refused for an id that is taken, an order too many, and without the margin."""
        if wish.key and wish.key in self.open_keys():
            raise TWICE
        conditional = wish.stop is not None
        working = (each for each in self.venue.truth_working() if each.symbol == wish.pair.symbol)
        same = sum(self.algos.waiting(self.register.seen(each)) is conditional for each in working)
        if same >= (rules.STOPS if conditional else rules.OPEN_ORDERS):
            raise TOO_MANY_STOPS if conditional else TOO_MANY_ORDERS
        if not wish.reduce_only:
            held = self.venue.truth_positions().get(wish.pair.symbol, ZERO)
            price = wish.price or wish.stop or self.book(wish.pair)[1]
            needs = margin.added(held, wish.side.sign * wish.quantity) * price
            if needs / self.dials.leverage[wish.pair.symbol] > self.available():
                raise NO_MARGIN
        return self.place(
            wish.pair, wish.key or self.unnamed(), wish.side, wish.quantity, wish.kind, orders.FORCES[wish.force],
            wish.price, wish.stop, reduce_only=wish.reduce_only,
        )  # fmt: skip

    def name_of(self, seen: Seen) -> str:
        """The venue's name of its symbol."""
        return FUTURES[seen.taken.order.symbol].name

    def force(self, seen: Seen) -> str:
        """Its time in force: GTX is only a word inside."""
        return "GTX" if seen.taken.number in self.dials.makers else str(seen.taken.order.time_in_force).upper()

    def shown(self, seen: Seen) -> dict[str, Any]:
        """As orders are listed."""
        return orders.shown(seen, self.name_of(seen), self.force(seen))

    def _submit(self, parameters: Parameters) -> dict[str, Any]:
        wish = self.wish(parameters)
        seen = self.take(wish)
        if wish.force == "GTX":
            self.dials.makers.add(seen.taken.number)
        return orders.answered(seen, wish.pair.name, wish.force)

    def _test(self, parameters: Parameters) -> dict[str, Any]:
        self.wish(parameters)
        return {}

    def _find(self, parameters: Parameters, none: Refused) -> Seen:
        seen = self.find(self.pair(parameters), parameters, none)
        if self.algos.waiting(seen):
            raise none
        return seen

    def _order(self, parameters: Parameters) -> dict[str, Any]:
        return self.shown(self._find(parameters, NO_ORDER))

    def _cancel(self, parameters: Parameters) -> dict[str, Any]:
        gone = self.withdraw(self._find(parameters, NOT_CANCELED), NOT_CANCELED)
        return orders.answered(gone, self.name_of(gone), self.force(gone))

    def _cancel_all(self, parameters: Parameters) -> dict[str, Any]:
        self.cancel_working(self.pair(parameters), self.algos.waiting)
        return dict(orders.ALL_GONE)

    def _open_orders(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair = self.pair(parameters) if "symbol" in parameters else None
        return [self.shown(seen) for seen in self.working(pair) if not self.algos.waiting(seen)]

    def _all_orders(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair, limit = self.pair(parameters), parameters.limit(500, 1_000)
        first = parameters.whole("orderId", 0)
        found = [
            seen for seen in self.between(pair, parameters)
            if seen.order_id >= first and not self.algos.waiting(seen)
        ]  # fmt: skip
        chosen = found[:limit] if first or "startTime" in parameters else found[-limit:]
        return [self.shown(seen) for seen in chosen]

    def between(self, pair: Pair, parameters: Parameters) -> list[Seen]:
        """All orders of a pair between startTime and endTime; without them the last seven days."""
        start, end = parameters.moment("startTime"), parameters.moment("endTime")
        if start and end and end - start > WEEK:
            raise TOO_LONG
        low = start or (end or self.clock.now()) - WEEK
        high = end or (start and start + WEEK)
        return [
            seen for seen in self.every(pair)
            if milliseconds(seen.taken.moment) >= milliseconds(low)
            and (high is None or milliseconds(seen.taken.moment) <= milliseconds(high))
        ]  # fmt: skip

    def stand_down(self, symbol: str) -> None:
        """A countdown ran out: the plain orders of a symbol go."""
        for report in self.venue.truth_working():
            if report.symbol == symbol and not self.algos.waiting(self.register.seen(report)):
                self.venue.manual_cancel(report.venue_id)

    # ---- executions --------------------------------------------------------------------------------------------------
    def _trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        pair = self.pair(parameters)
        fills: list[Fill] = [fill for fill in self.ask(self.venue.fills, BEGINNING) if fill.symbol == pair.symbol]
        if "orderId" in parameters:
            fills = [fill for fill in fills if self.order_of(fill) == parameters.whole("orderId")]
        page = trades.page(
            fills, parameters, self.register.trade_id, window=WEEK, wide=TOO_LONG, back_from=self.clock.now()
        )
        return [
            orders.trade(fill, pair.name, self.register.trade_id(fill), self.order_of(fill), self.profit(fill))
            for fill in page
        ]

    def order_of(self, fill: Fill) -> int:
        """The id that its order has now."""
        return order_id(self.register.order(fill.venue_id).venue_id)

    def profit(self, fill: Fill) -> Decimal:
        """What it realized, in USDT."""
        return self.profits.of(fill, self.venue.truth_fills())

    # ---- push --------------------------------------------------------------------------------------------------------
    def socket_routes(self) -> dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]:
        market = self.streams.routes(("", "/market", "/public"))
        return {"/ws-fapi/v1": self.messages_api.serve, "/private/ws": self.users.listen, **market}

    def candle(self, pair: Pair, interval: str, opened: int | None = None) -> list[Any]:
        return self.market_data.candle(pair, interval, opened)

    def moved(self, prices: Mapping[str, float]) -> None:
        self.streams.moved(self.market_data.moved(prices))
        for venue_id in self.algos.moved(self.register, prices, self.clock.now()):
            self.pushed.triggered(venue_id)

    async def push(self, event: Fill | OrderReport) -> None:
        await self.pushed.push(event)

    async def beat(self) -> None:
        self.dials.due()
        await self.streams.publish()
        await self.pushed.beat()
        await self.users.look()
