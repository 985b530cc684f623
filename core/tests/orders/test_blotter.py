"""The orders of a book in memory: what each answer, report and fill makes of them."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trader.model import Accepted, OrderState, Refusal, Rejected, Unknown
from trader.orders.blotter import Blotter
from trader.orders.journal import OpenOrder
from trader.orders.lifecycle import TERMINAL

S = OrderState


@pytest.fixture
def blotter(order):
    """One order of 100, committed."""
    made = Blotter()
    made.submitting([order("o1")])
    return made


def states(moves):
    return [move.state for move in moves]


@pytest.mark.parametrize(
    ("outcome", "state", "open_"),
    [
        (Accepted("v1"), S.WORKING, True),
        (Rejected("funds", "no money"), S.REJECTED, False),
        (Unknown("timeout", "silence"), S.UNKNOWN, True),
        (Refusal(0, "halted", 0.0, 0.0, "kill"), S.NOT_SENT, False),
    ],
)
def test_what_a_submit_comes_to(blotter, noon, outcome, state, open_):
    (move,) = blotter.outcome("o1", outcome, noon)
    assert move.state is state and (blotter.get("o1") is not None) == open_
    assert (blotter.by_key("k-o1") is not None) == open_


def test_F24_a_fill_before_the_ack_implies_that_the_order_works(blotter, fill, noon):
    assert states(blotter.fill(blotter.get("o1"), fill("e1", quantity=40))) == [S.WORKING]
    assert blotter.outcome("o1", Accepted("v1"), noon) == []
    assert blotter.get("o1").remaining == 60


def test_a_whole_fill_before_the_ack_ends_it_and_the_ack_is_no_news(blotter, fill, noon):
    (move,) = blotter.fill(blotter.get("o1"), fill("e1", quantity=100))
    assert move.state is S.FILLED and move.filled == 100
    assert blotter.outcome("o1", Accepted("v1"), noon) == [] and blotter.open() == []


def test_F25_an_end_is_believed_only_when_every_fill_of_it_is_booked(blotter, fill, report, noon):
    blotter.outcome("o1", Accepted("v1"), noon)
    assert states(blotter.report(report("filled", 100), noon)) == [S.CLOSING]
    assert blotter.report(report("filled", 100), noon) == []
    assert states(blotter.fill(blotter.get("o1"), fill("e1", quantity=60))) == [S.CLOSING]
    assert blotter.get("o1") is not None
    assert states(blotter.fill(blotter.get("o1"), fill("e2", quantity=40))) == [S.FILLED]


def test_F31_a_cancel_that_met_a_partial_fill_ends_with_what_was_filled(blotter, fill, report, noon):
    blotter.outcome("o1", Accepted("v1"), noon)
    assert states(blotter.cancel_sent("o1", noon)) == [S.CANCEL_SENT]
    assert states(blotter.report(report("canceled", 40), noon)) == [S.CLOSING]
    blotter.fill(blotter.get("o1"), fill("e1", quantity=40))
    (move,) = blotter.report(report("canceled", 40), noon)
    assert (move.state, move.filled) == (S.CANCELED, 40) and blotter.open() == []


@pytest.mark.parametrize("end", ["canceled", "expired", "rejected"])
def test_an_end_without_fills_is_an_end(blotter, report, noon, end):
    blotter.outcome("o1", Accepted("v1"), noon)
    (move,) = blotter.report(report(end, reason="the close"), noon)
    assert move.state == end and move.reason == "the close"


def test_an_accepted_cancel_is_not_gone(blotter, noon):
    blotter.outcome("o1", Accepted("v1"), noon)
    blotter.cancel_sent("o1", noon)
    assert blotter.cancel_outcome("o1", Accepted(), noon) == []
    assert blotter.get("o1").state is S.CANCEL_SENT


def test_F32_a_rejected_cancel_leaves_the_order_at_work(blotter, noon):
    blotter.outcome("o1", Accepted("v1"), noon)
    blotter.cancel_sent("o1", noon)
    assert states(blotter.cancel_outcome("o1", Rejected("closed", "too late"), noon)) == [S.WORKING]


def test_F10_an_unanswered_cancel_may_be_sent_again(blotter, noon):
    blotter.outcome("o1", Accepted("v1"), noon)
    blotter.cancel_sent("o1", noon)
    assert states(blotter.cancel_outcome("o1", Unknown("timeout", "?"), noon)) == [S.CANCEL_UNKNOWN]
    assert states(blotter.cancel_sent("o1", noon)) == [S.CANCEL_SENT]


def test_what_is_not_acknowledged_cannot_be_cancelled_yet(blotter, noon):
    assert blotter.cancel_sent("o1", noon) == [] and blotter.cancel_sent("nobody", noon) == []


def test_a_report_resolves_what_was_unknown(blotter, report, noon):
    blotter.outcome("o1", Unknown("timeout", "?"), noon)
    (move,) = blotter.report(report("working", venue_id="v7"), noon)
    assert (move.state, move.venue_id) == (S.WORKING, "v7")


def test_a_cancel_without_an_answer_is_over_when_the_venue_shows_the_order_at_work(blotter, report, noon):
    blotter.outcome("o1", Accepted("v1"), noon)
    blotter.cancel_sent("o1", noon)
    blotter.cancel_outcome("o1", Unknown("timeout", "?"), noon)
    assert states(blotter.report(report("working"), noon)) == [S.WORKING]


def test_a_rejection_after_a_fill_moves_nothing_and_is_noted(blotter, fill, noon):
    blotter.fill(blotter.get("o1"), fill("e1", quantity=40))
    assert blotter.outcome("o1", Rejected("funds", "?"), noon) == []
    (odd,) = blotter.odd
    assert odd.client_id == "o1" and "rejected" in odd.text and "working" in odd.text
    assert blotter.get("o1").state is S.WORKING


def test_a_report_of_an_order_that_is_not_ours_is_no_news(blotter, report, noon):
    assert blotter.report(report("working", of="stranger"), noon) == []


def test_open_orders_come_back_from_the_store_in_their_order(order):
    stored = [OpenOrder(order(f"o{n}"), S.WORKING, Decimal(n), f"v{n}") for n in (3, 1, 2)]
    blotter = Blotter(stored)
    assert [one.request.client_id for one in blotter.open()] == ["o3", "o1", "o2"]
    assert blotter.by_key("k-o2").remaining == 98 and blotter.get("o2").venue_id == "v2"


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    news=st.randoms(use_true_random=False),
    end=st.sampled_from(["canceled", "expired", "filled"]),
)
def test_whatever_the_order_of_the_news_an_order_ends_once_with_the_sum_of_its_fills(
    order, fill, report, noon, parts, news, end
):
    total = sum(parts)
    quantity = total if end == "filled" else total + 5
    blotter = Blotter()
    blotter.submitting([order("o1", quantity=quantity)])
    events = [("fill", fill(f"e{n}", quantity=part)) for n, part in enumerate(parts)]
    events += [
        ("ack", Accepted("v1")),
        ("report", report(end, total, quantity=quantity)),
        ("report", report("working", quantity=quantity)),
    ]
    news.shuffle(events)
    moves = []
    for kind, what in events:
        live = blotter.get("o1")
        if kind == "fill" and live is not None:
            moves += blotter.fill(live, what)
        elif kind == "report":
            moves += blotter.report(what, noon)
        elif kind == "ack":
            moves += blotter.outcome("o1", what, noon)
    moves += blotter.report(report(end, total, quantity=quantity), noon)  # a query after it all
    ends = [move for move in moves if move.state in TERMINAL]
    assert [move.state for move in ends] == [S(end)] and ends[0].filled == total
    assert blotter.open() == [] and blotter.by_key("k-o1") is None
