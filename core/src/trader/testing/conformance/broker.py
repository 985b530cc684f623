"""Brokers: what every venue must do, whatever it is. One account, clean at the start of each case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from msgspec import structs

from trader.model import (
    Accepted,
    Account,
    Bars,
    Fill,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
    Unavailable,
    Unknown,
)
from trader.orders.ids import IdMint
from trader.testing.conformance.suite import Conformance, Made
from trader.testing.fakes import bars as made_bars

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEEN = {OrderState.WORKING, OrderState.FILLED, OrderState.UNKNOWN, OrderState.CANCEL_SENT}
GONE = {OrderState.CANCELED, OrderState.CANCEL_SENT, OrderState.FILLED, OrderState.EXPIRED}


class BrokerConformance(Conformance):
    """BR-01 to BR-13, on one symbol that trades at `price`. A broker with a venue far away is given one that answers
    (an emulator), by `prepare` and `options`, with an account that holds nothing."""

    kind = "broker"
    symbol: ClassVar[str] = "AAPL"
    price: ClassVar[Decimal] = Decimal(100)
    quantity: ClassVar[Decimal] = Decimal(2)

    @pytest.fixture(autouse=True)
    def _closed_again(self) -> Iterator[None]:
        """What a case leaves open is closed after it."""
        self._opened: list[Made] = []
        yield
        for made in self._opened:
            made.object.close()

    # ---- the account -----------------------------------------------------------------------------------------------
    def test_br_01_opens_an_account(self) -> None:
        """open and account say whose it is, paper or demo, in which currency; money is Decimal, time aware."""
        made = self.made()
        self._opened.append(made)
        for answer in (made.object.open(), made.object.account()):
            assert isinstance(answer, Account), f"Expected an Account, was {answer!r}."
            assert answer.kind in ("paper", "demo"), (
                f"Conformance is for paper and demo accounts, this one is {answer.kind}."
            )
            assert answer.account_id and answer.currency, f"Expected an account id and a currency, was {answer!r}."
            for amount in (answer.cash, answer.equity, answer.settled_cash):
                assert type(amount) is Decimal, f"Expected money as Decimal, was {amount!r}."
            assert answer.time.tzinfo is not None, "Expected an aware time."

    def test_br_02_begins_clean(self) -> None:
        """A new account holds nothing, has no orders and no fills."""
        broker = self._open()
        for name, answer in (
            ("positions", broker.positions()), ("orders", broker.orders()), ("fills", broker.fills(EPOCH)),
        ):  # fmt: skip
            assert not isinstance(answer, Unavailable), f"{name}: {answer}"
            assert list(answer) == [], f"Expected no {name}, was {list(answer)}."

    def test_br_03_knows_its_instruments(self) -> None:
        """The rules of the symbol asked for: steps above 0; () is no error."""
        broker = self._open()
        (rules,) = broker.instruments([self.symbol])
        assert isinstance(rules, Instrument) and rules.symbol == self.symbol, f"Expected {self.symbol}, was {rules!r}."
        assert rules.tick > 0 and rules.lot > 0 and rules.multiplier > 0, f"Expected steps above 0, was {rules!r}."
        assert not isinstance(broker.instruments(()), Unavailable), "instruments(()) is Unavailable."

    # ---- orders ----------------------------------------------------------------------------------------------------
    def test_br_04_an_order_is_there_under_its_key(self) -> None:
        """submit answers Accepted; order finds it by key and by venue id, as it was sent; orders lists it once."""
        broker = self._open()
        request = self._limit(broker)
        outcome = broker.submit(request)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        ref = OrderRef(request.client_id, request.key, request.symbol)
        for asked in (ref, OrderRef(request.client_id, request.key, request.symbol, outcome.venue_id)):
            found = broker.order(asked)
            assert isinstance(found, OrderReport), f"Expected the order, was {found!r}."
            told = (found.key, found.symbol, found.side, found.quantity)
            sent = (request.key, request.symbol, request.side, request.quantity)
            assert told == sent, f"Expected {sent}, was {told}."
            assert found.state in SEEN, f"Expected a state of an order that was just sent, was {found.state}."
        keys = [report.key for report in broker.orders()]
        assert keys == [request.key], f"Expected the one working order {request.key}, was {keys}."

    def test_br_05_a_key_is_never_two_orders(self) -> None:
        """The same order again is no second order: Rejected, or Accepted with the first one's venue id."""
        broker = self._open()
        request = self._limit(broker)
        first, again = broker.submit(request), broker.submit(request)
        same = isinstance(again, Rejected) or again == first
        assert same, f"First it said {first!r}, to the same key again {again!r}."
        assert len(broker.orders()) == 1, f"Expected one order, was {len(broker.orders())}."

    def test_br_06_cancels(self) -> None:
        """cancel is Accepted and the order is gone; again, and for an order that never was, it is no exception."""
        broker = self._open()
        request = self._limit(broker)
        broker.submit(request)
        ref = OrderRef(request.client_id, request.key, request.symbol)
        outcome = broker.cancel(ref)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        found = broker.order(ref)
        assert isinstance(found, OrderReport) and found.state in GONE, f"Expected it canceled, was {found!r}."
        stray = OrderRef("t0", broker.key("t0"), self.symbol)
        for asked in (ref, stray):
            answer = _call("cancel", broker.cancel, asked)
            assert isinstance(answer, Accepted | Rejected | Unknown), f"Expected an outcome, was {answer!r}."

    def test_br_07_an_order_that_never_was_is_not_found(self) -> None:
        """order answers NotFound: neither an exception nor Unavailable."""
        broker = self._open()
        found = _call("order", broker.order, OrderRef("t0", broker.key("t0"), self.symbol))
        assert isinstance(found, NotFound), f"Expected NotFound, was {found!r}."

    def test_br_08_nonsense_is_rejected(self) -> None:
        """Quantities of 0, below 0, NaN, between lots; prices of 0, between ticks, missing; an unknown symbol:
        Rejected or Unknown, never an exception, never an order."""
        broker = self._open()
        (rules,) = broker.instruments([self.symbol])
        for number, (what, change) in enumerate(_nonsense(rules).items(), start=10):
            request = _changed(self._limit(broker, number), change)
            outcome = _call(f"submit with {what}", broker.submit, request)
            assert isinstance(outcome, Rejected | Unknown), f"With {what}: expected Rejected, was {outcome!r}."
            assert not isinstance(outcome, Rejected) or outcome.reason.strip(), (
                f"With {what}: rejected without a reason."
            )
        assert not list(broker.orders()), f"Nonsense became an order: {list(broker.orders())}."

    def test_br_09_keys_are_pure(self) -> None:
        """The same client id has the same key, also in another instance; two ids have two keys."""
        one, two = self.made().object, self.made().object
        ids = [self._client_id(number) for number in range(100)]
        keys = [one.key(client_id) for client_id in ids]
        assert all(isinstance(key, str) and key for key in keys), f"Expected text, was {keys[0]!r}."
        assert [two.key(client_id) for client_id in ids] == keys, "The key depends on more than the client id."
        assert len(set(keys)) == len(ids), "Two client ids have the same key."

    # ---- fills -----------------------------------------------------------------------------------------------------
    def test_br_10_fills_are_facts(self) -> None:
        """A market order fills after it was decided, under its key, once for each execution id; the position is the
        sum of the fills; fills(since) keeps to its time, oldest first."""
        broker = self._open()
        request = self._market(broker)
        assert isinstance(broker.submit(request), Accepted)
        fills = self._filled(broker)
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
        assert held == {self.symbol: total}, f"Expected a position of {total}, was {held}."
        last = fills[-1].time
        assert list(broker.fills(last + timedelta(microseconds=1))) == [], "fills(since) has older ones."
        assert fills[-1] in list(broker.fills(last)), "fills(since) lacks the one at that time."

    def test_br_11_the_same_bars_again_change_nothing(self) -> None:
        """on_bars (NeedsBars) is idempotent by the bar's time."""
        made = self.made()
        made.needs("NeedsBars")
        broker = self._open(made)
        broker.submit(self._market(broker))
        first = self._filled(broker)
        cash = broker.account().cash
        assert broker.on_bars(self._bars(3)) is None
        assert list(broker.fills(EPOCH)) == first, "The same bars again made other fills."
        assert broker.account().cash == cash, "The same bars again moved cash."

    # ---- over a restart --------------------------------------------------------------------------------------------
    def test_br_12_survives_a_restart(self) -> None:
        """A new instance on the same folder shows the same orders, fills, positions and cash."""
        broker = self._open()
        filled = self._market(broker, 1)
        broker.submit(filled)
        self._filled(broker)
        working = self._limit(broker, 2)
        broker.submit(working)
        before = _shown(broker)
        broker.close()
        again = self._open()
        assert _shown(again) == before, f"Before the restart {before}, after it {_shown(again)}."
        for request in (filled, working):
            found = again.order(OrderRef(request.client_id, request.key, request.symbol))
            assert isinstance(found, OrderReport), f"Order {request.key} is lost: {found!r}."

    def test_br_13_closes_twice(self) -> None:
        """close may come first and twice; a closed broker answers Unavailable or what it knows, and raises nothing."""
        made = self.made()
        made.object.close()
        broker = self._open(made)
        broker.close()
        broker.close()
        for name, ask in (
            ("account", broker.account), ("positions", broker.positions), ("orders", broker.orders),
            ("fills", lambda: broker.fills(EPOCH)),
        ):  # fmt: skip
            _call(f"{name} after close", ask)

    # ---- tools -----------------------------------------------------------------------------------------------------
    def _open(self, made: Made | None = None) -> Any:
        made = made or self.made()
        self._opened.append(made)
        answer = made.object.open()
        if not isinstance(answer, Account):
            pytest.skip(f"not asked: it does not open ({answer!r}), see BR-01")
        if "NeedsBars" in made.provided.has:
            made.object.on_bars(self._bars(1))
        return made.object

    def _bars(self, rows: int) -> Bars:
        """`rows` bars of the symbol, which stands at `price`; the first of them ends at `now`."""
        price = [float(self.price)] * rows
        return made_bars({self.symbol: price}, start=self.now - timedelta(days=1))

    def _filled(self, broker: Any) -> list[Fill]:
        """Its fills, after two more bars where it trades on ours."""
        if hasattr(broker, "on_bars"):
            assert broker.on_bars(self._bars(3)) is None
        return list(broker.fills(EPOCH))

    def _client_id(self, number: int) -> str:
        return IdMint(self.root.name.encode(), "conformance", "main").cycle(self.now.isoformat())(self.symbol, number)

    def _market(self, broker: Any, number: int = 1) -> OrderRequest:
        client_id = self._client_id(number)
        return OrderRequest(
            client_id, broker.key(client_id), "main", self.symbol, Side.BUY, self.quantity, OrderType.MARKET,
            TimeInForce.DAY, None, None, False, Purpose.REBALANCE, self.price, self.now,
        )  # fmt: skip

    def _limit(self, broker: Any, number: int = 1) -> OrderRequest:
        """A buy at half the price, good till cancelled: it stays."""
        (rules,) = broker.instruments([self.symbol])
        low = (self.price / 2 // rules.tick) * rules.tick
        change = {"type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "limit_price": low}
        return _changed(self._market(broker, number), change)


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


def _changed(request: OrderRequest, change: dict[str, Any]) -> OrderRequest:
    return structs.replace(request, **change)


def _shown(broker: Any) -> dict[str, Sequence[Any]]:
    return {
        "orders": list(broker.orders()),
        "fills": list(broker.fills(EPOCH)),
        "positions": list(broker.positions()),
        "cash": [broker.account().cash],
    }


def _call(what: str, method: Callable[..., Any], *args: Any) -> Any:
    try:
        return method(*args)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises
        pytest.fail(f"{what} raised {type(error).__name__}: {error}")
