"""Small stories that Hypothesis writes: see `machine`."""

from hypothesis import HealthCheck, settings

from .machine import Stories

TestStories = Stories.TestCase
TestStories.settings = settings(
    max_examples=20, stateful_step_count=15, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
