"""A session that dies again and again before it has decided anything: it stops trying, and leaves nothing behind."""

from crash_harness.trial import PATIENCE
from trader.store import blocks, reading

DEATHS = 50
BREAKER = 5


def standing(trial):
    with trial.store() as store:
        return [(block.scope, block.level) for block in blocks.standing(store)]


def rows(trial):
    with trial.store() as store:
        return len(reading.orders(store)), len(reading.fills(store)), len(reading.cycles(store, "main"))


def test_F13_fifty_restarts_in_a_crash_loop(trial):
    """Fifty starts that die before a cycle is complete: no new intent; after five it starts halted until re-armed."""
    assert trial.start(cycles=3).wait(PATIENCE) == 0
    before = rows(trial)
    for _ in range(BREAKER):
        assert trial.kill_at("start>ready", 1)
    assert standing(trial) == []
    for _ in range(DEATHS - BREAKER):
        trial.kill_at("start>ready", 1)
    assert rows(trial) == before
    assert ("*", "halt") in standing(trial)
    trader = trial.start()
    assert "lifted" in trial.ask("rearm", {"scope": "", "reason": "the cause is mended"})
    trial.trades(trader, 5)
    trader.kill()
    figures = trial.settle(cycles=3)
    assert figures.faults == [] and figures.orders > before[0]
