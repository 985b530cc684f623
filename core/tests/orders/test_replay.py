"""I15: the journal played again gives what the journal keeps ready, whatever happened."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from trader.clock import VirtualClock
from trader.model import (
    Accepted,
    CashEvent,
    Fill,
    Instrument,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Refusal,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
)
from trader.orders.blotter import UNCERTAIN, Blotter
from trader.orders.journal import CycleRecord, Move
from trader.orders.ledger import Ledger
from trader.orders.lifecycle import Cause
from trader.orders.replay import replay, state_hash, stored
from trader.orders.store_journal import StoreJournal
from trader.store import schema
from trader.store.chain import Chain, fact_digest, verify_chain
from trader.store.database import open_store
from trader.store.runs import open_epoch
from trader.store.schema import micros

START = datetime(2024, 1, 2, 12, tzinfo=UTC)
OLD = Path(__file__).parents[1] / "store" / "revision_0001.sql"
RULES = {
    "IBM": Instrument("IBM"),
    "ES": Instrument("ES", multiplier=Decimal(50), settlement="margin"),
    "BTC/USDT": Instrument("BTC/USDT"),
}
SYMBOLS = tuple(RULES)


class Book:
    """A book with its real blotter, ledger and journal."""

    def __init__(self, path):
        self.store = open_store(path, clock=VirtualClock(START))
        open_epoch(self.store, b"n", "first")
        self.take_up()
        self.count = self.number = 0
        self.requests = []

    def take_up(self):
        """As a new session does."""
        self.journal = StoreJournal(
            self.store, book="main", venue="paper", account="P1", session="s", clock=VirtualClock(START)
        )
        state = self.journal.load()
        self.blotter = Blotter(state.orders)
        self.ledger = Ledger("USD", state.cash or Decimal(0), state.holdings, state.seen)

    @property
    def at(self):
        return START + timedelta(minutes=self.count)

    def pay(self, amount, currency="USD"):
        self.count += 1
        event = CashEvent(f"c{self.count}", "transfer", Decimal(amount), currency, self.at)
        self.journal.booked([self.ledger.after_event(event)], [])

    def decide(self, *orders, denied=()):
        """Each order: symbol, side, quantity."""
        self.count += 1
        self.number += 1
        made = [self._request(*each) for each in (*orders, *denied)]
        sent, refused = made[: len(orders)], [(each, "cap: too much") for each in made[len(orders) :]]
        record = CycleRecord("main", self.at.isoformat(), self.number, self.at, Decimal(1), self.ledger.cash, b"{}")
        self.journal.decided(record, sent, refused, {})
        self.blotter.submitting(sent)
        self.requests += sent
        return sent

    def _request(self, symbol, side, quantity):
        self.count += 1
        return OrderRequest(
            f"t{self.count}", f"k{self.count}", "main", symbol, Side(side), Decimal(quantity), OrderType.MARKET,
            TimeInForce.DAY, None, None, False, Purpose.REBALANCE, Decimal(10), self.at,
        )  # fmt: skip

    def trade(self, request, quantity, price, fee="0", fee_currency="USD"):
        """A fill at the venue; an order that has ended here is taken up again."""
        self.count += 1
        order = self.blotter.by_key(request.key)
        if order is None:
            found = self.journal.find(request.key, None)
            order = self.blotter.take_up(found) if found is not None else None
        fact = Fill(
            f"e{self.count}", request.key, "v1", request.symbol, request.side, Decimal(quantity), Decimal(price),
            Decimal(fee), self.at, fee_currency,
        )  # fmt: skip
        booking = self.ledger.after_fill(fact, request.client_id, RULES[request.symbol])
        self.journal.booked([booking], self.blotter.fill(order, fact) if order is not None else [])
        self._note()

    def answer(self, request, outcome):
        self.count += 1
        self.journal.moved(self.blotter.outcome(request.client_id, outcome, self.at))
        self._note()

    def show(self, request, state, filled=None, venue_id="v1"):
        """The venue's report."""
        self.count += 1
        order = self.blotter.by_key(request.key)
        filled = (order.filled if order is not None else 0) if filled is None else filled
        report = OrderReport(
            request.key, venue_id, request.symbol, request.side, request.quantity, Decimal(filled), OrderState(state),
            self.at,
        )  # fmt: skip
        self.journal.moved(self.blotter.report(report, self.at))
        self._note()

    def cancel(self, request, outcome):
        self.count += 1
        self.journal.moved(self.blotter.cancel_sent(request.client_id, self.at))
        self.journal.moved(self.blotter.cancel_outcome(request.client_id, outcome, self.at))

    def lose(self, request):
        """A restart finds it submitting, and the venue does not show it."""
        self.count += 1
        order = self.blotter.get(request.client_id)
        if order is not None and order.state is OrderState.SUBMITTING:
            self.journal.moved(self.blotter.possibly_sent(order, self.at))
        if order is not None and order.state in UNCERTAIN:
            self.journal.moved(self.blotter.proven_absent(order, self.at))

    def _note(self):
        for each in self.blotter.odd:
            self.journal.odd(each.client_id, each.text, self.at)
        self.blotter.odd.clear()

    def same(self):
        """What is replayed, after it was compared with what is stored."""
        made, kept = replay(self.store, "main"), stored(self.store, "main")
        assert (made.orders, made.holdings, made.cash) == (kept.orders, kept.holdings, kept.cash)
        assert state_hash(made) == state_hash(kept)
        assert verify_chain(self.store) is None
        return made


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path / "t.db")
    yield book
    book.store.close()


def test_a_book_that_was_never_opened_is_empty(book):
    made = replay(book.store, "nobody")
    assert (made.orders, made.holdings, made.cash, made.illegal) == ({}, {}, None, [])
    assert state_hash(made) == state_hash(stored(book.store, "nobody"))


def test_orders_positions_and_cash_are_found_again(book):
    book.pay("10000")
    first, second = book.decide(("IBM", "buy", "7.5"), ("ES", "sell", "2"), denied=[("IBM", "buy", "100")])
    book.answer(first, Accepted("v1"))
    book.trade(first, "2.5", "100.10", "1")
    book.trade(first, "5", "100.40", "1")
    book.answer(second, Unknown("timeout", "no answer"))
    made = book.same()
    assert made.illegal == []
    assert [(each.state, each.filled, each.venue_id) for each in made.orders.values()] == [
        (OrderState.FILLED, Decimal("7.5"), "v1"),
        (OrderState.UNKNOWN, Decimal(0), None),
        (OrderState.DENIED, Decimal(0), None),
    ]
    assert made.cash == Decimal(10000) - Decimal("250.25") - Decimal("502.00") - 2
    assert made.holdings["IBM"].price == Decimal("100.3")


def test_margin_fees_in_what_was_bought_and_multipliers_are_found_again(book):
    book.pay("10000")
    future, coin = book.decide(("ES", "buy", "2"), ("BTC/USDT", "buy", "2"))
    book.trade(future, "2", "4000", "4")
    book.trade(coin, "2", "30000.5", "0.002", "BTC")
    (out,) = book.decide(("ES", "sell", "3"))
    book.trade(out, "3", "4010", "6")
    made = book.same()
    assert made.cash == Decimal(10000) - 4 - 6 + 2 * 10 * 50 - Decimal("60001.0")
    assert made.holdings["BTC/USDT"].quantity == Decimal("1.998")
    assert (made.holdings["ES"].quantity, made.holdings["ES"].realized) == (Decimal(-1), Decimal(1000))


def test_a_trade_of_somebody_else_that_the_book_leaves_alone_moves_nothing(book):
    book.pay("1000")
    fact = Fill("x1", "", "v9", "IBM", Side.BUY, Decimal(5), Decimal(10), Decimal(1), START, "USD")
    book.journal.booked([book.ledger.after_foreign(fact, RULES["IBM"])], [])
    made = book.same()
    assert (made.holdings, made.cash) == ({}, Decimal(1000))


def test_a_cash_event_says_what_it_moved_where_that_is_not_its_amount(book):
    book.pay("1000")
    row = ["paper", "P1", "d1", "main", "dividend", "12.50", "EUR", "IBM", micros(START), "0"]
    with book.store.transaction() as connection:
        chain = Chain(book.store, connection, 1, "s", micros(START))
        chain.add("cash", book="main", digest=fact_digest((chain.seq + 1, *row)), at=micros(START))
        book.store.insert(connection, schema.cash_event, [(chain.seq, *row)])
        chain.write()
    assert book.same().cash == Decimal(1000)


def test_a_fact_that_fits_no_step_is_passed_over(book):
    book.pay("1000")
    (order,) = book.decide(("IBM", "buy", "5"))
    book.answer(order, Rejected("funds", "too little"))
    book.trade(order, "5", "10")
    book.show(order, "working")
    made = book.same()
    assert made.illegal == []
    assert made.orders[order.client_id].state is OrderState.REJECTED
    assert made.orders[order.client_id].filled == Decimal(5)


def test_an_order_that_turned_up_after_it_was_absent_is_legal(book):
    (order,) = book.decide(("IBM", "buy", "5"))
    book.lose(order)
    assert book.same().orders[order.client_id].state is OrderState.ABSENT
    book.show(order, "working", venue_id="v7")
    book.show(order, "working", venue_id="v8")
    book.show(order, "canceled", venue_id="v8")
    made = book.same()
    assert made.illegal == []
    assert (made.orders[order.client_id].state, made.orders[order.client_id].venue_id) == (OrderState.CANCELED, "v8")


def test_a_new_epoch_begins_blank_and_a_late_fill_of_an_older_order_is_legal(book):
    book.pay("1000")
    (order,) = book.decide(("IBM", "buy", "5"))
    book.trade(order, "2", "10")
    book.show(order, "canceled")
    open_epoch(book.store, b"second", "cold")
    book.take_up()
    assert book.same().holdings == {}
    assert book.same().cash is None
    book.trade(order, "1", "11")
    made = book.same()
    assert made.illegal == []
    assert made.cash == Decimal(-11)
    assert (made.holdings["IBM"].quantity, made.orders[order.client_id].filled) == (Decimal(1), Decimal(3))


def test_an_illegal_step_is_named_by_its_number(book):
    book.pay("1000")
    (order,) = book.decide(("IBM", "buy", "5"))
    book.answer(order, Accepted("v1"))
    book.journal.moved([Move(order.client_id, OrderState.SUBMITTING, Cause.COMMIT, START)])
    book.journal.moved([Move(order.client_id, OrderState.FILLED, Cause.ACK, START)])
    made = book.same()
    assert [(each.seq, each.client_id) for each in made.illegal] == [(5, order.client_id), (6, order.client_id)]
    assert made.illegal[0].what == "an order cannot go from working to submitting by commit"


def test_an_order_without_a_decision_is_named(book):
    book.decide(("IBM", "buy", "5"))
    (order,) = book.requests
    book.answer(order, Accepted("v1"))
    with book.store.transaction() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = 1"))
        connection.execute(text("DELETE FROM intent"))
    (wrong,) = replay(book.store, "main").illegal
    assert (wrong.seq, wrong.what) == (3, "the order was never decided")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE intent SET state = 'filled'",
        "UPDATE intent SET filled = '5'",
        "UPDATE intent SET venue_id = NULL",
        "UPDATE holding SET quantity = '3'",
        "UPDATE holding SET price = '10.0001'",
        "UPDATE holding SET realized = '1'",
        "UPDATE holding SET entry_time = entry_time + 1",
        "DELETE FROM holding",
        "UPDATE book SET cash = '1'",
    ],
)
def test_a_projection_that_was_changed_has_another_hash(book, change):
    book.pay("1000")
    (order,) = book.decide(("IBM", "buy", "5"))
    book.answer(order, Accepted("v1"))
    book.trade(order, "2", "10")
    book.same()
    with book.store.transaction() as connection:
        connection.execute(text(change))
    assert state_hash(replay(book.store, "main")) != state_hash(stored(book.store, "main"))


def test_the_way_a_number_is_written_does_not_count(book):
    book.pay("1000")
    (order,) = book.decide(("IBM", "buy", "5"))
    book.trade(order, "2", "10")
    before = state_hash(book.same())
    with book.store.transaction() as connection:
        connection.execute(text("UPDATE holding SET quantity = '2.000', realized = '0E+3'"))
        connection.execute(text("UPDATE book SET cash = '980.00'"))
    assert state_hash(stored(book.store, "main")) == before


def test_a_journal_of_the_first_revision_is_replayed_from_prices_and_fees(tmp_path):
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript(OLD.read_text())
    store = open_store(tmp_path / "old.db", clock=VirtualClock(START))
    made = replay(store, "main")
    assert made.illegal == []
    assert (made.cash, made.holdings["IBM"].quantity) == (Decimal("1081.09"), Decimal("7.50"))
    assert state_hash(made) == state_hash(stored(store, "main"))
    store.close()


# ---- any history ---------------------------------------------------------------------------------------------------
outcomes = st.sampled_from(
    [Accepted("v1"), Rejected("funds", "no"), Unknown("timeout", "?"), Refusal(0, "no", 0.0, 0.0, "cap")]
)
cents = st.integers(1, 100000).map(lambda number: str(Decimal(number).scaleb(-2)))
which = st.integers(0, 30)
steps = st.one_of(
    st.tuples(
        st.just("decide"),
        st.lists(st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(["buy", "sell"]), cents), max_size=3),
    ),
    st.tuples(st.just("answer"), which, outcomes),
    st.tuples(
        st.just("trade"), which, st.sampled_from(["1/3", "1", "2"]), cents, st.sampled_from(["USD", "BTC", "BNB"])
    ),
    st.tuples(
        st.just("show"),
        which,
        st.sampled_from(["working", "cancel_sent", "canceled", "expired", "rejected", "filled"]),
        st.booleans(),
    ),
    st.tuples(st.just("cancel"), which, outcomes.filter(lambda each: not isinstance(each, Refusal))),
    st.tuples(st.just("lose"), which),
    st.tuples(st.just("pay"), cents),
    st.tuples(st.just("restart")),
)


@settings(max_examples=25, deadline=None)
@given(history=st.lists(steps, max_size=14))
def test_any_history_is_replayed_to_what_is_stored(history):
    with tempfile.TemporaryDirectory() as folder:
        book = Book(Path(folder) / "t.db")
        book.pay("1000000")
        book.decide(*((symbol, "buy", "6") for symbol in SYMBOLS))
        for kind, *rest in history:
            _play(book, kind, rest)
        assert book.same().illegal == []
        book.store.close()


def _play(book, kind, rest):
    if kind == "decide":
        book.decide(*rest[0])
    elif kind == "pay":
        book.pay(*rest)
    elif kind == "restart":
        book.take_up()
    else:
        order = book.requests[rest[0] % len(book.requests)]
        if kind == "trade":
            part, price, fee_currency = rest[1:]
            book.trade(order, _part(order, part), price, "0.01", fee_currency)
        elif kind == "show":
            state, whole = rest[1:]
            book.show(order, state, None if whole else order.quantity)
        elif kind == "answer" and book.blotter.get(order.client_id) is not None:
            live = book.blotter.get(order.client_id)
            if not isinstance(rest[1], Refusal) or live.state is OrderState.SUBMITTING:
                book.answer(order, rest[1])
        elif kind in ("cancel", "lose"):
            getattr(book, kind)(order, *rest[1:])


def _part(order, part):
    above, _, below = part.partition("/")
    return (order.quantity * int(above) / int(below or 1)).quantize(Decimal("0.001")) or Decimal("0.001")
