"""Killed at every named point, in the middle of a commit and of a reply: nothing is lost, nothing is doubled."""

from collections import Counter

import pytest
from crash_harness import campaign
from trader.store import reading


@pytest.fixture
def traded(trial):
    """A trial whose trader has traded for some bars and ended well."""
    assert trial.start(cycles=4).wait(30) == 0
    return trial


def rows(trial):
    with trial.store() as store:
        return reading.orders(store)


def killed(trial, *points, at=1):
    """Kill it at each of these points, then let it come to rest; what held."""
    for point in points:
        assert trial.kill_at(point, at), f"nobody came to {point}"
    figures = trial.settle(cycles=3)
    assert figures.orders > 0
    return figures.faults


def test_F01_killed_before_the_intent_is_committed(traded):
    """Killed before the commit of a decision: nothing is journalled, nothing is sent, the next cycle decides afresh."""
    before = len(rows(traded)), len(traded.truth().requests)
    assert traded.kill_at("journal>commit", 1)
    assert (len(rows(traded)), len(traded.truth().requests)) == before
    assert killed(traded) == []


def test_F02_killed_inside_the_commit(traded):
    """Killed while the disk writes the commit: the intent is there whole or not at all."""
    for delay in (100, 400, 800, 1_600, 3_200):
        # At the second decision: five starts that died in their first one would start the next one halted.
        assert traded.kill_at("journal>commit", 2, delay=delay)
    assert killed(traded) == []


def test_F03_killed_between_commit_and_send(traded):
    """Killed after the commit and before the send: resolved by evidence, never sent again."""
    assert traded.kill_at("commit>send", 1)
    unsent = {row["key"] for row in rows(traded) if row["state"] == "submitting"} - {*traded.truth().requests}
    assert unsent
    assert killed(traded, "gate>broker") == []
    assert unsent.isdisjoint(traded.truth().requests)
    assert {row["state"] for row in rows(traded) if row["key"] in unsent} == {"absent"}


def test_F04_killed_between_send_and_acknowledgement(traded):
    """Killed when the venue has the order and its answer has not left: found there and adopted."""
    before = len(traded.truth().requests)
    traded.kill_in_reply("submit")
    (sent,) = traded.truth().requests[before:]
    assert [row["state"] for row in rows(traded) if row["key"] == sent] == ["submitting"]
    assert killed(traded) == []
    assert traded.truth().requests.count(sent) == 1


def test_F05_killed_before_the_acknowledgement_is_journalled(traded):
    """Killed between acknowledgement and journal: found there, no second order."""
    assert killed(traded, "broker>journal", at=2) == []


def test_F06_killed_inside_the_booking_of_a_fill(traded):
    """Killed inside the transaction that books fills: fill and position move together or not at all."""
    assert traded.kill_at("fills>commit", 1)
    with traded.store() as store:
        booked = Counter()
        for fill in reading.fills(store):
            booked[fill["symbol"]] += fill["quantity"] if fill["side"] == "buy" else -fill["quantity"]
        assert {row["symbol"]: row["quantity"] for row in reading.holdings(store)} == booked
    assert killed(traded) == []


def test_F07_killed_before_observers_hear_of_a_fill(traded):
    """Killed when fills are booked and nobody was told: they are not booked again."""
    assert killed(traded, "fill>tell") == []


def test_F09_killed_in_the_middle_of_a_reconciliation(traded):
    """Killed when the venue has answered and nothing was applied: the next start asks again and comes out the same."""
    assert killed(traded, "query>apply", "connect>reconcile", "start>ready") == []


def test_F10_killed_in_the_middle_of_a_cancel(traded):
    """Killed before a cancel is sent, or before its answer is journalled: it is asked for again, once is twice."""
    assert killed(traded, "cancel>send", "cancel>journal") == []


def test_random_kills_lose_nothing(tmp_path, nursery):
    told = campaign.on_sqlite(tmp_path / "trial", nursery, 12, points=())
    assert told.figures.faults == [] and told.crashes == 12
    assert told.figures.orders > 10
