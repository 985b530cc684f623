"""A change of the past shows, wherever it is made."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from trader.orders.lifecycle import Cause
from trader.store.chain import verify_chain
from trader.store.schema import order_event

FORGED = """
INSERT INTO fill SELECT 99, venue, account, symbol, 'forged', book, client_id, key, venue_id, side, quantity, price,
fee, fee_currency, time, amount, multiplier, external FROM fill
"""


@pytest.fixture
def history(store, journal, make):
    """Events: 1 opened, 2 decided, 3 moved, 4 fill, 5 cash, 6 moved, 7 decided."""
    journal.decided(make.record(1), [make.request("a"), make.request("b")], [(make.request("c"), "limit")], {})
    journal.moved([make.move("a", "working", venue_id="v1")])
    journal.booked([make.fill("e1", client_id="a"), make.cash("d1")], [make.move("a", "filled", Cause.FILL)])
    journal.decided(make.record(2), [], [], {})
    return store


def test_an_untouched_chain_holds(history):
    assert verify_chain(history) is None


def test_an_empty_store_holds(store):
    assert verify_chain(store) is None


CHANGED = "the rows that it stands for were changed"
LOOSE = "the row has no event of its kind"


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE epoch SET nonce = x'00'", (1, "opened", CHANGED)),
        ("UPDATE cycle SET decision = x'7b7d' WHERE number = 1", (2, "decided", CHANGED)),
        ("UPDATE cycle SET equity = '1' WHERE number = 2", (7, "decided", CHANGED)),
        ("UPDATE intent SET quantity = '7.5' WHERE client_id = 'b'", (2, "decided", CHANGED)),
        ("UPDATE intent SET denied = NULL WHERE client_id = 'c'", (2, "decided", CHANGED)),
        ("DELETE FROM intent WHERE client_id = 'c'", (2, "decided", CHANGED)),
        ("UPDATE order_event SET reason = 'x' WHERE seq = 3", (3, "moved", "the event was changed")),
        ("UPDATE order_event SET recorded_at = recorded_at + 1 WHERE seq = 6", (6, "moved", "the event was changed")),
        ("DELETE FROM order_event WHERE seq = 6", (6, "decided", "the event is missing: 7 comes next")),
        ("DELETE FROM order_event WHERE seq = 7", (7, "decided", LOOSE)),
        ("UPDATE order_event SET prev_hash = x'00' WHERE seq = 3", (3, "moved", "it does not carry the hash of")),
        ("UPDATE fill SET price = '1' WHERE execution_id = 'e1'", (4, "fill", CHANGED)),
        ("UPDATE fill SET amount = NULL, multiplier = NULL, external = NULL", (4, "fill", CHANGED)),
        ("DELETE FROM fill", (4, "fill", "the row that it stands for is missing")),
        ("UPDATE cash_event SET amount = 'much'", (5, "cash", CHANGED)),
        ("UPDATE cash_event SET moved = '1'", (5, "cash", CHANGED)),
        ("UPDATE fill SET seq = 6", (4, "fill", "the row that it stands for is missing")),
        ("UPDATE cash_event SET seq = 3", (3, "cash", LOOSE)),
        (FORGED, (99, "fill", LOOSE)),
    ],
)
def test_a_change_is_found_at_its_event(history, change, broken):
    with history.transaction() as connection:
        connection.execute(text(change))
    found = verify_chain(history)
    assert (found.seq, found.kind) == broken[:2]
    assert found.what.startswith(broken[2])


def test_a_check_goes_on_where_the_last_one_came_to(history):
    end = _event(history, 5)
    assert verify_chain(history, since=end) is None
    with history.transaction() as connection:
        connection.execute(text("UPDATE order_event SET reason = 'x' WHERE seq = 3"))
        connection.execute(text("UPDATE cycle SET equity = '1' WHERE number = 2"))
    assert verify_chain(history).seq == 3
    assert verify_chain(history, since=end).seq == 7
    assert verify_chain(history, since=(5, b"another")).what.startswith("the event that was right before")
    assert verify_chain(history, since=(99, end[1])).seq == 99


def test_a_check_can_be_stopped_and_says_how_far_it_came(history, journal, make):
    journal.moved([make.move("a", "working") for _ in range(2500)])
    asked = []

    def stop(seq, is_hash):
        asked.append((seq, is_hash))
        return seq == 2000

    with history.transaction() as connection:
        connection.execute(text("UPDATE order_event SET reason = 'x' WHERE seq = 2400"))
    assert verify_chain(history, stop=stop) is None
    assert asked == [_event(history, 1000), _event(history, 2000)]
    assert verify_chain(history, since=asked[-1], stop=stop).seq == 2400


def _event(store, seq):
    with store.reading() as connection:
        row = connection.execute(select(order_event.c.seq, order_event.c.hash).filter_by(seq=seq)).one()
        return tuple(row)


def test_the_projection_may_change_without_the_chain(history):
    with history.transaction() as connection:
        connection.execute(text("UPDATE intent SET state = 'canceled' WHERE client_id = 'b'"))
    assert verify_chain(history) is None
