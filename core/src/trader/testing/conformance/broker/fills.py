"""BC-10, BC-11, BC-31 to BC-37, BC-87: executions, positions, cash."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from trader.model import Accepted, Fill, OrderState, Side, TimeInForce
from trader.testing.conformance.broker.venue import ENDED, EPOCH, MANY, BrokerSuite, needs


class FillCases(BrokerSuite):
    @needs("market")
    def test_bc_10_fills_are_facts(self) -> None:
        """A market order fills after it was decided, under its key, once for each execution id; the position is the
        sum of the fills; fills(since) keeps to its time, oldest first."""
        broker = self.open()
        request = self.market(broker)
        assert isinstance(broker.submit(request), Accepted)
        fills = self.filled(broker, request)
        assert fills, "A market order in a symbol that trades was not filled."
        for fill in fills:
            assert fill.key == request.key, f"Expected fills of {request.key}, was {fill!r}."
            assert fill.time > request.decided_at, f"Filled at {fill.time}, decided at {request.decided_at}."
            assert fill.quantity > 0 and fill.price > 0 and fill.fee.is_finite(), f"Expected amounts, was {fill!r}."
        assert len({fill.execution_id for fill in fills}) == len(fills), "Two fills with one execution id."
        assert [fill.time for fill in fills] == sorted(fill.time for fill in fills), "Expected the oldest first."
        total = sum(fill.quantity for fill in fills)
        assert total <= request.quantity, f"Filled {total} of {request.quantity}."
        held = {position.symbol: position.quantity for position in broker.positions()}
        assert held == {self.about: self._net(fills)}, f"Expected a position of {self._net(fills)}, was {held}."
        last = fills[-1].time
        assert list(broker.fills(last + timedelta(microseconds=1))) == [], "fills(since) has older ones."
        assert fills[-1] in list(broker.fills(last)), "fills(since) lacks the one at that time."

    @needs("needs_bars", "market")
    def test_bc_11_the_same_bars_again_change_nothing(self) -> None:
        """on_bars (NeedsBars) is idempotent by the bar's time."""
        broker = self.open()
        if not self.found().manifest and not hasattr(broker, "on_bars"):
            pytest.skip("not asked: it has no trader.protocols.NeedsBars, and no manifest that says so")
        request = self.market(broker)
        broker.submit(request)
        first = self.filled(broker, request)
        cash = broker.account().cash
        assert broker.on_bars(self._bars()) is None
        assert list(broker.fills(EPOCH)) == first, "The same bars again made other fills."
        assert broker.account().cash == cash, "The same bars again moved cash."

    @needs("type:limit", "market")
    def test_bc_31_partial_fills_add_up(self) -> None:
        """Half is traded, then the rest: the order works on with what was filled, then it is filled (F25)."""
        broker = self.open()
        lot = self.rules(broker).lot
        quantity = max(self.size, lot * 2)
        request, low = self.limit(broker, quantity=quantity), self.tick_price(broker, "0.75")
        assert isinstance(broker.submit(request), Accepted)
        half = float((quantity / 2 // lot) * lot)
        for share in (1, 2, 5, 10, 20, 50, 100):  # of a bar's volume that orders get: every venue has its own
            self.trade(broker, low, volume=half * share)
            if self.shown(broker, request).filled:
                break
        found = self.shown(broker, request)
        assert found.state is OrderState.WORKING, f"Expected it to work on, was {found!r}."
        assert Decimal(0) < found.filled < quantity, f"Expected a part of {quantity} filled, was {found!r}."
        for _ in range(20):
            self.trade(broker, low)
        self.eventually(lambda: self.shown(broker, request).state is OrderState.FILLED, "the order filled")
        fills = [fill for fill in broker.fills(EPOCH) if fill.key == request.key]
        assert sum(fill.quantity for fill in fills) == quantity == self.shown(broker, request).filled
        assert len({fill.execution_id for fill in fills}) == len(fills) > 1, f"Expected two executions, was {fills}."

    @needs("wire")
    def test_bc_32_every_execution_comes_once(self) -> None:
        """More executions than a page shows: fills has each once, or is Unavailable."""
        broker = self.open()
        requests = []
        for number in range(MANY):
            side = Side.SELL if number % 2 else Side.BUY
            left = self.rules(broker).lot if number % 2 else 0  # a fee may have been taken off what was bought
            request = self.market(broker, number, side, quantity=self._enough(broker) - left)
            outcome = broker.submit(request)
            assert isinstance(outcome, Accepted), f"Order {number}: expected Accepted, was {outcome!r}."
            requests.append(request)
            self.trade(broker)
        there = self.venue.venue.truth_fills()
        fills = self.at_least(len(there), lambda: broker.fills(EPOCH), "every fill")
        assert len({fill.execution_id for fill in fills}) == len(fills) == len(there), (
            f"The venue made {len(there)} executions, fills shows {len(fills)}."
        )
        assert {fill.key for fill in fills} == {request.key for request in requests}
        assert [fill.time for fill in fills] == sorted(fill.time for fill in fills), "Expected the oldest first."

    @needs("market")
    def test_bc_33_fills_since_a_moment(self) -> None:
        """`since` itself counts; what is older does not come."""
        broker = self.open()
        first, second = self.market(broker, 1), self.market(broker, 2)
        broker.submit(first)
        before = self.filled(broker, first)
        self.world_sleeps()
        broker.submit(second)
        after = self.filled(broker, second)
        since = after[0].time
        if since > before[-1].time:
            assert list(broker.fills(since)) == after, f"Since {since}: expected {after}, was {broker.fills(since)}."
        assert list(broker.fills(EPOCH)) == before + after

    @needs("market")
    def test_bc_34_a_fee_has_a_currency(self) -> None:
        """Fees are exact and say what they are paid in; a cash account's money is what it was, minus price and fees."""
        broker = self.open()
        before = broker.account().cash
        request = self.market(broker)
        broker.submit(request)
        fills = self.filled(broker, request)
        rules, currency = self.rules(broker), broker.account().currency
        for fill in fills:
            assert type(fill.fee) is Decimal and (not fill.fee or fill.fee_currency), f"A fee in nothing: {fill!r}."
        if rules.settlement != "cash":
            return
        paid = sum((fill.quantity * fill.price * rules.multiplier for fill in fills), Decimal(0))
        fees = sum((fill.fee for fill in fills if fill.fee_currency in ("", currency)), Decimal(0))
        moved = before - broker.account().cash
        assert abs(moved - paid - fees) <= Decimal("0.01") * len(fills), (
            f"Cash moved by {moved}; price {paid} and fees {fees}."
        )

    @needs("market")
    def test_bc_35_positions_follow_the_fills(self) -> None:
        """Buys and sells in turn: the position is what the fills add up to, base-asset fees taken off."""
        broker = self.open()
        lot = self.rules(broker).lot
        fills: list[Fill] = []
        steps = [(Side.BUY, self.size), (Side.BUY, self.size), (Side.SELL, (self.size / 2 // lot) * lot or lot)]
        for number, (side, quantity) in enumerate(steps):
            request = self.market(broker, number, side, quantity=quantity)
            assert isinstance(broker.submit(request), Accepted), f"Step {number} was not accepted."
            fills += self.filled(broker, request)
        held = {position.symbol: position.quantity for position in broker.positions()}
        assert held == {self.about: self._net(fills)}, f"Expected {self._net(fills)}, was {held}."

    @needs("wire", "cash_events")
    def test_bc_36_cash_events_come_once(self) -> None:
        """Money that moved without a trade: each with an id, the same every time it is asked for, from `since` on."""
        broker = self.open()
        self.venue.venue.cash("transfer", Decimal(250))
        self.venue.venue.cash("fee", Decimal("-1.25"), self.about)
        events = self.at_least(2, lambda: broker.cash_events(EPOCH), "both events")
        assert len({event.event_id for event in events}) == len(events), f"Two with one id: {events}."
        assert list(broker.cash_events(EPOCH)) == events, "Asked again, it says something else."
        amounts = sorted(event.amount for event in events)
        assert amounts == [Decimal("-1.25"), Decimal(250)], f"Expected -1.25 and 250, was {amounts}."
        late = max(event.time for event in events) + timedelta(days=1)
        assert list(broker.cash_events(late)) == [], "cash_events(since) has older ones."

    @needs("market")
    def test_bc_37_what_cannot_be_paid_is_not_filled(self) -> None:
        """An order far beyond the account's money is Rejected, or ends without being filled for it."""
        broker = self.open()
        rules = self.rules(broker)
        beyond = broker.account().equity * 1_000 / (self.at * rules.multiplier)
        quantity = (beyond // rules.lot + 1) * rules.lot
        request = self.market(broker, quantity=quantity)
        outcome = broker.submit(request)
        self.trade(broker)
        filled = [fill.quantity for fill in broker.fills(EPOCH)]
        assert sum(filled, Decimal(0)) < quantity, f"It filled {filled} of {quantity}."
        if isinstance(outcome, Accepted):
            self.eventually(lambda: self.shown(broker, request).state in ENDED, "the order over")

    @needs("wire", "type:limit")
    def test_bc_87_every_symbol_is_told(self) -> None:
        """Bought in all that trades there, and an order left waiting in each: fills, positions and orders have every
        symbol, on whatever page."""
        self.all_symbols = True
        broker = self.open()
        marks = {symbol: Decimal(repr(price)) for symbol, price in self.venue.marks.items()}
        known = broker.instruments(sorted(marks))
        assert {rules.symbol for rules in known} == set(marks), f"Expected the rules of {sorted(marks)}, was {known}."
        traded = [rules for rules in known if rules.tradable]
        for number, rules in enumerate(traded):
            price = marks[rules.symbol]
            low = price * Decimal("0.8") // rules.tick * rules.tick
            words = rules.tags.get("time_in_force", "").split()
            lasting = {"time_in_force": TimeInForce(words[0])} if words else {}
            quantity = (int(rules.min_notional / (low * rules.multiplier) / rules.lot) + 2) * rules.lot
            common = {"symbol": rules.symbol, "quantity": quantity, "price": price, **lasting}
            buys = self.market(broker, 2 * number, **common)
            waits = self.limit(broker, 2 * number + 1, **{**common, "limit_price": low})
            for request in (buys, waits):
                outcome = broker.submit(request)
                assert isinstance(outcome, Accepted), f"{rules.symbol}: expected Accepted, was {outcome!r}."
                self.venue.trade(rules.symbol, float(price))
        symbols = sorted(rules.symbol for rules in traded)
        for what, ask in (("fills", lambda: broker.fills(EPOCH)), ("positions", broker.positions),
                          ("orders", broker.orders)):  # fmt: skip
            told = self.at_least(len(symbols), ask, f"{what} of {len(symbols)} symbols")
            assert sorted(one.symbol for one in told) == symbols, f"{what}: expected {symbols}, was {told}."

    # ---- tools -----------------------------------------------------------------------------------------------------
    def _net(self, fills: list[Fill]) -> Decimal:
        base = self.about.partition("/")[0] if "/" in self.about else None
        kept = sum((fill.fee for fill in fills if base and fill.fee_currency == base), Decimal(0))
        return sum((fill.quantity * fill.side.sign for fill in fills), Decimal(0)) - kept

    def _enough(self, broker: object) -> Decimal:
        """A quantity that passes the smallest notional, and leaves a whole lot after base-asset fees."""
        rules = self.rules(broker)
        least = rules.min_notional / (self.at * rules.multiplier)
        return min((int(least / rules.lot) + 2) * rules.lot, self.size)

    def world_sleeps(self) -> None:
        """Until the machine's clock is some milliseconds on: venues stamp in milliseconds."""
        from trader.clock import SystemClock

        if self.emulated:
            SystemClock().sleep(0.02)
