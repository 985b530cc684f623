"""A change of the past shows, wherever it is made."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from trader.orders.lifecycle import Cause
from trader.store.chain import verify_chain

FORGED = """
INSERT INTO fill SELECT 99, venue, account, symbol, 'forged', book, client_id, key, venue_id, side, quantity, price,
fee, fee_currency, time FROM fill
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


@pytest.mark.parametrize(
    ("change", "seq"),
    [
        ("UPDATE epoch SET nonce = x'00'", 1),
        ("UPDATE cycle SET decision = x'7b7d' WHERE number = 1", 2),
        ("UPDATE cycle SET equity = '1' WHERE number = 2", 7),
        ("UPDATE intent SET quantity = '7.5' WHERE client_id = 'b'", 2),
        ("UPDATE intent SET denied = NULL WHERE client_id = 'c'", 2),
        ("DELETE FROM intent WHERE client_id = 'c'", 2),
        ("UPDATE order_event SET reason = 'x' WHERE seq = 3", 3),
        ("UPDATE order_event SET recorded_at = recorded_at + 1 WHERE seq = 6", 6),
        ("DELETE FROM order_event WHERE seq = 5", 5),
        ("UPDATE fill SET price = '1' WHERE execution_id = 'e1'", 4),
        ("DELETE FROM fill", 4),
        ("UPDATE cash_event SET amount = 'much'", 5),
        ("UPDATE fill SET seq = 6", 4),
        (FORGED, 99),
    ],
)
def test_a_change_is_found_at_its_event(history, change, seq):
    with history.transaction() as connection:
        connection.execute(text(change))
    assert verify_chain(history) == seq


def test_the_projection_may_change_without_the_chain(history):
    with history.transaction() as connection:
        connection.execute(text("UPDATE intent SET state = 'canceled' WHERE client_id = 'b'"))
    assert verify_chain(history) is None
