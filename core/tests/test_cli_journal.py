"""journal verify, db check and upgrade: on journals that hold, were changed, or lost their end."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from trader.clock import SystemClock
from trader.errors import Refused, StoreError
from trader.model import OrderState
from trader.orders.journal import Move
from trader.orders.lifecycle import Cause
from trader.store import DATABASE, MARK
from trader.store.mark import write_mark
from trader.store.schema import REVISION

OLD = Path(__file__).parent / "store" / "revision_0001.sql"


@pytest.fixture
def kept(desk):
    """A journal with two orders and a position."""
    desk.order("t1")
    desk.order("t2", state=OrderState.ABSENT)
    desk.holding("AAPL", 3)
    return desk


def change(desk, statement):
    """Somebody with an editor."""
    with closing(sqlite3.connect(desk.state / DATABASE)) as connection, connection:
        assert connection.execute(statement).rowcount == 1


# ---- verify --------------------------------------------------------------------------------------------------------
def test_a_journal_that_is_whole(kept):
    told = kept.json("journal", "verify")
    assert (told["whole"], told["broken"], told["regressed"], told["mark"]) == (True, None, None, None)
    assert told["counts"] == {"events": 7, "epochs": 1, "cycles": 2, "orders": 2, "fills": 1, "cash events": 0}
    (book,) = told["books"]
    assert (book["book"], book["agrees"], book["illegal"]) == ("main", True, [])
    text = kept.run("journal", "verify")
    assert text.startswith("journal    7 events, 1 epoch, 2 cycles, 2 orders, 1 fill, 0 cash events; read in ")
    assert f"holds; its end is event {told['last_event']}" in text
    assert "The journal is whole." in text


def test_the_hash_is_the_same_each_time_and_another_after_another_event(kept):
    first, second = (kept.json("journal", "verify") for _ in range(2))
    kept.order("t3")
    third = kept.json("journal", "verify")
    assert first["hash"] == second["hash"] != third["hash"]
    assert first["books"][0]["state"] == second["books"][0]["state"] != third["books"][0]["state"]


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("UPDATE fill SET price = '11'", "fill", "changed"),
        ("UPDATE intent SET quantity = '50' WHERE client_id = 't1'", "decided", "changed"),
        ("UPDATE order_event SET reason = 'x' WHERE seq = 3", "", "changed"),
        ("DELETE FROM order_event WHERE seq = 4", "", "missing"),
    ],
)
def test_a_change_of_the_past_is_named_and_ends_with_5(kept, statement, kind, words):
    change(kept, statement)
    broken = kept.json("journal", "verify", code=5)["broken"]
    assert broken["kind"] == kind or not kind
    assert words in broken["what"]
    with pytest.raises(StoreError, match=rf"(?s)does not hold.*Event {broken['seq']}\b.*trader kill") as caught:
        kept.run("journal", "verify")
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    "statement",
    ["UPDATE holding SET quantity = '30'", "UPDATE intent SET state = 'filled' WHERE client_id = 't1'"],
)
def test_a_state_that_its_events_do_not_make_is_named(kept, statement):
    change(kept, statement)
    told = kept.json("journal", "verify", code=5)
    assert (told["broken"], told["books"][0]["agrees"]) == (None, False)
    with pytest.raises(StoreError, match="Book 'main': its events do not make"):
        kept.run("journal", "verify")


def test_a_step_that_no_order_can_take_is_named(kept):
    kept.journal().moved([Move("t2", OrderState.UNKNOWN, Cause.SILENCE, SystemClock().now())])
    told = kept.json("journal", "verify", code=5)
    assert "order t2: an order cannot go from absent to unknown" in told["books"][0]["illegal"][0]


def test_an_older_copy_that_was_restored_is_noticed_by_the_mark(kept):
    database = kept.state / DATABASE
    kept.close()
    older = shutil.copy(database, kept.folder / "backup.db")
    kept._store = None
    journal = kept.state / MARK
    from trader.store.database import open_store

    store = open_store(database)
    store.close()
    kept._store = open_store(database)
    kept.order("t3")
    write_mark(kept.store, journal)
    assert kept.json("journal", "verify")["mark"] == "reached"
    kept.close()
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    shutil.copy(older, database)
    told = kept.json("journal", "verify", code=5)
    assert (told["whole"], told["mark"], told["broken"]) == (False, "lost", None)
    with pytest.raises(StoreError, match="an older copy was restored"):
        kept.run("journal", "verify")


def test_verify_beside_a_running_session(kept):
    with kept.session():
        assert kept.json("journal", "verify")["whole"] is True


def test_verify_before_anything_ran(bare):
    assert "Nothing has run here yet" in bare.run("journal", "verify")
    assert bare.json("journal", "verify") is None


# ---- db ------------------------------------------------------------------------------------------------------------
def test_a_sound_database(kept):
    told = kept.json("db", "check")
    assert (told["database"], told["revision"]) == (str(kept.state / DATABASE), REVISION)
    assert told["size"] > 0
    assert "It is sound." in kept.run("db", "check")


def test_a_page_that_was_overwritten_is_found(kept):
    kept.close()
    path = kept.state / DATABASE
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\x00" * 4096
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        kept.run("db", "check")


@pytest.fixture
def old(bare):
    """A database of revision 0001."""
    bare.state.mkdir()
    with closing(sqlite3.connect(bare.state / DATABASE)) as connection:
        connection.executescript(OLD.read_text())
    return bare


def test_an_older_database_is_told_and_upgraded(old):
    for command in (["db", "check"], ["status"], ["orders"]):
        with pytest.raises(StoreError, match="trader db upgrade"):
            old.run(*command)
    assert f"The database is at revision {REVISION} now." in old.run("db", "upgrade")
    assert old.json("db", "upgrade") == {"revision": REVISION, "upgraded": False}
    assert "there is nothing to upgrade" in old.run("db", "upgrade")
    assert old.json("journal", "verify")["whole"] is True


def test_a_database_that_a_session_uses_is_not_upgraded_under_it(old):
    from trader.store.lock import InstanceLock

    with (
        InstanceLock(old.state / (DATABASE + ".lock")).acquire(),
        pytest.raises(Refused, match=r"(?s)A session runs on it.*trader stop"),
    ):
        old.run("db", "upgrade")
    with pytest.raises(StoreError, match="trader db upgrade"):
        old.run("db", "check")


def test_a_newer_database_is_told(kept):
    change(kept, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer version of trader"):
        kept.run("db", "upgrade")


@pytest.mark.parametrize("command", ["check", "upgrade"])
def test_db_before_anything_ran(bare, command):
    assert "Nothing has run here yet" in bare.run("db", command)
    assert not bare.state.exists()
