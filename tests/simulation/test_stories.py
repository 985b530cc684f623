"""Small stories that Hypothesis writes: see `machine`."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from simulation.machine import Stories
from simulation.mutants import planted

BOUNDED = settings(
    max_examples=60, stateful_step_count=20, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.timeout(900)
def test_every_story_comes_to_a_good_end():
    run_state_machine_as_test(Stories, settings=BOUNDED)


@pytest.mark.parametrize("name", ["dedup_in_memory", "no_horizon", "new_id_on_resend"])
def test_a_story_finds_a_planted_bug(name):
    brief = settings(BOUNDED, phases=[Phase.generate], report_multiple_bugs=False)
    with planted(name), pytest.raises(AssertionError, match="Violation"):
        run_state_machine_as_test(Stories, settings=brief)
