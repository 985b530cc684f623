"""Stopped and halted from outside, in the middle of sending, and while it hangs."""

import json
import signal

import pytest
from crash_harness.trial import PATIENCE, Trial
from trader.store import blocks, reading


def states(trial):
    return {row["state"] for row in trial.open_orders()}


def in_flight(trial):
    """A trader whose submit is at the venue and whose answer is kept back."""
    trial.line.ask("hold", "submit")
    trader = trial.start()
    assert trial.line.ask("held", PATIENCE, timeout=PATIENCE + 5), trader.said()
    return trader


def last_session(trial):
    with trial.store() as store:
        return reading.sessions(store)[-1]


def test_F114_sigterm_with_orders_in_flight(tmp_path, nursery):
    """SIGTERM while the venue keeps its answer back: it waits for the grace, journals what it does not know, ends."""
    with Trial(tmp_path / "trial", nursery, grace=0.3, timeout=60.0) as trial:
        trader = in_flight(trial)
        trader.signal(signal.SIGTERM)
        assert trader.wait(5.0) == 0, trader.said()
        assert last_session(trial)["exit_reason"] == "signal SIGTERM"
        assert "submitting" not in states(trial)
        trial.line.ask("release")
        assert trial.settle(cycles=3).faults == []


def test_F115_a_second_sigterm_ends_at_once(tmp_path, nursery):
    """A second SIGTERM does not wait for the grace; the journal is intact and the next start finds the order."""
    with Trial(tmp_path / "trial", nursery, grace=60.0, timeout=60.0) as trial:
        trader = in_flight(trial)
        trader.signal(signal.SIGTERM)
        assert trader.wait(0.7) is None
        trader.signal(signal.SIGTERM)
        assert trader.wait(3.0) is not None
        trial.line.ask("release")
        assert trial.settle(cycles=3).faults == []


def test_F111_kill_while_the_engine_hangs(trial):
    """The session is frozen: `trader kill` halts and cancels without it, and it sends nothing when it wakes."""
    trader = trial.start()
    trial.until(lambda: trial.truth().working, "nothing works at the venue")
    trader.signal(signal.SIGSTOP)
    done = trial.trader("kill", "--reason", "it hangs", "--json")
    told = json.loads(done.stdout)
    assert told["halted"] and told["session"]["answer"] is None
    assert not trial.truth().working
    before = len(trial.truth().accepted)
    trader.signal(signal.SIGCONT)
    with pytest.raises(Exception, match="does not go on"):
        trial.until(lambda: len(trial.truth().accepted) > before, "does not go on", patience=0.8)
    trader.kill()
    trial.trader("rearm", "--reason", "it was killed")
    assert trial.settle(cycles=3).faults == []


def test_F112_a_restart_after_kill_is_still_halted(trial):
    """`trader kill`, then kill -9, then a start: still halted; only a person lifts it."""
    trader = trial.start()
    trial.trades(trader, 3)
    assert trial.trader("kill", "--reason", "enough").returncode in (0, 7)
    trader.kill()
    before = len(trial.truth().requests)
    trader = trial.start()
    trial.trades(trader, 5)
    assert len(trial.truth().requests) == before
    with trial.store() as store:
        assert [(block.scope, block.reason) for block in blocks.standing(store)] == [("*", "enough")]
    assert trial.trader("rearm", "--reason", "looked into it").returncode == 0
    trial.until(lambda: len(trial.truth().requests) > before, "it does not trade after it was re-armed")
    trader.kill()
    assert trial.settle(cycles=3).faults == []
