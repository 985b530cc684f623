"""The state table is the one that was designed: every way, every state reached, every end an end."""

import itertools

import pytest
from trader.errors import IllegalTransition
from trader.model import OrderState
from trader.orders.lifecycle import TABLE, TERMINAL, UNRESOLVED, Cause, legal, step

DESIGN = """
PLANNED         -> DENIED SUBMITTING
SUBMITTING      -> NOT_SENT WORKING REJECTED UNKNOWN CLOSING
UNKNOWN         -> WORKING REJECTED ABSENT CLOSING
ABSENT          -> WORKING REJECTED CLOSING
WORKING         -> CANCEL_SENT REPLACE_SENT CLOSING
CANCEL_SENT     -> WORKING CANCEL_UNKNOWN CLOSING
CANCEL_UNKNOWN  -> WORKING CANCEL_SENT CLOSING
REPLACE_SENT    -> WORKING REPLACE_UNKNOWN CLOSING
REPLACE_UNKNOWN -> WORKING CLOSING
CLOSING         -> FILLED CANCELED EXPIRED REJECTED
DENIED          ->
NOT_SENT        ->
REJECTED        ->
FILLED          ->
CANCELED        ->
EXPIRED         ->
"""
"""Drawn out with the two shortcuts that a venue takes: a fill implies WORKING, so a whole fill of a SUBMITTING, UNKNOWN
or ABSENT order goes on to CLOSING in the same breath."""
WAYS = {
    OrderState[state.strip()]: {OrderState[name] for name in rest.split()}
    for state, _, rest in (line.partition("->") for line in DESIGN.strip().splitlines())
}
PAIRS = list(itertools.product(OrderState, OrderState, Cause))


def test_the_table_is_the_designed_one():
    assert {state: set(ways) for state, ways in TABLE.items()} == WAYS


def test_every_state_can_be_reached_from_planned():
    seen, edge = {OrderState.PLANNED}, [OrderState.PLANNED]
    while edge:
        for to in TABLE[edge.pop()]:
            if to not in seen:
                seen.add(to)
                edge.append(to)
    assert seen == set(OrderState)


def test_every_state_that_is_not_terminal_can_reach_an_end():
    for state in set(OrderState) - TERMINAL:
        seen, edge = {state}, [state]
        while edge:
            edge += [to for to in TABLE[edge.pop()] if to not in seen]
            seen.update(edge)
        assert seen & TERMINAL, state


@pytest.mark.parametrize("state", sorted(TERMINAL - {OrderState.ABSENT}))
def test_terminal_is_terminal(state):
    assert TABLE[state] == {}
    for to, cause in itertools.product(OrderState, Cause):
        with pytest.raises(IllegalTransition):
            step(state, to, cause)


def test_absent_is_terminal_but_watched():
    assert OrderState.ABSENT in TERMINAL
    assert step(OrderState.ABSENT, OrderState.WORKING, Cause.REPORT) is OrderState.WORKING
    assert not legal(OrderState.ABSENT, OrderState.SUBMITTING, Cause.COMMIT)


def test_a_step_is_legal_or_it_raises_and_says_which():
    for state, to, cause in PAIRS:
        if legal(state, to, cause):
            assert step(state, to, cause) is to
        else:
            with pytest.raises(IllegalTransition, match=f"from {state} to {to} by {cause}"):
                step(state, to, cause)


def test_an_illegal_step_of_the_program_is_no_error_that_anybody_handles():
    assert issubclass(IllegalTransition, AssertionError)


def test_what_is_unresolved_is_what_left_and_has_not_ended():
    assert set(OrderState) - TERMINAL - {OrderState.PLANNED} == UNRESOLVED


@pytest.mark.parametrize(
    ("state", "to", "cause"),
    [
        (OrderState.UNKNOWN, OrderState.ABSENT, Cause.SILENCE),  # silence is no evidence
        (OrderState.UNKNOWN, OrderState.REJECTED, Cause.SILENCE),  # a timeout is not a rejection
        (OrderState.SUBMITTING, OrderState.REJECTED, Cause.SILENCE),
        (OrderState.SUBMITTING, OrderState.ABSENT, Cause.HORIZON),  # it may be on its way
        (OrderState.UNKNOWN, OrderState.NOT_SENT, Cause.GATE),  # only who was at the gate may say so
        (OrderState.CANCEL_SENT, OrderState.CANCELED, Cause.ACK),  # asked for is not gone
        (OrderState.CANCEL_UNKNOWN, OrderState.CANCELED, Cause.SILENCE),
        (OrderState.WORKING, OrderState.SUBMITTING, Cause.COMMIT),  # nothing is sent twice
        (OrderState.UNKNOWN, OrderState.SUBMITTING, Cause.COMMIT),
        (OrderState.WORKING, OrderState.FILLED, Cause.REPORT),  # an end waits for its fills
    ],
)
def test_what_must_never_happen_has_no_way(state, to, cause):
    assert not legal(state, to, cause)
