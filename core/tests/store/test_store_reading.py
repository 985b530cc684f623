"""What the command line reads, and the determinism hash."""

from __future__ import annotations

from decimal import Decimal

import pytest
from trader.clock import VirtualClock
from trader.errors import StoreError, UsageError
from trader.orders.lifecycle import Cause
from trader.store import commands, reading
from trader.store.database import open_store
from trader.store.runs import open_epoch


@pytest.fixture
def history(store, journal, make):
    journal.decided(
        make.record(1), [make.request("ta1"), make.request("ta2", "GOOG")], [(make.request("tb"), "cap")], {}
    )
    journal.booked([make.fill("e1", client_id="ta1")], [make.move("ta1", "filled", Cause.FILL, filled=Decimal("7.50"))])
    journal.decided(make.record(2), [make.request("tc", "GOOG")], [], {})
    journal.decided(make.record(3), [], [], {})
    return store


def test_cycles_are_the_newest_oldest_first(history, make):
    assert [each["number"] for each in reading.cycles(history, "main")] == [1, 2, 3]
    newest = reading.cycles(history, "main", last=2)
    assert [each["number"] for each in newest] == [2, 3]
    assert newest[0]["at"] == make.day(2)
    assert newest[0]["at"].tzinfo is not None
    assert newest[0]["equity"] == Decimal(100000)


def test_a_cycle_is_found_by_number_by_id_and_as_the_newest(history, make):
    first = reading.cycle(history, "main", 1)
    assert first["decision"] == {"why": "test"}
    assert [each["client_id"] for each in first["orders"]] == ["ta1", "ta2", "tb"]
    assert reading.cycle(history, "main", make.day(1).isoformat()) == first
    assert reading.cycle(history, "main")["number"] == 3
    assert reading.cycle(history, "main", 9) is None
    assert reading.cycle(history, "other") is None


def test_the_latest_cycle_that_touched_a_symbol(history):
    assert reading.latest_cycle_touching(history, "IBM")["number"] == 1
    assert reading.latest_cycle_touching(history, "GOOG", "main")["number"] == 2
    assert reading.latest_cycle_touching(history, "GOOG", "other") is None
    assert reading.latest_cycle_touching(history, "MSFT") is None


def test_orders_are_filtered_by_book_and_state(history):
    assert [each["client_id"] for each in reading.orders(history)] == ["ta1", "ta2", "tb", "tc"]
    assert [each["client_id"] for each in reading.orders(history, "main", "submitting", "filled")] == [
        "ta1",
        "ta2",
        "tc",
    ]
    assert reading.orders(history, "other") == []
    assert reading.orders(history)[0]["filled"] == Decimal("7.50")


def test_an_order_is_found_by_the_beginning_of_its_id(history):
    order = reading.order(history, "ta1")
    assert (order["state"], order["cycle_number"]) == ("filled", 1)
    assert [each["kind"] for each in order["events"]] == ["fill", "moved"]
    assert [each["execution_id"] for each in order["fills"]] == ["e1"]
    assert reading.order(history, "tc")["client_id"] == "tc"
    assert reading.order(history, "x") is None
    assert reading.order(history, "") is None
    with pytest.raises(UsageError, match="ta1, ta2"):
        reading.order(history, "ta")


def test_fills_holdings_and_cash_events(history, journal, make):
    journal.booked([make.fill("e2", "GOOG"), make.cash("d1")], [])
    assert [each["execution_id"] for each in reading.fills(history, "main")] == ["e1", "e2"]
    assert [each["execution_id"] for each in reading.fills(history, symbol="GOOG")] == ["e2"]
    assert [each["symbol"] for each in reading.holdings(history, "main")] == ["GOOG", "IBM"]
    assert [each["amount"] for each in reading.cash_events(history)] == [Decimal("12.34")]
    assert reading.holdings(history, "other") == reading.fills(history, "other") == []


def test_books_show_where_they_stand(history, journal_of):
    journal_of(history, "second", account="P2")
    main, second = reading.books(history)
    assert (main["name"], main["number"], main["equity"], main["cash"]) == (
        "main",
        3,
        Decimal(100000),
        Decimal("500.25"),
    )
    assert (second["name"], second["number"], second["cash"]) == ("second", None, None)


# ---- the determinism hash ------------------------------------------------------------------------------------------
def _run(path, journal_of, make, *, session="s1", stop_after=None, price="790.80", clock=None):
    store = open_store(path, clock=clock or VirtualClock(make.start))
    journal = journal_of(store, epoch=b"seed", session=session)
    for number in (1, 2, 3):
        if number == stop_after:
            store.close()
            store = open_store(path)
            journal = journal_of(store, session="resumed")
        journal.decided(make.record(number), [make.request(f"o{number}", price=Decimal(price))], [], {})
        venue_id = f"{session}-{number}"
        journal.moved([make.move(f"o{number}", "working", venue_id=venue_id)])
        journal.booked(
            [make.fill(f"e{number}", client_id=f"o{number}")], [make.move(f"o{number}", "filled", Cause.FILL)]
        )
    store_hash = reading.fingerprint(store, "main")
    store.close()
    return store_hash


def test_the_same_run_has_the_same_fingerprint_in_another_session_and_after_a_resume(tmp_path, journal_of, make):
    first = _run(tmp_path / "1.db", journal_of, make)
    assert len(first) == 64
    assert _run(tmp_path / "2.db", journal_of, make, session="another") == first
    assert _run(tmp_path / "3.db", journal_of, make, stop_after=2) == first
    assert _run(tmp_path / "4.db", journal_of, make, clock=VirtualClock(make.day(99))) == first
    assert _run(tmp_path / "5.db", journal_of, make, price="790.81") != first


def test_the_fingerprint_sees_decisions_states_and_fills(store, journal, make):
    seen = {reading.fingerprint(store, "main")}
    for change in (
        lambda: journal.decided(make.record(1), [make.request("a")], [], {}),
        lambda: journal.moved([make.move("a", "working")]),
        lambda: journal.booked([make.fill("e1")], []),
        lambda: open_epoch(store, b"next", "cold"),
    ):
        change()
        seen.add(reading.fingerprint(store, "main"))
    assert len(seen) == 4  # a new epoch is as blank as the beginning


# ---- commands of other processes -----------------------------------------------------------------------------------
def test_a_command_waits_until_it_is_answered_once(store, make):
    number = commands.ask(store, "cancel", {"order": "ta1"}, by="anna")
    commands.ask(store, "stop", {}, by="anna")
    assert [(each.kind, each.args, each.requested_at) for each in commands.waiting(store)] == [
        ("cancel", {"order": "ta1"}, make.start),
        ("stop", {}, make.start),
    ]
    commands.answer(store, number, "canceled")
    assert [each.kind for each in commands.waiting(store)] == ["stop"]
    assert (commands.look(store, number).state, commands.look(store, number).answer) == ("done", "canceled")
    with pytest.raises(StoreError, match="waits for no answer"):
        commands.answer(store, number, "again", refused=True)
    with pytest.raises(StoreError, match="no command 99"):
        commands.look(store, 99)
