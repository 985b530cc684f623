"""BC-21 to BC-30, BC-86: each order type and time in force that the manifest names, and none that it does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trader.model import Accepted, OrderReport, OrderRequest, OrderState, OrderType, Rejected, Side, TimeInForce
from trader.testing.conformance.broker.venue import ENDED, EPOCH, BrokerSuite, needs, ref


class KindCases(BrokerSuite):
    def test_bc_21_takes_each_order_type_that_it_declares(self) -> None:
        """Each is Accepted and shown as the type that it was sent as, with its prices. At the venue itself no market
        order is sent: what it buys would stay."""
        broker = self.open()
        requests = {
            OrderType.MARKET: self.market(broker, 1),
            OrderType.LIMIT: self.limit(broker, 2),
            OrderType.STOP: self.stop(broker, 3),
            OrderType.STOP_LIMIT: self.stop(
                broker, 4, type=OrderType.STOP_LIMIT, limit_price=self.tick_price(broker, "1.3")
            ),
        }
        for kind, request in requests.items():
            if not self.can("order_types", kind.value) or (self.own and kind is OrderType.MARKET):
                continue
            outcome = broker.submit(request)
            assert isinstance(outcome, Accepted), f"{kind.value}: expected Accepted, was {outcome!r}."
            found = self.shown(broker, request)
            assert isinstance(found, OrderReport), f"{kind.value}: expected the order, was {found!r}."
            told, sent = ((one.type, one.limit_price, one.stop_price) for one in (found, request))
            assert told == sent, f"{kind.value}: sent {sent}, shown {told}."

    def test_bc_22_refuses_order_types_that_it_does_not_declare(self) -> None:
        """They are Rejected, never sent as something else."""
        broker = self.open()
        for number, kind in enumerate(OrderType):
            if self.can("order_types", kind.value):
                continue
            price = self.tick_price(broker, "1.25")
            outcome = broker.submit(self.market(broker, number, type=kind, limit_price=price, stop_price=price))
            assert isinstance(outcome, Rejected), f"{kind.value}: expected Rejected, was {outcome!r}."
        assert not list(broker.orders()), f"One of them became an order: {list(broker.orders())}."

    def test_bc_23_takes_each_time_in_force_that_it_declares(self) -> None:
        """As a limit order where it takes those, else as a market order."""
        broker = self.open()
        for number, tif in enumerate(TimeInForce):
            if not self.can("time_in_force", tif.value):
                continue
            limits = self.can("order_types", "limit")
            request = (self.limit if limits else self.market)(broker, number, time_in_force=tif)
            outcome = broker.submit(request)
            assert isinstance(outcome, Accepted), f"{tif.value}: expected Accepted, was {outcome!r}."

    def test_bc_24_refuses_a_time_in_force_that_it_does_not_declare(self) -> None:
        """A limit order with it is Rejected, never sent with another one."""
        broker = self.open()
        for number, tif in enumerate(TimeInForce):
            if self.can("time_in_force", tif.value):
                continue
            outcome = broker.submit(self.limit(broker, number, time_in_force=tif))
            assert isinstance(outcome, Rejected), f"{tif.value}: expected Rejected, was {outcome!r}."
        assert not list(broker.orders()), f"One of them became an order: {list(broker.orders())}."

    @needs("type:limit", "market")
    def test_bc_25_a_limit_is_kept(self) -> None:
        """A limit buy waits above its price and fills at it or better."""
        broker = self.open()
        request = self.limit(broker)
        broker.submit(request)
        self.trade(broker)
        assert self.shown(broker, request).filled == 0, "It filled above its limit."
        fills = self.filled(broker, request, self.tick_price(broker, "0.75"))
        assert all(fill.price <= (request.limit_price or 0) for fill in fills), f"Limit {request}, was {fills}."
        self.eventually(lambda: self.shown(broker, request).state is OrderState.FILLED, "the order filled")

    @needs("type:stop", "market")
    def test_bc_26_a_stop_waits_and_is_listed(self) -> None:
        """Wherever the venue keeps conditional orders: orders lists it, order finds it, it fills once it is met."""
        broker = self.open()
        request = self.stop(broker)
        outcome = broker.submit(request)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        self.trade(broker)
        assert [report.key for report in broker.orders()] == [request.key], f"Expected it, was {broker.orders()}."
        fills = self.filled(broker, request, self.tick_price(broker, "1.3"))
        assert sum(fill.quantity for fill in fills) == request.quantity, f"Expected {request.quantity}, was {fills}."
        assert self.shown(broker, request).state is OrderState.FILLED, f"Expected FILLED: {broker.order(ref(request))}."

    @needs("type:stop")
    def test_bc_27_a_stop_is_cancelled(self) -> None:
        """By the same cancel as any order (F39)."""
        broker = self.open()
        request = self.stop(broker)
        broker.submit(request)
        outcome = broker.cancel(ref(request))
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        self.eventually(lambda: self.shown(broker, request).state in ENDED, "the order gone")
        assert list(broker.orders()) == [], f"Expected none, was {broker.orders()}."

    @needs("type:limit", "tif:ioc", "market")
    def test_bc_28_what_cannot_fill_at_once_is_gone(self) -> None:
        """An IOC order below the market ends without a fill (F37)."""
        broker = self.open()
        request = self.limit(broker, time_in_force=TimeInForce.IOC)
        outcome = broker.submit(request)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        self.trade(broker)
        self.eventually(lambda: self.shown(broker, request).state in ENDED, "the order over")
        found = self.shown(broker, request)
        assert found.filled == 0 and not list(broker.orders()), f"Expected nothing filled, nothing left: {found!r}."

    @needs("market")
    def test_bc_29_a_sale_closes_the_position(self) -> None:
        """Bought and sold: flat, and positions says so by not listing it."""
        broker = self.open()
        self.filled(broker, self.bought(broker))
        (held,) = broker.positions()
        lot = self.rules(broker).lot
        sale = self.market(broker, 2, Side.SELL, quantity=held.quantity // lot * lot, reduce_only=True)
        outcome = broker.submit(sale)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        self.filled(broker, sale)
        left = sum((abs(position.quantity) for position in broker.positions()), Decimal(0))
        assert left < lot, f"Expected to be flat, was {broker.positions()}."

    @needs("market")
    def test_bc_30_shorts_only_where_it_says_so(self) -> None:
        """More is sold than held: a short position where the account shorts, else refused; never both."""
        broker = self.open()
        request = self.market(broker, 1, Side.SELL)
        outcome = broker.submit(request)
        if broker.account().shorting:
            assert isinstance(outcome, Accepted), f"The account shorts: expected Accepted, was {outcome!r}."
            self.filled(broker, request)
            (held,) = broker.positions()
            assert held.quantity == -request.quantity, f"Expected {-request.quantity}, was {held!r}."
            return
        self.trade(broker)
        if isinstance(outcome, Accepted):
            assert self.shown(broker, request).filled == 0, "It sold what it does not hold."
        else:
            assert isinstance(outcome, Rejected), f"Expected Rejected, was {outcome!r}."
        assert list(broker.positions()) == [], f"Expected none, was {broker.positions()}."

    @needs("market", "reduce_only")
    def test_bc_86_a_reducing_order_opens_nothing(self) -> None:
        """Nothing is held: an order that may only reduce is refused, or ends without a fill, on either side."""
        broker = self.open()
        for number, side in enumerate(Side):
            request = self.market(broker, number, side, reduce_only=True)
            outcome = broker.submit(request)
            self.trade(broker)
            held = [position for position in broker.positions() if position.symbol == self.about]
            assert held == [], f"{side.value}: expected no position, was {held}."
            assert list(broker.fills(EPOCH)) == [], f"{side.value}: expected no fill, was {broker.fills(EPOCH)}."
            if isinstance(outcome, Accepted):
                self.eventually(lambda asked=request: self.shown(broker, asked).state in ENDED, "the order over")  # type: ignore[misc]
            else:
                assert isinstance(outcome, Rejected), f"{side.value}: expected Rejected, was {outcome!r}."

    def bought(self, broker: Any) -> OrderRequest:
        """A market buy, sent."""
        request = self.market(broker)
        outcome = broker.submit(request)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        return request
