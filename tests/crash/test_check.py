"""The comparison of journal and venue sees what it is there to see: a lie on either side is a fault."""

from decimal import Decimal

import pytest
from crash_harness.check import check
from crash_harness.trial import Trial
from msgspec.structs import replace
from trader.model import Fill, Side

EXTRA = Fill("x-1", "k", "v", "AAA", Side.BUY, Decimal(5), Decimal(50), Decimal(0), None, "USD")


@pytest.fixture(scope="module")
def after(tmp_path_factory, nursery):
    """(store, truth) after a quiet end."""
    with Trial(tmp_path_factory.mktemp("check") / "trial", nursery) as trial:
        figures = trial.settle(cycles=8)
        assert figures.faults == []
        assert figures.orders > 5 and figures.fills > 5
        with trial.store() as store:
            yield store, trial.truth()


def told(after, **lies):
    store, truth = after
    return check(store, replace(truth, **lies))


def test_the_truth_has_no_faults(after):
    assert told(after).faults == []


def test_an_order_without_a_row_is_an_orphan(after):
    figures = told(after, accepted=[*after[1].accepted, ("ghost", "v-9")])
    assert figures.orphans == 1 and "ghost is at the venue and has no row" in " ".join(figures.faults)


def test_two_orders_of_one_row_are_a_duplicate(after):
    first = after[1].accepted[0]
    figures = told(after, accepted=[*after[1].accepted, (first[0], "v-9")])
    assert figures.duplicates == 1 and f"2 orders {first[0]} are at the venue" in figures.faults


def test_a_submit_that_was_never_journalled_is_a_fault(after):
    assert "a submit of ghost reached the venue" in " ".join(told(after, requests=["ghost"]).faults)


def test_a_fill_that_is_not_booked_is_lost(after):
    figures = told(after, fills=[*after[1].fills, EXTRA])
    assert figures.lost == 1 and "fill x-1 of AAA is not booked" in figures.faults


def test_a_fill_that_never_was_is_doubled(after):
    figures = told(after, fills=after[1].fills[1:])
    assert figures.doubled == 1 and figures.lost == 0


def test_an_order_that_is_denied_here_and_filled_there_is_a_fault(after):
    figures = told(after, accepted=after[1].accepted[1:])
    assert "the venue never had it" in " ".join(figures.faults)


def test_positions_and_cash_are_compared_to_the_last_unit(after):
    _, truth = after
    figures = told(after, positions={**truth.positions, "AAA": Decimal(10**6)})
    assert not figures.positions_equal and "positions are" in " ".join(figures.faults)
    assert "cash is" in " ".join(told(after, cash=truth.cash + Decimal("0.01")).faults)
