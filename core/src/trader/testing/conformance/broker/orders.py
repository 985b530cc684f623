"""BC-04 to BC-09, BC-18 to BC-20: orders and their keys."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import structs

from trader.model import (
    Accepted,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderState,
    Rejected,
    Unavailable,
    Unknown,
)
from trader.testing.conformance.broker.venue import EPOCH, MANY, BrokerSuite, call, needs, ref

SEEN = {OrderState.WORKING, OrderState.FILLED, OrderState.UNKNOWN, OrderState.CANCEL_SENT}
GONE = {OrderState.CANCELED, OrderState.CANCEL_SENT, OrderState.FILLED, OrderState.EXPIRED}


class OrderCases(BrokerSuite):
    def test_bc_04_an_order_is_there_under_its_key(self) -> None:
        """submit answers Accepted; order finds it by key and by venue id, as it was sent; orders lists it once."""
        broker = self.open()
        request = self.limit(broker)
        outcome = broker.submit(request)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        for asked in (ref(request), ref(request, outcome.venue_id)):
            found = broker.order(asked)
            assert isinstance(found, OrderReport), f"Expected the order, was {found!r}."
            told = (found.key, found.symbol, found.side, found.quantity, found.type, found.limit_price)
            sent = (request.key, request.symbol, request.side, request.quantity, request.type, request.limit_price)
            assert told == sent, f"Expected {sent}, was {told}."
            assert found.state in SEEN, f"Expected a state of an order that was just sent, was {found.state}."
        keys = [report.key for report in broker.orders()]
        assert keys == [request.key], f"Expected the one working order {request.key}, was {keys}."

    @needs("keys")
    def test_bc_05_a_key_is_never_two_orders(self) -> None:
        """The same order again is no second order: Rejected, or Accepted with the first one's venue id."""
        broker = self.open()
        request = self.limit(broker)
        first, again = broker.submit(request), broker.submit(request)
        same = isinstance(again, Rejected) or again == first
        assert same, f"First it said {first!r}, to the same key again {again!r}."
        assert len(broker.orders()) == 1, f"Expected one order, was {len(broker.orders())}."
        if isinstance(again, Rejected):
            assert again.kind == "duplicate", f'Expected kind "duplicate", was {again!r}.'

    def test_bc_06_cancels(self) -> None:
        """cancel is Accepted and the order is gone; again, and for an order that never was, it is no exception."""
        broker = self.open()
        request = self.limit(broker)
        broker.submit(request)
        outcome = broker.cancel(ref(request))
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        found = self.shown(broker, request)
        assert found.state in GONE, f"Expected it canceled, was {found!r}."
        stray = OrderRef("t0", broker.key("t0"), self.about)
        for asked in (ref(request), stray):
            answer = call("cancel", broker.cancel, asked)
            assert isinstance(answer, Accepted | Rejected | Unknown), f"Expected an outcome, was {answer!r}."

    def test_bc_07_an_order_that_never_was_is_not_found(self) -> None:
        """order answers NotFound: neither an exception nor Unavailable."""
        broker = self.open()
        found = call("order", broker.order, OrderRef("t0", broker.key("t0"), self.about))
        assert isinstance(found, NotFound), f"Expected NotFound, was {found!r}."

    def test_bc_08_nonsense_is_rejected(self) -> None:
        """Quantities of 0, below 0, NaN, between lots; prices of 0, between ticks, missing; an unknown symbol:
        Rejected or Unknown, never an exception, never an order."""
        broker = self.open()
        rules = self.rules(broker)
        for number, (what, change) in enumerate(_nonsense(rules).items(), start=10):
            request = structs.replace(self.limit(broker, number), **change)
            outcome = call(f"submit with {what}", broker.submit, request)
            assert isinstance(outcome, Rejected | Unknown), f"With {what}: expected Rejected, was {outcome!r}."
            assert not isinstance(outcome, Rejected) or outcome.reason.strip(), (
                f"With {what}: rejected without a reason."
            )
        assert not list(broker.orders()), f"Nonsense became an order: {list(broker.orders())}."

    def test_bc_09_keys_are_pure(self) -> None:
        """The same client id has the same key, also in another instance; two ids have two keys."""
        one, two = self.made().object, self.made().object
        ids = [self.client_id(number) for number in range(100)]
        keys = [one.key(client_id) for client_id in ids]
        assert all(isinstance(key, str) and key for key in keys), f"Expected text, was {keys[0]!r}."
        assert [two.key(client_id) for client_id in ids] == keys, "The key depends on more than the client id."
        assert len(set(keys)) == len(ids), "Two client ids have the same key."

    def test_bc_18_amounts_arrive_as_they_were_sent(self) -> None:
        """Quantity and limit with all the digits that the venue's steps allow: no float touches them."""
        broker = self.open()
        rules = self.rules(broker)
        quantity = self.size + rules.lot * 7
        price = self.tick_price(broker, "0.8") + rules.tick * 3
        request = self.limit(broker, quantity=quantity, limit_price=price)
        outcome = broker.submit(request)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        found = self.shown(broker, request)
        assert (found.quantity, found.limit_price) == (quantity, price), f"Sent {quantity} at {price}, was {found!r}."
        if self.emulated:
            (there,) = self.venue.venue.accepted
            assert (there.order.quantity, there.order.limit_price) == (quantity, price), f"It got {there.order!r}."

    @needs("wire")
    def test_bc_19_every_working_order_is_listed(self) -> None:
        """More orders than a page shows: orders() has each once, or is Unavailable."""
        broker = self.open()
        keys = set()
        for number in range(MANY):
            request = self.limit(broker, number, quantity=self.smallest(broker))
            outcome = broker.submit(request)
            assert isinstance(outcome, Accepted), f"Order {number}: expected Accepted, was {outcome!r}."
            keys.add(request.key)
        listed = broker.orders()
        assert not isinstance(listed, Unavailable), f"Expected the orders, was {listed!r}."
        shown = [report.key for report in listed]
        assert sorted(shown) == sorted(keys), f"Expected {MANY} orders, each once; was {len(shown)}."

    @needs("wire")
    def test_bc_20_a_persons_orders_and_trades_are_seen(self) -> None:
        """A trade and a cancel by hand at the venue show in fills, positions and order states."""
        broker = self.open()
        request = self.limit(broker)
        outcome = broker.submit(request)
        assert isinstance(outcome, Accepted)
        (there,) = self.venue.venue.accepted
        self.venue.venue.manual_cancel(there.venue_id)
        self.venue.venue.manual_trade(self.about, request.side, self.size)
        self.trade(broker)
        self.eventually(lambda: [fill for fill in broker.fills(EPOCH) if fill.key != request.key], "the trade by hand")
        found = self.shown(broker, request)
        assert found.state is OrderState.CANCELED, f"Expected it canceled, was {found!r}."
        held = {position.symbol: position.quantity for position in broker.positions()}
        assert set(held) == {self.about} and held[self.about] > 0, f"Expected a position, was {held}."

    def smallest(self, broker: Any) -> Decimal:
        """The smallest quantity that the venue's rules let in, at the price of a waiting limit order."""
        rules = self.rules(broker)
        least = rules.min_notional / (self.tick_price(broker, "0.8") * rules.multiplier)
        lots = int(least / rules.lot) + 1
        return min(lots * rules.lot, self.size)


def _nonsense(rules: Instrument) -> dict[str, dict[str, Any]]:
    return {
        "a quantity of 0": {"quantity": Decimal(0)},
        "a quantity below 0": {"quantity": -rules.lot},
        "a quantity of NaN": {"quantity": Decimal("NaN")},
        "an infinite quantity": {"quantity": Decimal("Infinity")},
        "a quantity between two lots": {"quantity": rules.lot * Decimal("1.5")},
        "a limit price of 0": {"limit_price": Decimal(0)},
        "a limit price below 0": {"limit_price": -rules.tick},
        "a limit price of NaN": {"limit_price": Decimal("NaN")},
        "a limit price between two ticks": {"limit_price": rules.tick * Decimal("100.5")},
        "no limit price in a limit order": {"limit_price": None},
        "an unknown symbol": {"symbol": "NO-SUCH-SYMBOL"},
        "no symbol": {"symbol": ""},
    }
