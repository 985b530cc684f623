"""Seeded histories of the real program in a simulated world, judged at every step (see `simulation.checks`)."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs
from simulation import campaign, exhaustive
from simulation.bugs.registry import Plot
from simulation.campaign import play, seeds
from simulation.mutants import MUTANTS, planted
from simulation.profile import Person, Profile, drawn
from simulation.run import run
from simulation.shrink import shrink, without
from simulation.venue import SimOpinions
from trader.orders.gate import Gate
from trader.orders.ledger import Ledger
from trader.session import by_hand
from trader.session.engine import Engine
from trader.simulation.faults import Faults

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SEEDS = int(os.environ.get("TRADER_TEST_SEEDS", "1000"))


def broken(failed):
    return "\n".join(f"scripts/simulate --seed {one.seed} --trace\n  {one.violations[0]}" for one in failed)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_order_is_sent_twice_lost_or_booked_twice_in_a_thousand_histories():
    tally = seeds(range(SEEDS), twice=20)
    assert not tally.failed, broken(tally.failed)
    assert tally.seeds == SEEDS
    assert tally.crashes > SEEDS and tally.sends > 10 * SEEDS and tally.fills > 10 * SEEDS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_case_of_one_order_holds():
    assert len(exhaustive.CASES) == 882
    failed = campaign.cases(exhaustive.CASES)
    assert not failed, "\n".join(f"{case}: {violations[0]}" for case, violations in failed.items())


def test_the_cases_are_what_they_say():
    first = exhaustive.play(exhaustive.Case("gate>broker", "accepted", "forever", ""))
    assert first.deaths == {"gate>broker": 1} and first.passes == first.sends + 1
    late = exhaustive.play(exhaustive.Case("", "arrives late", "open_only", ""))
    assert late.venue.requests[0].fate == "accepted"
    both = exhaustive.play(exhaustive.Case("broker>journal", "arrives, no answer", "none", "connect>reconcile"))
    assert both.deaths == {"broker>journal": 1, "connect>reconcile": 1} and both.starts == 3
    assert Counter(each.external for each in both.venue.accepted) == {False: 1}


def regressions():
    path = HERE / "regressions.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [(int(seed), what) for seed, _, what in (line.partition(" ") for line in lines if line[:1].isdigit())]


@pytest.mark.parametrize(("seed", "what"), regressions())
def test_what_was_found_once_does_not_come_back(seed, what):
    for profile in (drawn(seed), drawn(seed, keyboard=False)):  # the older ones were found by what is drawn without it
        played = play(seed, profile=profile)
        assert not played.violations, f"it was: {what}\nnow: {played.violations[0]}"


def test_the_same_seed_is_the_same_history_in_another_process():
    code = "import sys; from simulation.run import run; print(*(run(seed).digest for seed in (3, 1)))"
    path = os.pathsep.join(sys.path)
    for salt in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": salt},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.split() == [run(3).digest, run(1).digest]


@pytest.mark.parametrize("seed", [4, 12, 21])
def test_an_observer_that_raises_changes_nothing(seed, monkeypatch):
    """I16: with a plugin that fails at everything it hears, the history is the same."""
    calm = run(seed)
    heard = Counter()

    def raising(hook):
        def observer(self, **facts):
            heard[hook] += 1
            raise ValueError(hook)

        return observer

    hooks = (
        "on_cycle",
        "on_order",
        "on_fill",
        "on_position",
        "on_refusal",
        "on_state_change",
        "on_alert",
        "on_heartbeat",
    )
    for hook in (*hooks, "on_session_start", "on_session_stop", "on_connection"):
        monkeypatch.setattr(SimOpinions, hook, raising(hook), raising=False)
    broken = run(seed)
    assert heard["on_cycle"] and heard["on_order"] and heard["on_fill"]
    assert not broken.violations
    assert broken.digest == calm.digest


# ---- the judges are awake ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    [
        "send_first", "lost_row", "marked_first", "fee_forgotten", "part_as_whole", "pause_ignored", "hold_forgotten",
        "flow_as_profit",
    ],
)  # fmt: skip
def test_a_planted_bug_is_found(name):
    assert campaign.hunt([name], 10, workers=1)[name][0]


TYPED = Profile(
    seconds=600.0, style="limit", offset=-0.02, time_in_force="gtc", change=0.1, reconcile=15.0, poll=1.0, crashes=3.0,
    person=Person(commands=600.0),
)  # fmt: skip
"""Orders rest far from the market, and somebody types all the time."""


def test_a_cancel_that_is_answered_and_never_asked_for_is_found(monkeypatch):
    async def cancel(engine, beginning, _report, _at):
        found = [one.request.client_id for one in engine.blotter.open() if one.request.client_id.startswith(beginning)]
        return f"{found[0]}: cancel asked for, it is cancel_sent now" if found else None

    assert not run(1, profile=TYPED).violations
    monkeypatch.setattr(by_hand, "cancel", cancel)
    assert {one.invariant for one in run(1, profile=TYPED).violations} == {"I20"}


def test_the_venues_word_taken_at_once_and_the_wrong_way_round_is_found(monkeypatch):
    async def take(engine, symbol, *rest):
        for one in engine.reconciler.differences:
            if one.symbol == symbol:
                one.expected, one.found, one.told = one.found, one.expected, True
        return await real(engine, symbol, *rest)

    profile = Profile(
        seconds=600.0, change=0.9, reconcile=15.0, poll=1.0, person=Person(commands=300.0), faults=Faults(fill_lag=30.0)
    )
    real = by_hand.take_the_venues_word
    assert not run(3, profile=profile).violations
    monkeypatch.setattr(by_hand, "take_the_venues_word", take)
    found = run(3, profile=profile).violations[0]
    assert found.invariant == "I20" and "was adopted" in found.text


def test_what_people_type_is_drawn_for_itself():
    for seed in range(50):
        with_, before = drawn(seed), drawn(seed, keyboard=False)
        typed = dict.fromkeys(("commands", "holds", "transfers", "delistings", "silences"), 0.0)
        kinds = ("cancel_rate_limited", "cancel_failed_dropped", "cancel_garbage", "cancel_slow")
        cancels = dict.fromkeys(kinds, 0.0)
        calm = replace(
            with_, person=replace(with_.person, **typed), faults=replace(with_.faults, **cancels),
            stop_orders="leave", stop_positions="keep", seconds=before.seconds,
        )  # fmt: skip
        assert calm == before


CORRECTED = Profile(
    seconds=300.0, change=0.9, reconcile=15.0, poll=1.0, faults=Faults(fill_lag=8.0), person=Person(corrections=200.0)
)
"""Executions are corrected again and again, often before a query shows them at all."""


def test_terms_that_an_execution_had_before_its_correction_may_be_booked_until_the_correction_is_shown(monkeypatch):
    early = []

    def booked(self, fill, *rest):
        booking = real(self, fill, *rest)
        if booking is not None and "~" not in fill.execution_id:
            early.append((fill.symbol, fill.execution_id, fill.price))
        return booking

    real = Ledger.after_fill
    monkeypatch.setattr(Ledger, "after_fill", booked)
    history = run(1, profile=CORRECTED)
    former = {(fill.symbol, fill.execution_id, fill.price) for fill in history.venue.former_fills()}
    assert history.converged and not history.violations
    assert former & set(early) and former - set(early)


def test_terms_that_an_execution_never_had_are_found(monkeypatch):
    def booked(self, fill, *rest):
        wrong = "~" not in fill.execution_id
        return real(self, structs.replace(fill, price=fill.price + Decimal("0.02")) if wrong else fill, *rest)

    real = Ledger.after_fill
    monkeypatch.setattr(Ledger, "after_fill", booked)
    found = run(1, profile=CORRECTED).violations[0]
    assert found.invariant == "I2" and "terms that it never had" in found.text


def test_a_correction_that_is_never_booked_is_found(monkeypatch):
    monkeypatch.setattr(Ledger, "corrected", lambda self, fill: None)
    found = run(1, profile=CORRECTED).violations
    assert any(one.invariant == "I2" and "corrections and all" in one.text for one in found)


def test_every_planted_bug_says_what_it_does_and_leaves_nothing_behind():
    assert len(MUTANTS) >= 16
    before = dict(vars(Engine)), dict(vars(Gate))
    for name, mutant in MUTANTS.items():
        assert mutant.what.endswith("."), name
        with planted(name):
            pass
    assert (dict(vars(Engine)), dict(vars(Gate))) == before


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_fits_the_program_it_is_planted_in(name):
    """One that stumbles over a name that is not there any more would be found by that, and prove nothing."""
    with planted(name):
        history = run(7, profile=replace(drawn(7), seconds=300.0))
    stumbled = [text for _, _, text in history.errors if re.search(r"(Attribute|Type|Name)Error", text)]
    assert not stumbled and history.sends


def test_a_bug_that_cannot_be_called_as_what_it_replaces_is_not_planted():
    plot = Plot()
    with pytest.raises(TypeError, match=r"submit\(self, approved\) cannot be replaced by a function of \(self, a, b\)"):
        plot.put(Gate, "submit", lambda self, a, b: None)


def test_a_failing_run_is_made_smaller():
    def breaks(profile):
        return next(iter(play(2, "send_first", replace(profile, seconds=min(profile.seconds, 300.0))).violations), None)

    smaller = shrink(2, breaks)
    assert smaller is not None and smaller.violation.startswith("I7")
    assert smaller.left == () and smaller.seconds < drawn(2).seconds
    assert without(drawn(2), smaller.without).faults.odds("submit") == ()


# ---- the script ----------------------------------------------------------------------------------------------------
def simulate(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "simulate"), *arguments], capture_output=True, text=True, check=False
    )


def test_the_script_ends_with_its_figures():
    done = simulate("--seeds", "2", "--first-seed", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    *_, before, last = done.stdout.splitlines()
    assert re.fullmatch(r"wall time \d+ s, virtual time [\d.]+ hours", before)
    assert re.fullmatch(r"2 seeds, \d+ crashes, \d+ sends, \d+ fills, 0 violations", last)


def test_the_script_shows_one_seed_and_fails_where_it_breaks():
    calm = simulate("--seed", "2", "--trace")
    assert calm.returncode == 0, calm.stdout + calm.stderr
    assert "submit" in calm.stdout and calm.stdout.splitlines()[-2].startswith("trace ")
    bad = simulate("--seed", "2", "--mutant", "send_first", "--seconds", "200")
    assert bad.returncode == 1 and "I7" in bad.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("--trace",),
        ("--record",),
        ("--mutant", "send_first"),
        ("--seed", "1", "--without", "nonsense"),
        ("--seeds", "x"),
    ],
)
def test_the_script_refuses_what_makes_no_sense(wrong):
    done = simulate(*wrong)
    assert done.returncode == 2 and done.stderr


def test_figures_are_written_between_their_marks_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from _simulate import page

    text = page.PAGE.read_text(encoding="utf-8")
    copy = tmp_path / "reliability.md"
    copy.write_text(text, encoding="utf-8")
    tally = campaign.Tally(seeds=10_000, crashes=12_345, starts=22_345, sends=5, fills=6, hours=1.25)
    page.record(page.Figures(tally, {"send_first": (300, 300)}, 882, 0), copy)
    written = copy.read_text(encoding="utf-8")
    outside = [text, written]
    for begin, end in map(page.markers, page.PARTS):
        outside = [re.sub(f"{begin}.*{end}", begin, whole, flags=re.DOTALL) for whole in outside]
    assert outside[0] == outside[1]
    assert "crashes: 12,345" in written and "| send_first | " in written and "300 of 300" in written
    (tmp_path / "empty.md").write_text("# Reliability\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must have one line"):
        page.record(page.Figures(tally), tmp_path / "empty.md")
