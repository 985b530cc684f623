"""What goes into the journal comes out of it, all of a call or nothing, and a fact only once."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trader.errors import StoreError
from trader.model import OrderState
from trader.orders.journal import BookState, OpenOrder, fact_key
from trader.orders.lifecycle import TERMINAL, Cause
from trader.store import reading
from trader.store.chain import verify_chain
from trader.store.database import open_store
from trader.store.runs import current_epoch, open_epoch


def test_an_empty_book_has_decided_nothing(journal):
    assert journal.load() == BookState(None, 0, None, None, None, [], [], None, {}, {})
    assert journal.nonce == b"nonce"


def test_an_intent_comes_back_exactly_as_it_was_decided(journal, make):
    intents = [
        make.request("a"),
        make.request("b", limit_price=None, stop_price=None, reduce_only=False, quantity=Decimal("1E+3")),
    ]
    journal.decided(make.record(1), intents, [], {})
    state = journal.load()
    assert state.orders == [OpenOrder(each, OrderState.SUBMITTING, Decimal(0), None) for each in intents]
    assert (state.cycle_id, state.number, state.at) == (make.day(1).isoformat(), 1, make.day(1))


def test_a_denied_order_is_kept_with_its_reason_and_is_not_open(journal, store, make):
    journal.decided(make.record(1), [make.request("a")], [(make.request("b"), "max_order_notional")], {})
    assert [each.request.client_id for each in journal.load().orders] == ["a"]
    (denied,) = reading.orders(store, "main", "denied")
    assert (denied["client_id"], denied["denied"], denied["reason"]) == (
        "b",
        "max_order_notional",
        "max_order_notional",
    )


def test_an_order_keeps_its_venue_id_and_filled_quantity_until_told_otherwise(journal, make):
    journal.decided(make.record(1), [make.request("a")], [], {})
    journal.moved([make.move("a", "working", venue_id="v1", filled=Decimal("2.5"))])
    journal.moved([make.move("a", "cancel_sent", Cause.CANCEL)])
    (order,) = journal.load().orders
    assert (order.state, order.venue_id, order.filled) == (OrderState.CANCEL_SENT, "v1", Decimal("2.5"))


def test_several_moves_of_one_order_in_one_call_end_in_the_last(journal, store, make):
    journal.decided(make.record(1), [make.request("a")], [], {})
    journal.moved([make.move("a", s, Cause.FILL) for s in ("working", "closing", "filled")])
    assert journal.load().orders == []
    assert [each["state"] for each in reading.order(store, "a")["events"]] == ["working", "closing", "filled"]


def test_a_venue_that_renames_an_order_loses_none_of_its_names(journal, store, make):
    journal.decided(make.record(1), [make.request("a")], [], {})
    for name in ("v1", "v2", "v1", "v3"):
        journal.moved([make.move("a", "working", venue_id=name)])
    order = reading.order(store, "a")
    assert order["venue_id"] == "v3"
    assert sorted(order["venue_ids"]) == ["v1", "v2"]


def test_booking_stores_fact_holding_cash_and_moves_together(journal, make):
    journal.decided(make.record(1), [make.request("a")], [], {})
    journal.booked([make.fill("e1", client_id="a"), make.cash("d1")], [make.move("a", "working", Cause.FILL)])
    state = journal.load()
    assert state.holdings == [make.fill("e1").holding]
    assert state.cash == Decimal("512.59")
    assert state.fills_since == make.day(1)
    assert set(state.seen) == {fact_key(make.fill("e1").fact), fact_key(make.cash("d1").fact)}
    assert state.orders[0].state is OrderState.WORKING


def test_facts_older_than_two_days_before_the_newest_fill_are_not_listed(journal, make):
    journal.booked([make.fill("old", number=1), make.cash("old", number=1), make.fill("new", number=9)], [])
    assert list(journal.load().seen) == [fact_key(make.fill("new").fact)]


@pytest.mark.parametrize("kind", ["fill", "cash"])
def test_a_fact_that_was_booked_before_changes_nothing(journal, store, make, kind):
    first = getattr(make, kind)("e1")
    journal.decided(make.record(1), [make.request("a")], [], {})
    journal.booked([first], [])
    before, events = journal.load(), reading.order(store, "a")
    again = [make.fill("e2", "GOOG", cash="1"), first]
    with pytest.raises(StoreError, match=r"e1.* was booked before"):
        journal.booked(again, [make.move("a", "working")])
    assert journal.load() == before
    assert reading.order(store, "a") == events
    assert verify_chain(store) is None


def test_a_fact_twice_in_one_call_changes_nothing(journal, make):
    with pytest.raises(StoreError, match="Fill e1 of IBM was booked before"):
        journal.booked([make.fill("e1"), make.fill("e1")], [])
    assert journal.load().fills_since is None


def test_the_same_execution_id_in_another_symbol_is_another_fact(journal, make):
    journal.booked([make.fill("e1", "IBM"), make.fill("e1", "GOOG")], [])
    assert len(journal.load().holdings) == 2


def test_the_same_cycle_is_never_decided_twice(journal, make):
    journal.decided(make.record(1), [make.request("a")], [], {"trend": b"1"})
    before = journal.load()
    with pytest.raises(StoreError, match="decided before"):
        journal.decided(make.record(1), [make.request("b")], [], {"trend": b"2"})
    assert journal.load() == before


def test_a_client_id_that_repeats_stores_nothing_of_its_cycle(journal, store, make):
    journal.decided(make.record(1), [make.request("a")], [], {})
    with pytest.raises(StoreError, match="decided before"):
        journal.decided(make.record(2), [make.request("b"), make.request("a")], [], {})
    assert journal.load().number == 1
    assert [each["client_id"] for each in reading.orders(store)] == ["a"]


def test_a_move_of_an_unknown_order_is_refused_by_name_and_moves_no_other(journal, make):
    journal.decided(make.record(1), [make.request("a")], [], {})
    with pytest.raises(StoreError, match="has no order ghost"):
        journal.booked([make.fill("e1")], [make.move("a", "working"), make.move("ghost", "working")])
    state = journal.load()
    assert (state.orders[0].state, state.holdings) == (OrderState.SUBMITTING, [])


def test_plugin_states_are_kept_until_they_change(journal, make):
    journal.decided(make.record(1), [], [], {"trend": b"\x00\xff", "vol": b"1"})
    journal.decided(make.record(2), [], [], {"vol": b"2"})
    assert journal.load().plugins == {"trend": b"\x00\xff", "vol": b"2"}


def test_peak_equity_is_the_highest_and_compared_as_a_number(journal, make):
    for number, equity in enumerate(["9.5", "100", "99.99"], start=1):
        journal.decided(make.record(number, equity=equity), [], [], {})
    assert journal.load().peak_equity == Decimal(100)


def test_cash_begins_with_the_first_cycle_and_follows_the_facts(journal, make):
    journal.decided(make.record(1, cash="1000"), [], [], {})
    assert journal.load().cash == Decimal(1000)
    journal.booked([make.cash("d1", after="1012.34")], [])
    journal.decided(make.record(2, cash="1000"), [], [], {})
    assert journal.load().cash == Decimal("1012.34")


def test_two_books_in_one_store_do_not_mix(store, journal, journal_of, make):
    other = journal_of(store, "second", account="P2")
    journal.decided(make.record(1), [make.request("a")], [], {"trend": b"1"})
    journal.booked([make.fill("e1")], [])
    other.decided(make.record(1, "second"), [make.request("b", book="second")], [], {})
    other.booked([make.fill("e1", "GOOG", cash="3")], [])
    assert [each.request.client_id for each in other.load().orders] == ["b"]
    assert other.load().cash == Decimal(3)
    assert journal.load().cash == Decimal("500.25")
    with pytest.raises(StoreError, match="has no order a"):
        other.moved([make.move("a", "working")])


def test_an_account_belongs_to_one_book_and_a_book_to_one_account(store, journal, journal_of):
    with pytest.raises(StoreError, match="an account belongs to one book"):
        journal_of(store, "second", account="P1")
    with pytest.raises(StoreError, match="traded account P1 of paper before; now it is P9"):
        journal_of(store, "main", account="P9")


def test_a_new_epoch_starts_blank_but_remembers_the_facts(store, journal, journal_of, make):
    journal.decided(make.record(1), [make.request("a")], [], {"trend": b"1"})
    journal.booked([make.fill("e1")], [])
    cold = open_epoch(store, b"second", "cold")
    assert (cold.number, current_epoch(store)) == (2, cold)
    state = journal_of(store).load()
    assert (state.cycle_id, state.cash, state.holdings, state.orders, state.plugins) == (None, None, [], [], {})
    assert list(state.seen) == [fact_key(make.fill("e1").fact)]


def test_a_nonce_opens_one_epoch_only(store, journal):
    with pytest.raises(StoreError, match="nonce"):
        open_epoch(store, b"nonce", "cold")
    assert current_epoch(store).number == 1


def test_a_journal_needs_an_open_epoch(store, journal_of):
    with pytest.raises(StoreError, match="No epoch"):
        journal_of(store)


def test_an_exception_inside_a_transaction_changes_nothing(store, journal, make, monkeypatch):
    journal.decided(make.record(1), [make.request("a")], [], {})
    before = journal.load()

    def broken(*args):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(journal, "_move", broken)
    with pytest.raises(RuntimeError):
        journal.booked([make.fill("e1")], [make.move("a", "working")])
    monkeypatch.setattr(journal, "_keep", broken)
    with pytest.raises(RuntimeError):
        journal.decided(make.record(2), [make.request("b")], [], {})
    assert journal.load() == before
    assert verify_chain(store) is None


# ---- any history comes back -----------------------------------------------------------------------------------------
@dataclass
class Model:
    """The book that a list of calls should leave behind."""

    cycle: tuple = (None, 0, None)
    cash: Decimal | None = None
    peak: Decimal | None = None
    holdings: dict = field(default_factory=dict)
    orders: dict = field(default_factory=dict)
    facts: list = field(default_factory=list)
    plugins: dict = field(default_factory=dict)

    def state(self):
        is_open = [each for each in self.orders.values() if each.state not in TERMINAL]
        fills = [each.fact.time for each in self.facts]
        return (*self.cycle, self.cash, self.peak, sorted(self.holdings.items()), is_open, max(fills, default=None))


amounts = st.decimals("-1000000", "1000000", places=4)
calls = st.lists(
    st.one_of(
        st.tuples(st.just("decided"), st.integers(0, 3), st.integers(0, 2), amounts),
        st.tuples(st.just("moved"), st.lists(st.tuples(st.integers(0, 20), st.sampled_from(OrderState)), max_size=4)),
        st.tuples(st.just("booked"), st.lists(st.tuples(st.sampled_from("ABC"), amounts, amounts), max_size=4)),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=calls)
def test_any_sequence_of_calls_is_what_a_new_process_reloads(make, journal_of, calls):
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "t.db")
        journal, model = journal_of(store, epoch=b"n"), Model()
        for number, (kind, *rest) in enumerate(calls, start=1):
            globals()[f"_{kind}"](make, journal, model, number, *rest)
        store.close()
        store = open_store(Path(folder) / "t.db")
        s = journal_of(store).load()
        held = [(each.symbol, each) for each in s.holdings]
        assert (s.cycle_id, s.number, s.at, s.cash, s.peak_equity, held, s.orders, s.fills_since) == model.state()
        assert s.plugins == model.plugins
        assert verify_chain(store) is None
        store.close()


def _decided(make, journal, model, number, sent, denied, equity):
    intents = [make.request(f"c{number}-{i}", at=make.day(number)) for i in range(sent)]
    refused = [(make.request(f"c{number}-x{i}"), "limit") for i in range(denied)]
    record = make.record(number, equity=str(equity))
    journal.decided(record, intents, refused, {"core": str(number).encode()})
    model.cycle = (record.cycle_id, number, record.at)
    model.cash = record.cash if model.cash is None else model.cash
    model.peak = max(equity, model.peak) if model.peak is not None else equity
    model.plugins["core"] = str(number).encode()
    model.orders |= {each.client_id: OpenOrder(each, OrderState.SUBMITTING, Decimal(0), None) for each in intents}


def _moved(make, journal, model, number, steps):
    ids = list(model.orders)
    moves = [make.move(ids[i % len(ids)], state, venue_id=f"v{i}", filled=Decimal(i)) for i, state in steps if ids]
    journal.moved(moves)
    for each in moves:
        now = {"state": each.state, "venue_id": each.venue_id, "filled": each.filled}
        model.orders[each.client_id] = msgspec.structs.replace(model.orders[each.client_id], **now)


def _booked(make, journal, model, number, facts):
    bookings = [
        make.fill(f"e{number}-{i}", symbol, number, quantity=str(quantity), cash=str(cash))
        for i, (symbol, quantity, cash) in enumerate(facts)
    ]
    journal.booked(bookings, [])
    for each in bookings:
        model.facts.append(each)
        model.holdings[each.holding.symbol] = each.holding
        model.cash = each.cash
