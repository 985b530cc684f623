"""Which symbols a cycle is about, and the reason for every one that it is not about."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from trader.cycle.decision import TEXT, Verdict
from trader.model import Instrument

ROWS = 6


@pytest.fixture
def all_long(cycle):
    """A strategy that likes everything and looks back three bars."""
    return cycle.Says(lambda history: cycle.Signals(np.ones(len(history.symbols))), lookback=3)


def test_every_reason_is_found(cycle, all_long):
    close = {
        "GOOD": [10.0] * ROWS,
        "UNLISTED": [None] * ROWS,
        "YOUNG": [None] * (ROWS - 2) + [10.0] * 2,
        "OLD": [10.0] * 2 + [None] * (ROWS - 2),
        "CLOSED": [10.0] * ROWS,
        "HALTED": [10.0] * ROWS,
        "INDEX": [10.0] * ROWS,
        "LEFT": [10.0] * ROWS,
    }
    decision = cycle.decide(
        close,
        all_long,
        max_age=3,
        instruments={"CLOSED": Instrument("CLOSED", tradable=False)},
        blocked=["HALTED"],
        references=["INDEX", "LEFT"],
        held={"LEFT": 100},
    )
    assert cycle.verdicts(decision) == {
        "GOOD": "ORDERED",
        "UNLISTED": "NOT_LISTED",
        "YOUNG": "FEW_BARS",
        "OLD": "STALE",
        "CLOSED": "NOT_TRADABLE",
        "HALTED": "BLOCKED",
        "INDEX": "REFERENCE",
        "LEFT": "NOT_COVERED",
    }
    assert [order[0] for order in cycle.orders(decision)] == ["GOOD"]
    assert all_long.asked[-1].symbols == ("GOOD",)


def test_every_verdict_has_its_words():
    assert set(TEXT) == set(Verdict)
    assert len(set(TEXT.values())) == len(TEXT)


@pytest.mark.parametrize(("gap", "verdict"), [(0, "ORDERED"), (3, "ORDERED"), (4, "STALE")])
def test_a_symbol_is_stale_when_its_last_real_bar_is_older_than_the_limit(cycle, all_long, gap, verdict):
    close = {"A": [10.0] * (8 - gap) + [None] * gap, "CLOCK": [10.0] * 8}
    assert cycle.verdicts(cycle.decide(close, all_long, max_age=3))["A"] == verdict


@pytest.mark.parametrize(
    ("gap", "later", "verdict"),
    [(3, 0, "ORDERED"), (4, 0, "STALE"), (3, 1, "STALE"), (0, 72, "ORDERED"), (0, 73, "STALE")],
)
def test_F46_a_limit_in_time_counts_up_to_the_moment_of_the_cycle(cycle, all_long, gap, later, verdict):
    close = {"A": [10.0] * (8 - gap) + [None] * gap, "CLOCK": [10.0] * 8}
    now = datetime(2024, 1, 9, later % 24, tzinfo=UTC) + timedelta(days=later // 24)
    decision = cycle.decide(close, all_long, max_age=np.timedelta64(3, "D"), now=now)
    assert cycle.verdicts(decision)["A"] == verdict


@pytest.mark.parametrize("slow", [False, True])
def test_F47_a_symbol_whose_last_bar_is_wrong_is_left_out(cycle, all_long, slow):
    panel, other = (cycle.panel({"A": [10.0] * ROWS, "B": [10.0] * ROWS}, timeframe=name) for name in ("1d", "slow"))
    (other if slow else panel).wrong[ROWS - 1, 0] = True
    decision = cycle.decide(panel, all_long, frames={"slow": (other, 2)}, held={"A": 100})
    assert cycle.verdicts(decision) == {"A": "BAD_BAR", "B": "ORDERED"}
    assert [order[0] for order in cycle.orders(decision)] == ["B"]


@pytest.mark.parametrize(("bars", "verdict"), [(0, "NOT_LISTED"), (2, "FEW_BARS"), (3, "ORDERED")])
def test_a_symbol_takes_part_from_its_lookbackth_bar_on(cycle, all_long, bars, verdict):
    close = {"A": [None] * (ROWS - bars) + [10.0] * bars, "CLOCK": [10.0] * ROWS}
    assert cycle.verdicts(cycle.decide(close, all_long))["A"] == verdict


def test_the_longest_lookback_of_the_pipeline_counts(cycle, all_long):
    patient = cycle.Says(lambda history: cycle.Signals(1.0), lookback=5)
    close = {"A": [None] * 2 + [10.0] * 4, "CLOCK": [10.0] * ROWS}
    assert cycle.verdicts(cycle.decide(close, [all_long, patient]))["A"] == "FEW_BARS"


def test_a_symbol_takes_part_when_it_has_all_bars_of_every_time_frame_that_a_strategy_reads(cycle):
    seen = []

    def look(history):
        seen.append((history.symbols, history.on("slow").close.shape, bool(np.isnan(history.on("slow").close).any())))
        return cycle.Signals(1.0)

    slow = cycle.panel({"A": [10.0] * ROWS, "B": [None] * 2 + [10.0] * 4, "NONE": [None] * ROWS}, timeframe="slow")
    close = {"B": [10.0] * ROWS, "A": [10.0] * ROWS, "NONE": [10.0] * ROWS}
    told = [
        cycle.verdicts(cycle.decide(close, cycle.Says(look), row=row, frames={"slow": (slow, 3)}))
        for row in range(ROWS)
    ]
    assert [each["A"] for each in told] == ["FEW_BARS"] * 2 + ["ORDERED"] * 4
    assert [each["B"] for each in told] == ["FEW_BARS"] * 4 + ["ORDERED"] * 2
    assert {each["NONE"] for each in told} == {"FEW_BARS"}
    assert seen == [(("A",), (3, 1), False)] * 2 + [(("B", "A"), (3, 2), False)] * 2


def test_what_coverage_drops_is_kept_as_it_is_held(cycle, all_long):
    close = {"A": [10.0] * 2 + [None] * 4, "CLOCK": [10.0] * ROWS}
    decision = cycle.decide(close, cycle.Says(cycle.Signals(0.0), lookback=3), held={"A": 100}, max_age=2)
    assert cycle.orders(decision) == [] and cycle.verdicts(decision)["A"] == "STALE"


def test_without_any_symbol_left_no_strategy_is_asked(cycle, all_long):
    decision = cycle.decide({"A": [None] * ROWS, "B": [None] * ROWS}, all_long)
    assert all_long.asked == [] and decision.approved == [] and decision.faults == []


def test_a_book_without_equity_plans_nothing_and_says_so(cycle, all_long):
    decision = cycle.decide({"A": [10.0] * ROWS}, all_long, cash=0)
    assert decision.approved == [] and any("equity is not above 0" in note for note in decision.notes)


def test_in_read_only_mode_nothing_is_planned(cycle, all_long):
    decision = cycle.decide({"A": [10.0] * ROWS}, all_long, plans=False)
    assert decision.approved == [] and cycle.verdicts(decision) == {"A": "NOT_PLANNED"}
    assert decision.target is not None
