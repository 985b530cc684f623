"""Sessions that died before they decided anything: the crash loop, counted."""

from __future__ import annotations

import pytest
from trader.store.blocks import block, lift
from trader.store.runs import died_in_a_row, open_epoch, start_session, stop_session


@pytest.fixture
def start(store):
    """start("a"): a session begins, a second after the one before."""
    open_epoch(store, b"n", "first")

    def of(*names):
        for name in names:
            store.clock.advance(1)
            start_session(store, name, mode="paper", version="0.1.0", settings_hash="abc")

    return of


def test_nothing_ever_started(store):
    assert died_in_a_row(store) == 0


def test_F13_sessions_that_died_without_a_cycle_are_counted(store, start):
    """Starts that die before they complete a cycle are counted, whatever the order of their names."""
    start("e", "d", "c", "b", "a")
    assert died_in_a_row(store) == 5


def test_F13_a_session_that_decided_a_cycle_ends_the_row(store, start, journal_of, make):
    """One decided cycle is progress: what died before it counts no more, and neither does its own death."""
    start("a", "b", "c")
    journal_of(store, session="c").decided(make.record(0), [], [], {})  # a person's order: no cycle
    assert died_in_a_row(store) == 3
    journal_of(store, session="c").decided(make.record(1), [], [], {})
    assert died_in_a_row(store) == 0
    start("d", "e")
    assert died_in_a_row(store) == 2


def test_F13_a_session_that_ended_by_itself_ends_the_row(store, start):
    """An end that a session wrote itself is no crash."""
    start("a", "b")
    stop_session(store, "b", "stopped")
    start("c")
    assert died_in_a_row(store) == 1


def test_F13_lifting_the_kill_switch_begins_the_count_anew(store, start):
    """A person who rearms has looked at it; another scope's block is another matter."""
    start("a", "b", "c")
    block(store, "*", "halt", "three starts died")
    assert died_in_a_row(store) == 3
    block(store, "main", "halt", "other")
    store.clock.advance(1)
    lift(store, "main", by="anna", reason="looked")
    assert died_in_a_row(store) == 3
    lift(store, "*", by="anna", reason="looked")
    assert died_in_a_row(store) == 0
    start("d")
    assert died_in_a_row(store) == 1
