"""Lives in the simulated world: a dead process does nothing any more, and a seed always tells the same story."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from simulation.lane import Line
from simulation.mutants import planted
from simulation.patches import doors
from simulation.process import Crash
from simulation.profile import Person, Profile
from simulation.run import run
from simulation.world import SimWorld
from trader.simulation.faults import Faults

CALM = Profile(seconds=200.0, change=0.9, reconcile=15.0, poll=1.0)
"""No faults but those of a test."""
DOORS = {
    "sleep": 0, "start>ready": 1, "connect>reconcile": 1, "begin": 8, "commit": 8, "committed": 8, "journal>commit": 2,
    "commit>send": 2, "gate>broker": 2, "broker>journal": 2, "fills>commit": 2, "fill>tell": 2, "query>apply": 3,
    "lane.call": 30, "lane.begin": 30, "lane.arrive": 30, "lane.reply": 30, "lane.answer": 20, "timer": 40,
    "timetable": 2,
}  # fmt: skip
"""Where to die, and at the so many-eth time; 0: a session does not come there."""


@pytest.mark.parametrize("door", [door for door, number in DOORS.items() if number])
def test_a_dead_process_does_nothing_any_more_and_the_next_takes_up_what_it_left(door):
    history = run(3, profile=replace(CALM, script=((door, DOORS[door]),)), judged=False)
    assert history.deaths == {door: 1} and [life.how for life in history.lives] == ["crash", "stop"]
    lines = [line.split(" ", 2) for line in history.trace]
    (dead,) = (number for number, line in enumerate(lines) if line[2] == f"crash {door}")
    assert lines[dead + 1][2] == "end crash"
    assert history.converged and history.why_not == "" and history.errors == []
    assert history.sends and history.fills


def test_after_a_crash_every_door_is_a_crash(tmp_path):
    world = SimWorld(1, replace(CALM, script=(("here", 2),)), tmp_path)
    process = world.born()
    process.door("here")
    with pytest.raises(Crash):
        process.door("here")
    outside = world.outside(process)
    for touch in (
        process.now, process.monotonic, lambda: process.sleep(1), lambda: outside.point("there"),
        lambda: process.door("anything"), process.touch, lambda: outside.aside(print),
    ):  # fmt: skip
        with pytest.raises(Crash):
            touch()
    process.bury()
    assert world.timeline.seconds == 0


def test_a_crash_within_a_transaction_leaves_nothing_of_it_and_one_after_it_leaves_all(tmp_path):
    from trader.store.database import open_store
    from trader.store.runs import current_epoch, open_epoch

    for door, kept in (("commit", False), ("committed", True)):
        folder = tmp_path / door
        (folder / "var").mkdir(parents=True)
        world = SimWorld(1, CALM, folder)
        open_store(world.history.database).close()
        world.fate._script = [(door, 1)]
        process = world.born()
        with doors(world):
            store = open_store(world.history.database, clock=process)
            with pytest.raises(Crash):
                open_epoch(store, b"nonce", "first")
            with pytest.raises(Crash):
                current_epoch(store)
            process.bury()
            world.process = None
        again = open_store(world.history.database)
        assert (current_epoch(again) is not None) == kept
        again.close()
        world.close()


def test_what_the_program_was_is_there_again_after_a_run():
    from trader.plugins import loading
    from trader.store import blocks, commands
    from trader.store.database import Store

    places = [
        (Store, "transaction"),
        (Store, "reading"),
        (blocks, "standing"),
        (commands, "waiting"),
        (loading, "load"),
    ]
    before = [vars(owner)[name] for owner, name in places]
    run(1, profile=replace(CALM, seconds=30.0), judged=False)
    assert [vars(owner)[name] for owner, name in places] == before


# ---- one seed, one story -------------------------------------------------------------------------------------------
def test_a_seed_tells_the_same_story_whoever_listens():
    seed, heard = 11, []
    plain = run(seed, judged=False)
    watched = run(seed, judged=False, trace=True, on_event=lambda history: heard.append(history.now))
    assert plain.digest == watched.digest and plain.trace == watched.trace
    assert heard == sorted(heard) and len(heard) > 100
    assert any("heartbeat" in line for line in watched.log) and not plain.log
    assert run(seed + 1, judged=False).digest != plain.digest


def test_a_seed_tells_the_same_story_in_another_process():
    code = "from simulation.run import run; print(run(5, judged=False).digest)"
    path = os.pathsep.join([str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")])
    other = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "17"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert other.stdout.split() == [run(5, judged=False).digest]


# ---- the world's faults --------------------------------------------------------------------------------------------
def test_a_store_that_cannot_be_written_for_a_while_stops_nothing_for_good():
    history = run(2, profile=replace(CALM, locks=200.0), judged=False)
    assert any("store full" in line or "store locked" in line for line in history.trace)
    assert "store_failed" in {raised.alert.event for raised in history.alerts}
    assert history.converged and history.crashes == 0


def test_a_frozen_process_wakes_and_goes_on():
    history = run(2, profile=replace(CALM, freezes=6.0, longest_freeze=60.0), judged=False)
    assert sum(" pause " in line for line in history.trace) >= 3
    assert history.converged and [life.how for life in history.lives] == ["stop"]


def test_people_stop_kill_and_arm_and_everything_comes_to_rest():
    person = Person(kills=40.0, stops=40.0, trades=60.0, dividends=60.0, cancels=60.0, orders=60.0)
    history = run(4, profile=replace(CALM, seconds=400.0, person=person, style="limit", offset=-0.002), judged=False)
    assert history.trips and history.starts > 1 and history.converged
    assert {kind for kind, state, _answer in history.answers if state == "done"} >= {"stop", "rearm"}
    assert any(order.external for order in history.venue.accepted)


def test_all_is_at_rest_only_when_a_difference_had_the_time_to_count():
    """A split whose symbol goes on filling is seen as a new difference with each fill; only the last one is halted."""
    slow = replace(CALM, seconds=300.0, horizon=100.0, person=Person(splits=30.0))
    history = run(4, profile=slow)
    assert history.converged and not history.violations
    halted = [raised.moment for raised in history.alerts if raised.alert.event == "position_differs"]
    assert history.venue.splits and halted and halted[-1] > history.healed_at
    with planted("positions_not_compared"):
        assert [one.invariant for one in run(4, profile=slow).violations] == ["I3"]


def test_a_stream_tells_of_orders_and_fills():
    history = run(2, profile=replace(CALM, streams=True, reconcile=60.0), judged=False)
    assert any("stream -> Fill" in line for line in history.trace) and history.converged


def test_every_pass_of_a_gate_is_seen_with_the_order_that_left():
    history = run(2, profile=CALM, judged=False)
    assert [each.client_id for each in history.gate_passes] == [each.client_id for each in history.venue.requests]


# ---- profiles ------------------------------------------------------------------------------------------------------
def test_each_fault_is_on_in_some_seeds_and_off_in_others():
    profiles = [Profile.of(seed) for seed in range(400)]
    assert Profile.of(7) == Profile.of(7) and len(set(profiles)) == 400
    never = {"query_rate_limited"}
    for kind, part, skipped in (
        (Faults, lambda profile: profile.faults, never | {"late_seconds", "stream_seconds", "retry_after"}),
        (Line, lambda profile: profile.line, {"travel", "slack"}),
        (Person, lambda profile: profile.person, set()),
    ):
        for field in fields(kind):
            on = sum(bool(getattr(part(profile), field.name)) for profile in profiles)
            assert field.name in skipped or 10 <= on <= 390, field.name


def test_a_bounded_venue_declares_a_horizon_that_holds():
    for seed in range(200):
        profile = Profile.of(seed)
        late = min(profile.faults.latest, profile.expiry) if profile.expiry is not None else profile.faults.latest
        if profile.bounded:
            assert profile.horizon >= late + profile.faults.lag
