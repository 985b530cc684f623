"""Out of memory in the middle of something: as a crash, nothing is half done."""

import sys

import pytest
from crash_harness.trial import PATIENCE

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS does not bind elsewhere")


@pytest.mark.parametrize("point", ["journal>commit", "broker>journal", "fills>commit"])
def test_F14_out_of_memory(trial, point):
    """The limit of memory is met inside a transaction: it is rolled back, and the next start goes on from the truth."""
    assert trial.start(cycles=2).wait(PATIENCE) == 0
    trader = trial.start(point=point, hunger=48)
    code = trader.wait(PATIENCE)
    assert code not in (None, 0), trader.said()
    figures = trial.settle(cycles=3)
    assert figures.faults == [] and figures.orders > 0
