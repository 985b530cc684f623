"""The disk is full, another process has the database, a page is damaged: nothing is sent that is not written down."""

import signal
import sqlite3
from contextlib import closing

from crash_harness.trial import PATIENCE


def sent(trial):
    return len(trial.truth().requests)


def stands_still(trial, trader):
    """It says so, it sends nothing, and it lives."""
    trial.until(lambda: "store_failed" in trial.logged() + trader.said(), "it does not say that it stands still")
    before = sent(trial)
    trial.trades(trader, 5)
    assert sent(trial) == before
    assert trader.code is None


def test_F58_the_disk_is_full(trial):
    """The journal cannot be written: nothing more is sent, the session says so and can be stopped."""
    trader = trial.start(full=3)
    stands_still(trial, trader)
    trader.signal(signal.SIGTERM)
    assert trader.wait(PATIENCE) is not None
    assert trial.settle(cycles=3).faults == []


def test_F59_another_process_has_the_database(trial):
    """Somebody else writes for longer than anybody waits: nothing is sent meanwhile; after it the session goes on."""
    trader = trial.start(busy=0.2)
    trial.trades(trader, 3)
    with closing(sqlite3.connect(trial.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stands_still(trial, trader)
        other.execute("ROLLBACK")
    before = sent(trial)
    trial.until(lambda: sent(trial) > before, "it does not trade again")
    trader.kill()
    assert trial.settle().faults == []


def test_F64_a_damaged_page_is_refused_at_start(trial):
    """A page of the file is damaged: the start is refused in words, nothing is sent, nothing is changed."""
    assert trial.start(cycles=4).wait(PATIENCE) == 0
    path = trial.database
    for beside in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        beside.unlink(missing_ok=True)
    whole = path.read_bytes()
    page = 4096 * (len(whole) // 4096 // 2)
    damaged = whole[: page + 8] + b"\xff" * 64 + whole[page + 72 :]
    path.write_bytes(damaged)
    before = sent(trial)
    trader = trial.start(cycles=1)
    assert trader.wait(PATIENCE) == 5 and "damaged" in trader.said()
    assert sent(trial) == before and path.read_bytes() == damaged
    path.write_bytes(whole)
    assert trial.settle(cycles=2).faults == []
