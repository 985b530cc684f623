"""Allocators, portfolio rules and order rules: what they may do, and what happens when they misbehave."""

from asyncio import CancelledError

import numpy as np
import pytest
from trader.model import Instrument

NAN = float("nan")
TWO = {"A": [10.0], "B": [20.0]}


class Allocates:
    lookback = 1

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def allocate(self, signals, history, held):
        self.asked.append((np.array(signals.score), history.symbols, np.array(held)))
        return self.answer(signals) if callable(self.answer) else self.answer


def raises(*_):
    raise RuntimeError("broken")


def leaves(*_):
    raise CancelledError("left")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (raises, "broken"),
        (leaves, "left"),
        ([0.5], "Expected weights of shape (2,)"),
        ([[0.5, 0.5]], "Expected weights of shape (2,)"),
        ([np.inf, 0.0], "Expected finite weights"),
        ([0.8, 0.8], "sum to at most 1, was 1.6"),
        ([-0.5, 0.5], "sign of their scores"),
        ("heavy", "could not convert"),
        (None, "Expected weights of shape (2,)"),
    ],
)
def test_an_allocator_that_misbehaves_holds_everything(cycle, answer, expected):
    decision = cycle.decide(TWO, cycle.Says(cycle.Signals([1.0, 0.5])), allocator=Allocates(answer), held={"A": 10})
    (fault,) = decision.faults
    assert (fault.instance, fault.method) == ("allocator", "allocate") and expected in str(fault.error)
    assert decision.approved == [] and set(cycle.verdicts(decision).values()) == {"FAULT"}


def test_an_allocator_sees_only_symbols_with_an_opinion_other_than_0(cycle):
    allocator = Allocates(lambda signals: np.full(1, 0.5))
    decision = cycle.decide(
        {"A": [10.0], "B": [10.0], "C": [10.0]}, cycle.Says(cycle.Signals([0.0, 0.7, NAN])), allocator=allocator
    )
    ((score, symbols, _),) = allocator.asked
    assert score.tolist() == [0.7] and symbols == ("B",)
    assert decision.target[0] == 0.0 and np.isnan(decision.target[2])


def test_what_is_held_by_nan_is_set_aside_before_the_rest_is_invested(cycle):
    allocator = Allocates([1.0])
    decision = cycle.decide(
        TWO, cycle.Says(cycle.Signals([NAN, 1.0])), allocator=allocator, held={"A": 4_000}, cash=60_000, cash_buffer=0.0
    )
    assert decision.target[1] == pytest.approx(0.6)
    assert cycle.orders(decision) == [("B", "buy", 3_000)]


def test_an_allocators_nan_keeps_what_is_held(cycle):
    decision = cycle.decide(TWO, cycle.Says(cycle.Signals(1.0)), allocator=Allocates([NAN, 0.5]), held={"A": 10})
    assert {order[0] for order in cycle.orders(decision)} == {"B"}


def test_a_portfolio_rule_shrinks_and_the_decision_shows_by_how_much(cycle):
    half = cycle.Shrinks(lambda targets, book: targets / 2)
    decision = cycle.decide(TWO, cycle.Says(cycle.Weights([0.8, 0.0])), shrinks=[half])
    assert decision.target.tolist() == [0.8, 0.0] and decision.final_target.tolist() == [0.4, 0.0]
    assert [(name, after.tolist()) for name, after in decision.shrunk] == [("p1", [0.4, 0.0])]
    assert cycle.orders(decision) == [("A", "buy", 4_000)]


def test_a_portfolio_rule_may_leave_a_target_as_it_is_held(cycle):
    held = cycle.Shrinks(lambda targets, book: np.array([book.exposure[0] / book.equity, targets[1]]))
    decision = cycle.decide(TWO, cycle.Says(cycle.Weights([0.2, 0.1])), shrinks=[held], held={"A": 5_000}, cash=50_000)
    assert decision.faults == [] and cycle.orders(decision) == [("B", "buy", 500)]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (raises, "broken"),
        (lambda targets, book: targets * 1.1, "may only shrink a target"),
        (lambda targets, book: -targets, "may only shrink a target"),
        (lambda targets, book: targets[:1], "Expected targets of shape (2,)"),
        (lambda targets, book: np.full(2, NAN), "may only shrink a target"),
        (lambda targets, book: np.full(2, np.inf), "may only shrink a target"),
        (lambda targets, book: None, "Expected targets of shape (2,)"),
    ],
)
def test_a_portfolio_rule_that_misbehaves_holds_everything(cycle, of, expected):
    decision = cycle.decide(TWO, cycle.Says(cycle.Weights([0.4, 0.4])), shrinks=[cycle.Shrinks(of)], held={"A": 10})
    (fault,) = decision.faults
    assert (fault.instance, fault.method) == ("p1", "limit") and expected in str(fault.error)
    assert decision.approved == []


def test_a_portfolio_rule_cannot_change_the_targets_in_place(cycle):
    def vandal(targets, book):
        kept = targets.copy()
        targets[:] = 0.9
        return kept

    decision = cycle.decide(TWO, cycle.Says(cycle.Weights([0.4, 0.4])), shrinks=[cycle.Shrinks(vandal)])
    assert decision.final_target.tolist() == [0.4, 0.4]


# ---- order rules ---------------------------------------------------------------------------------------------------
SELL_A_BUY_B = [0.0, 0.5]


def ruled(cycle, *rules, **options):
    return cycle.decide(TWO, cycle.Says(cycle.Weights(SELL_A_BUY_B)), held={"A": 100}, rules=rules, **options)


def test_the_first_refusal_of_an_order_is_kept_with_its_rule_and_numbers(cycle):
    says_no = cycle.Rule(lambda plan, book: [cycle.Refusal(1, "too big", 10.0, 20.0)])
    also = cycle.Rule(lambda plan, book: [cycle.Refusal(1, "me too", 1.0, 2.0)])
    decision = ruled(cycle, says_no, also)
    assert cycle.orders(decision) == [("A", "sell", 100)]
    ((order, refusal),) = decision.denied
    assert order.symbol == "B" and (refusal.rule, refusal.reason, refusal.limit, refusal.value) == (
        "r1",
        "too big",
        10.0,
        20.0,
    )
    assert cycle.verdicts(decision)["B"] == "REFUSED"


def test_a_rule_that_raises_refuses_what_it_guards_and_lets_exits_pass(cycle):
    decision = ruled(cycle, cycle.Rule(raises))
    assert cycle.orders(decision) == [("A", "sell", 100)]
    ((order, refusal),) = decision.denied
    assert order.symbol == "B" and refusal.reason == "the rule failed: RuntimeError: broken"
    assert decision.faults[0].outcome == "every order that it guards was refused"


@pytest.mark.parametrize("raises", [raises, leaves])
def test_a_rule_that_guards_all_and_raises_refuses_all(cycle, raises):
    decision = ruled(cycle, cycle.Rule(raises, guards="all"))
    assert decision.approved == [] and len(decision.denied) == 2


@pytest.mark.parametrize(
    "answer", [["no"], [None], None, 7], ids=["a string", "None inside", "None", "a number"]
)  # fmt: skip
def test_a_rule_that_answers_nonsense_counts_as_raised(cycle, answer):
    decision = ruled(cycle, cycle.Rule(lambda plan, book: answer))
    assert [order.symbol for order, _ in decision.denied] == ["B"] and len(decision.faults) == 1


@pytest.mark.parametrize("index", [-1, 2, 99])
def test_a_refusal_of_an_order_that_is_not_there_counts_as_raised(cycle, index):
    decision = ruled(cycle, cycle.Rule(lambda plan, book: [cycle.Refusal(index, "?", 0.0, 0.0)]))
    assert "Expected the index of an order, 0 to 1" in str(decision.faults[0].error)
    assert [order.symbol for order, _ in decision.denied] == ["B"]


def test_a_rule_that_guards_what_increases_has_no_say_on_exits(cycle):
    refuses_all = cycle.Rule(lambda plan, book: [cycle.Refusal(n, "no", 0.0, 0.0) for n in range(len(plan.orders))])
    assert cycle.orders(ruled(cycle, refuses_all)) == [("A", "sell", 100)]


def test_where_closing_is_refused_the_other_side_is_not_opened(cycle):
    locked = cycle.Rule(lambda plan, book: [cycle.Refusal(0, "locked", 0.0, 0.0)], guards="all")
    decision = cycle.decide(
        {"A": [10.0]}, cycle.Says(cycle.Weights([-0.5])), held={"A": 100}, rules=[locked], allow_short=True
    )
    assert decision.approved == []
    assert [refusal.reason for _, refusal in decision.denied] == [
        "locked",
        "the order that closes the other side was refused",
    ]


def test_rules_see_the_plan_as_a_batch_in_sending_order(cycle):
    seen = {}

    def look(plan, book):
        seen.update(
            symbols=[order.symbol for order in plan.orders], quantity=plan.quantity.tolist(), price=plan.price.tolist(),
            notional=plan.notional.tolist(), increases=plan.increases.tolist(), column=plan.column.tolist(),
            exposure=book.exposure.tolist(), equity=book.equity, instrument=book.instrument("A"),
        )  # fmt: skip
        return ()

    ruled(cycle, cycle.Rule(look))
    assert seen == {
        "symbols": ["A", "B"], "quantity": [-100.0, 2525.0], "price": [10.0, 20.0], "notional": [-1000.0, 50500.0],
        "increases": [False, True], "column": [0, 1], "exposure": [1000.0, 0.0], "equity": 101_000.0,
        "instrument": Instrument("A"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("held", "sold", "bought", "weight", "seen"),
    [
        (100, 100, 0, -0.1, -200.0),  # closed by both, the position is short before it is opened short
        (-100, 0, 100, 0.1, 200.0),
        (100, 30, 0, -0.1, -130.0),
        (0, 100, 0, -0.1, -100.0),
        (0, 100, 100, -0.1, -100.0),
        (0, 100, 100, 0.1, 100.0),
        (50, 300, 0, 0.1, 250.0),
        (100, 0, 100, -0.1, 200.0),  # nothing may come on the side that is opened: the other one is seen
        (100, 0, 0, -0.1, 100.0),
        (0, 100, 0, 0.1, -100.0),
    ],
)
def test_rules_see_what_may_yet_come_on_the_side_that_an_order_opens(cycle, held, sold, bought, weight, seen):
    exposure = []
    look = cycle.Rule(lambda plan, book: exposure.append(book.exposure.tolist()) or ())
    cycle.decide(
        {"A": [10.0], "B": [20.0]}, cycle.Says(cycle.Weights([weight, 0.0])), held={"A": held, "B": 5}, rules=[look],
        doubt={"A": (sold, bought)}, allow_short=True, cash=10_000 - 10 * held,
    )  # fmt: skip
    assert exposure == [[10.0 * seen, 100.0]]


def test_a_reduce_only_book_opens_and_enlarges_nothing(cycle):
    decision = cycle.decide(
        {"A": [10.0], "B": [20.0], "C": [10.0]},
        cycle.Says(cycle.Weights([0.0, 0.5, 0.4])),
        held={"A": 100, "C": 100},
        reduce_only=True,
    )
    assert cycle.orders(decision) == [("A", "sell", 100)]
    assert cycle.verdicts(decision) == {"A": "ORDERED", "B": "REDUCE_ONLY", "C": "REDUCE_ONLY"}


def test_a_reduce_only_book_may_close_one_side_and_not_open_the_other(cycle):
    decision = cycle.decide(
        {"A": [10.0]}, cycle.Says(cycle.Weights([-0.5])), held={"A": 100}, reduce_only=True, allow_short=True
    )
    assert cycle.orders(decision) == [("A", "sell", 100)]
