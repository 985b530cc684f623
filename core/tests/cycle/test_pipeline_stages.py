"""What a strategy may answer, and what the cycle makes of it."""

from asyncio import CancelledError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

NAN = float("nan")
INF = float("inf")
THREE = {"A": [10.0] * 3, "B": [10.0] * 3, "C": [10.0] * 3}


def scores(decision):
    return dict(zip(decision.symbols, np.round(decision.score, 9).tolist(), strict=True))


def scored(cycle, *answers, **options):
    """The Decision of strategies that answer so on A, B, C; 100 of each are held."""
    stages = [cycle.Stage(f"s{n}", cycle.Says(answer), **options) for n, answer in enumerate(answers, 1)]
    return cycle.decide(THREE, stages, held={"A": 100, "B": 100, "C": 100}, cash=97_000)


def test_below_the_threshold_means_flat(cycle):
    decision = scored(cycle, cycle.Signals([0.5, 0.14, 0.15]), threshold=0.15)
    assert scores(decision) == {"A": 0.5, "B": 0.0, "C": 0.15}
    assert ("B", "sell", 100) in cycle.orders(decision)


def test_a_stage_may_hold_what_it_drops(cycle):
    decision = scored(cycle, cycle.Signals([0.5, 0.1, 0.2]), threshold=0.15, dropped="hold")
    assert np.isnan(decision.score[1]) and cycle.verdicts(decision)["B"] == "NO_OPINION"
    assert "B" not in {symbol for symbol, _, _ in cycle.orders(decision)}


def test_nan_holds_what_is_held_and_is_recorded(cycle):
    decision = scored(cycle, cycle.Signals([0.5, NAN, 0.5]))
    assert cycle.verdicts(decision)["B"] == "NO_OPINION" and np.isnan(decision.target[1])
    assert "B" not in {symbol for symbol, _, _ in cycle.orders(decision)}
    assert decision.notes == []


def test_all_nan_holds_everything_and_says_so(cycle):
    decision = scored(cycle, cycle.Signals([NAN, NAN, NAN]))
    assert decision.approved == [] and decision.faults == []
    assert decision.notes == ["s1 has no opinion on any of 3 symbols"]


def test_weights_that_are_all_nan_hold_everything_and_say_so(cycle):
    decision = scored(cycle, cycle.Weights([NAN, NAN, NAN]))
    assert decision.approved == [] and decision.notes == ["s1 has no opinion on any of 3 symbols"]


@pytest.mark.parametrize(
    ("score", "confidence", "expected"),
    [
        ([INF, 0.5, 0.5], 1.0, "Expected a score from -1 to 1 or NaN, was"),
        ([-INF, 0.5, 0.5], 1.0, "Expected a score from -1 to 1 or NaN, was"),
        ([1.5, 0.5, 0.5], 1.0, "Expected a score from -1 to 1 or NaN, was"),
        ([0.5, 0.5], 1.0, "Expected a score of shape (3,), one for each symbol, was (2,)"),
        ([[0.5, 0.5, 0.5]], 1.0, "Expected a score of shape (3,), one for each symbol, was (1, 3)"),
        (["a", "b", "c"], 1.0, "Expected a score as numbers of shape (3,)"),
        ({"A": 1.0}, 1.0, "Expected a score as numbers of shape (3,)"),
        ([0.5, 0.5, 0.5], [1.0, 1.0], "Expected a confidence of shape (3,)"),
        ([0.5, 0.5, 0.5], 1.5, "Expected a confidence from 0 to 1, was"),
        ([0.5, 0.5, 0.5], -0.5, "Expected a confidence from 0 to 1, was"),
        ([0.5, 0.5, 0.5], NAN, "Expected a confidence from 0 to 1, was"),
    ],
)
def test_a_bad_answer_holds_everything_and_names_what_was_expected(cycle, score, confidence, expected):
    decision = scored(cycle, cycle.Signals(score, confidence))
    (fault,) = decision.faults
    assert expected in str(fault.error) and (fault.instance, fault.method) == ("s1", "score")
    assert decision.approved == [] and set(cycle.verdicts(decision).values()) == {"FAULT"}


@pytest.mark.parametrize("answer", [None, 0.5, [0.5, 0.5, 0.5], {"A": 1.0}])
def test_an_answer_that_is_no_signals_holds_everything(cycle, answer):
    decision = scored(cycle, answer)
    assert "Expected Signals or Weights, was" in str(decision.faults[0].error) and decision.approved == []


def test_a_why_of_the_wrong_shape_is_a_bad_answer(cycle):
    decision = scored(cycle, cycle.Signals([0.5] * 3, why={"fast": [1.0, 2.0]}))
    assert "Expected why['fast'] of shape (3,), was (2,)" in str(decision.faults[0].error)


@pytest.mark.parametrize(
    "error", [ValueError("bad"), ZeroDivisionError(), RecursionError(), IndexError("14"), CancelledError("gone")]
)
def test_F78_a_strategy_that_raises_holds_everything(cycle, error):
    def raises(history):
        raise error

    decision = scored(cycle, raises)
    assert decision.faults[0].error is error and decision.approved == []
    assert decision.faults[0].outcome == "all positions were held as they were"


def test_a_person_at_the_keyboard_is_no_fault_of_a_strategy(cycle):
    def raises(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scored(cycle, raises)


def test_a_later_stage_that_raises_leaves_no_score_of_an_earlier_one_standing(cycle):
    def raises(history):
        raise ValueError("late")

    decision = scored(cycle, cycle.Signals([1.0, -1.0, 0.0]), raises)
    assert decision.approved == [] and np.isnan(decision.score).all()
    assert [stage.name for stage in decision.stages] == ["s1"]


def test_opinions_meet_in_the_confidence_weighted_mean(cycle):
    decision = scored(
        cycle, cycle.Signals([1.0, 0.5, 0.2], [0.5, 1.0, 1.0]), cycle.Signals([0.0, 0.5, 0.8], [0.25, 1.0, 0.5])
    )
    assert scores(decision) == {"A": round(0.5 / 0.75, 9), "B": 0.5, "C": 0.4}


def test_confidence_0_is_a_pure_filter(cycle):
    decision = scored(cycle, cycle.Signals([0.8, 0.6, 0.4]), cycle.Signals([1.0, 0.0, 1.0], 0.0), threshold=0.1)
    assert scores(decision) == {"A": 0.8, "B": 0.0, "C": 0.4}


def test_only_filters_leave_no_opinion(cycle):
    decision = scored(cycle, cycle.Signals([1.0, 0.0, 1.0], 0.0), threshold=0.1)
    assert np.isnan(decision.score[[0, 2]]).all() and decision.score[1] == 0.0


def test_a_stage_sees_only_what_the_ones_before_it_kept_in_order(cycle):
    first = cycle.Says(cycle.Signals([0.9, 0.0, NAN]))
    second = cycle.Says(lambda history: cycle.Signals([0.5] * len(history.symbols)))
    decision = cycle.decide(THREE, [cycle.Stage("one", first, 0.1), cycle.Stage("two", second, 0.1)])
    assert first.asked[0].symbols == ("A", "B", "C") and second.asked[0].symbols == ("A",)
    assert [(stage.name, stage.columns.tolist()) for stage in decision.stages] == [("one", [0, 1, 2]), ("two", [0])]


def test_when_nothing_is_left_later_stages_are_not_asked(cycle):
    second = cycle.Says(cycle.Signals(1.0))
    cycle.decide(THREE, [cycle.Stage("one", cycle.Says(cycle.Signals(0.0)), 0.1), cycle.Stage("two", second)])
    assert second.asked == []


def test_weights_of_the_last_stage_skip_the_allocator(cycle):
    decision = scored(cycle, cycle.Weights([0.5, 0.0, NAN]))
    assert decision.allocator == "" and decision.target[:2].tolist() == [0.5, 0.0] and np.isnan(decision.target[2])
    assert decision.stages[0].weights


def test_weights_behind_a_filter_apply_to_what_it_kept(cycle):
    filters = cycle.Stage("filter", cycle.Says(cycle.Signals([1.0, 0.0, 1.0], 0.0)), 0.5)
    weights = cycle.Stage("weights", cycle.Says(cycle.Weights([0.3, 0.2])))
    decision = cycle.decide(THREE, [filters, weights], held={"B": 100})
    assert decision.target.tolist() == [0.3, 0.0, 0.2]


def test_weights_behind_a_filter_that_holds_what_it_drops_keep_it(cycle):
    filters = cycle.Stage("filter", cycle.Says(cycle.Signals([1.0, 0.0, -1.0], 0.0)), 0.5, "hold")
    decision = cycle.decide(THREE, [filters, cycle.Stage("weights", cycle.Says(cycle.Weights([0.3])))], held={"B": 100})
    assert decision.target[[0, 2]].tolist() == [0.3, 0.0] and np.isnan(decision.target[1])
    assert cycle.verdicts(decision)["B"] == "NO_OPINION"
    assert [symbol for symbol, _, _ in cycle.orders(decision)] == ["A"]


def test_weights_before_the_last_stage_are_a_bad_answer(cycle):
    decision = scored(cycle, cycle.Weights([0.5, 0.2, 0.1]), cycle.Signals(1.0))
    assert "Weights may come from the last stage only" in str(decision.faults[0].error) and decision.approved == []


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([0.6, 0.6, 0.0], "sum to at most 1, was 1.2"),
        ([1.1, 0.0, 0.0], "Expected a weight from -1 to 1 or NaN"),
        ([INF, 0.0, 0.0], "Expected a weight from -1 to 1 or NaN"),
        ([0.5, 0.5], "Expected a weight of shape (3,)"),
        ([0.6, -0.6, 0.0], "sum to at most 1, was 1.2"),
    ],
)
def test_weights_over_the_limit_hold_everything(cycle, weights, expected):
    decision = scored(cycle, cycle.Weights(weights))
    assert expected in str(decision.faults[0].error) and decision.approved == []


@pytest.mark.parametrize("answer", ["Signals", "Weights"])
def test_negative_means_flat_unless_short_is_allowed(cycle, answer):
    says = cycle.Says(getattr(cycle, answer)([-0.5, 0.5, 0.0]))
    flat = cycle.decide(THREE, says)
    assert [order[:2] for order in cycle.orders(flat)] == [("B", "buy")]
    assert flat.stages[0].stopped.tolist()[0] == 3  # short not allowed
    short = cycle.decide(THREE, says, allow_short=True)
    assert {order[:2] for order in cycle.orders(short)} == {("A", "sell"), ("B", "buy")}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_F50_a_strategy_sees_no_future_and_exactly_its_lookback(cycle, data):
    rows, lookback = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 4))
    here = data.draw(st.integers(lookback - 1, lookback + 2))
    total = here + rows
    price = st.integers(100, 10_000).map(lambda ticks: ticks / 100)
    close = {name: data.draw(st.lists(price, min_size=total, max_size=total)) for name in ("A", "B")}
    later = {
        name: values[: here + 1] + data.draw(st.lists(price, min_size=total - here - 1, max_size=total - here - 1))
        for name, values in close.items()
    }
    seen = []

    def momentum(history):
        assert len(history) == lookback == len(history.time)
        seen.append([np.array(getattr(history, name)) for name in ("open", "high", "low", "close", "volume", "time")])
        change = history.close[-1] / history.close[0] - 1 + history.volume.sum(0) * 0
        return cycle.Signals(np.clip(change + 0.5, -1, 1))

    decisions = [
        cycle.decide(values, cycle.Says(momentum, lookback), row=here, held={"A": 3}).encode()
        for values in (close, later)
    ]
    assert decisions[0] == decisions[1]
    for first, second in zip(*seen, strict=True):
        assert np.array_equal(first, second)
    assert np.array_equal(seen[0][3][:, 0], close["A"][here + 1 - lookback : here + 1])


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume", "traded", "time"])
@pytest.mark.parametrize("symbols", [("A", "B", "C"), ("A",)])
def test_what_a_strategy_sees_is_read_only(cycle, name, symbols):
    caught = []

    def vandal(history):
        view = getattr(history.of(*symbols) if symbols != history.symbols else history, name)
        try:
            view[...] = view[0]
        except ValueError as error:
            caught.append(str(error))
        assert not view.flags.writeable
        return cycle.Signals(0.0)

    decision = cycle.decide(THREE, cycle.Says(vandal, lookback=2))
    assert decision.faults == [] and caught == ["assignment destination is read-only"]


def test_a_strategy_cannot_reach_rows_beyond_its_window_through_base(cycle):
    """A view's base may hold more rows; what is handed out must at least not be writable through it."""

    def climbs(history):
        base = history.close.base
        while base is not None:
            if isinstance(base, np.ndarray) and base.flags.writeable and not base.flags.owndata:
                raise AssertionError("a writable view is reachable")
            base = base.base
        return cycle.Signals(0.0)

    assert cycle.decide(THREE, cycle.Says(climbs, lookback=2)).faults == []


def test_a_hole_is_carried_with_volume_0_and_not_traded(cycle):
    seen = {}

    def looks(history):
        seen.update(
            close=history.close[:, 0].tolist(),
            volume=history.volume[:, 0].tolist(),
            traded=history.traded[:, 0].tolist(),
        )
        return cycle.Signals(0.0)

    cycle.decide({"A": [10.0, None, 12.0], "B": [1.0, 1.0, 1.0]}, cycle.Says(looks, lookback=3))
    assert seen == {"close": [10.0, 10.0, 12.0], "volume": [1000.0, 0.0, 1000.0], "traded": [True, False, True]}
