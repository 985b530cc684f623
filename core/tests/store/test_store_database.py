"""Opening, refusing, upgrading, moving away: what can be wrong with a database, and what is said about it."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text
from trader.cli.state import locked
from trader.clock import VirtualClock
from trader.errors import Refused, StoreError
from trader.store import lock
from trader.store.chain import verify_chain
from trader.store.connect import READERS
from trader.store.database import open_store
from trader.store.reading import sessions
from trader.store.runs import current_epoch, open_epoch, start_session, stop_session
from trader.store.schema import REVISION, metadata
from trader.store.upgrade import configuration, upgrade


def test_F15_every_connection_is_in_wal_with_full_synchronous_and_foreign_keys(store):
    """SQLite writes its log to the disk before a commit answers, on every connection: power may go."""
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with store.transaction() as writer, store.reading() as reader:
        for connection in (writer, reader):
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
            assert found == wanted


def test_a_missing_database_is_made_only_when_asked(path):
    with pytest.raises(StoreError, match="There is no database yet"):
        open_store(path, create=False)
    assert not path.exists()
    open_store(path).close()
    open_store(path, create=False).close()


def test_opening_an_up_to_date_database_does_not_import_alembic(path):
    program = (
        "import sys; from trader.store.database import open_store; "
        f"open_store({str(path)!r}).close(); open_store({str(path)!r}).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=_env())
    assert done.stdout.strip() == "False"


def _env():
    import trader

    source = str(Path(trader.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}


# ---- the schema ----------------------------------------------------------------------------------------------------
def _layout(store):
    with store.reading() as connection:
        rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master ORDER BY name, type"))
        return [(kind, name, *_parts(sql or "")) for kind, name, sql in rows]


def _parts(sql):
    """Columns in order, constraints in any, and whether it has row numbers."""
    columns, *constraints = "".join(sql.split()).removesuffix("WITHOUTROWID").split("CONSTRAINT")
    return columns, sorted(each.rstrip(",)") for each in constraints), sql.endswith("WITHOUT ROWID")


def test_the_migrations_make_the_same_tables_as_a_fresh_start(tmp_path, store):
    other = open_store(tmp_path / "other.db")
    with other.transaction() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        upgrade(connection, None, "here")
    assert _layout(other) == _layout(store)
    other.close()


def test_the_models_differ_in_nothing_from_the_migrations(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_migration_is_the_revision_that_is_checked():
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(configuration()).get_heads() == [REVISION]


def _set_revision(path, revision):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()


def test_F65_a_newer_database_is_refused_and_left_alone(path):
    """A database of a newer version: a clear text, and not a byte of it is changed."""
    open_store(path).close()
    _set_revision(path, "9999")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer version of trader .* revision 9999"):
        open_store(path)
    with pytest.raises(StoreError, match="revision 9999"):
        open_store(path, read_only=True)
    assert path.read_bytes() == before


def test_F65_a_reader_says_which_way_a_schema_differs(path):
    """Only reading, an older and a newer schema are refused with what to do about each."""
    open_store(path).close()
    for revision, todo in (("0000", "trader db upgrade"), ("9999", "newer version")):
        _set_revision(path, revision)
        with pytest.raises(StoreError, match=f"revision {revision}") as caught:
            open_store(path, read_only=True)
        assert todo in caught.value.todo


# ---- what is no database -------------------------------------------------------------------------------------------
def test_a_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="It is a folder"):
        open_store(tmp_path)


def test_a_file_of_another_kind_is_refused_and_left_alone(path):
    path.parent.mkdir()
    path.write_text("[trading]\nmode = 'paper'\n")
    with pytest.raises(StoreError, match="not a SQLite database"):
        open_store(path)
    assert path.read_text() == "[trading]\nmode = 'paper'\n"


def test_the_database_of_another_program_is_refused(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        open_store(path)


def test_F64_a_damaged_page_is_found_at_start(path, journal_of, make):
    """Flipped bytes in the file: found when it is opened, and nothing is changed."""
    store = open_store(path)
    journal = journal_of(store, epoch=b"n")
    for number in range(1, 30):
        journal.decided(make.record(number), [make.request(f"{number}-{i}") for i in range(30)], [], {})
    store.close()
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096, 3):
        content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as caught:
        open_store(path)
    assert "restore a backup" in caught.value.todo
    assert path.read_bytes() == bytes(content)


def test_F64_a_truncated_file_is_found_at_start(path, journal_of, make):
    """Half of the file: found when it is opened."""
    store = open_store(path)
    journal_of(store, epoch=b"n").decided(make.record(1), [make.request(f"{i}") for i in range(99)], [], {})
    store.close()
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StoreError, match="damaged"):
        open_store(path)


def test_a_folder_without_the_right_to_write_is_refused(tmp_path):
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("this user may write everywhere (root), or the system has no such rights")
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(folder / "trader.db")


def test_a_parent_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "var").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(tmp_path / "var" / "trader.db")


@pytest.mark.parametrize("url", ["mysql://here/there", "sqlite://", "://", "postgres"])
def test_another_kind_of_url_is_refused_with_the_ones_that_work(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "://" not in url:
        open_store(url).close()  # a plain word is a file name
        assert (tmp_path / url).exists()
        return
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "postgresql://" in caught.value.todo


# ---- disk full, locked, two sessions -------------------------------------------------------------------------------
def test_F58_a_full_disk_stores_nothing_and_says_so(store, journal, make):
    """No room for a cycle: an error before anything could be sent, nothing half, and it goes on once there is room."""
    journal.decided(make.record(1), [make.request("a")], [], {})
    before = journal.load()
    with store.transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StoreError, match="disk is full"):
        journal.decided(make.record(2), [make.request(f"b{i}") for i in range(500)], [], {})
    assert journal.load() == before
    with store.transaction() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    journal.decided(make.record(2), [make.request("b")], [], {})
    assert verify_chain(store) is None


def test_F59_a_database_that_another_process_holds_is_an_error_after_the_wait(path, journal_of, make):
    """Locked for longer than one waits: an error, nothing is written, and the next call works once it is free."""
    store = open_store(path, busy_seconds=0.05)
    journal = journal_of(store, epoch=b"n")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="Another process holds the database"):
        journal.decided(make.record(1), [], [], {})
    other.execute("ROLLBACK")
    other.close()
    journal.decided(make.record(1), [], [], {})
    store.close()


def test_F63_a_second_session_is_refused_by_the_number_of_the_first(store, path):
    """Two processes on one SQLite file: the second one is refused, and told which process holds it."""
    with store.lock():
        program = f"from trader.store.database import open_store\nopen_store({str(path)!r}).lock()"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=_env())
        assert f"Another session runs on this database (process {os.getpid()})" in done.stderr
        with pytest.raises(Refused, match=str(os.getpid())):
            store.lock()
    store.lock().release()


def test_who_looks_whether_a_session_runs_is_none(opened, path, monkeypatch):
    """Two may look at once, and a session that starts meanwhile is not refused."""
    store, found, give = opened(path, clock=None), [], lock._give
    store.lock().release()

    def slowly(file):
        monkeypatch.setattr(lock, "_give", give)
        found.append(locked(path).alive)
        threading.Timer(0.05, give, [file]).start()
        store.lock().release()

    with store.lock():
        assert locked(path).alive
    monkeypatch.setattr(lock, "_give", slowly)
    assert locked(path).alive is False and found == [False]


def test_a_disk_that_knows_no_locks_is_no_other_session(store, monkeypatch):
    """Some network disks have none: nobody is to look for a session that does not run."""

    def none(_file):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_take", none)
    with pytest.raises(StoreError, match="The lock file cannot be locked: No locks available"):
        store.lock()


def test_F63_the_lock_of_a_killed_process_is_free(store, path):
    """kill -9 of a session: the system gives its lock file back, and the next one starts."""
    program = (
        "import sys, time\nfrom trader.store.database import open_store\n"
        f"held = open_store({str(path)!r}).lock()\nprint('held', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=_env()) as other:
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(Refused, match=f"process {other.pid}"):
            store.lock()
        other.kill()
        other.wait()
    store.lock().release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_F68_a_forked_child_may_not_use_its_parents_connections(kind, request, opened, journal_of, make):
    """A fork with an open database: the child is refused, and its end does not disturb the parent."""
    store = opened(request.getfixturevalue("path" if kind == "sqlite" else "url"))
    journal = journal_of(store, epoch=b"n")
    child = os.fork()
    if child == 0:
        code = _child(store, journal, make)
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    journal.decided(make.record(1), [make.request("a")], [], {})
    assert verify_chain(store) is None


def _child(store, journal, make):
    """0 where reading and writing are refused."""
    refused = 0
    try:
        journal.decided(make.record(1), [], [], {})
    except StoreError:
        refused += 1
    try:
        with store.reading():
            pass
    except StoreError:
        refused += 1
    store.close()
    return 0 if refused == 2 else 1


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_F67_readers_that_use_up_their_connections_do_not_stop_the_writer(kind, request, opened, journal_of, make):
    """A plugin that reads and never ends: the next reader gets an error in time, the journal goes on."""
    store = opened(request.getfixturevalue("path" if kind == "sqlite" else "url"), busy_seconds=0.05)
    journal = journal_of(store, epoch=b"n")
    with ExitStack() as stack:
        for _ in range(READERS):
            stack.enter_context(store.reading())
        with pytest.raises(StoreError, match=f"{READERS} read from it already"), store.reading():
            pass
        journal.decided(make.record(1), [make.request("a")], [], {})
    assert verify_chain(store) is None


def test_threads_write_one_after_the_other_and_the_chain_holds(store, journal, journal_of, make):
    books = [journal, journal_of(store, "second", account="P2")]

    def work(journal):
        for number in range(1, 21):
            journal.decided(make.record(number), [make.request(f"{journal.book}{number}", book=journal.book)], [], {})
            journal.moved([make.move(f"{journal.book}{number}", "working")])

    threads = [threading.Thread(target=work, args=(each,)) for each in books]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.load().number for each in books] == [20, 20]
    assert verify_chain(store) is None


# ---- reading beside, archive, sessions -----------------------------------------------------------------------------
def test_a_reader_beside_a_session_sees_what_is_committed_and_cannot_write(store, journal, path, make):
    beside = open_store(path, read_only=True)
    journal.decided(make.record(1), [make.request("a")], [], {})
    with beside.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM intent")).scalar() == 1
        with pytest.raises(StoreError, match="cannot be opened for writing"), beside._explained():
            connection.execute(text("DELETE FROM intent"))
    with pytest.raises(StoreError, match="opened for reading"), beside.transaction():
        pass
    beside.close()


def test_archive_moves_the_whole_database_aside_and_deletes_nothing(store, journal, path, make):
    journal.decided(make.record(1), [make.request("a")], [], {})
    folder = store.archive("fresh")
    assert folder == path.parent / "archive" / "20130228T210000Z-fresh"
    assert not any(path.parent.glob("trader.db*"))
    old = open_store(folder / "trader.db", read_only=True)
    with old.reading() as connection:
        assert connection.execute(text("SELECT client_id FROM intent")).scalars().all() == ["a"]
    old.close()
    new = open_store(path, clock=VirtualClock(make.start))
    assert current_epoch(new) is None
    assert new.archive("fresh").name == "20130228T210000Z-fresh-2"


def test_archive_waits_for_no_reader_and_says_who_is_in_the_way(path, journal_of, make):
    store = open_store(path, busy_seconds=0.05)
    journal = journal_of(store, epoch=b"n")
    beside = open_store(path, read_only=True)
    with beside.reading() as connection:
        connection.execute(text("SELECT count(*) FROM intent")).all()
        journal.decided(make.record(1), [], [], {})
        with pytest.raises(StoreError, match="Another process reads"):
            store.archive("fresh")
    beside.close()
    journal.decided(make.record(2), [], [], {})
    store.close()


def test_a_session_that_died_has_no_end(store, make):
    open_epoch(store, b"n", "first")
    for name in ("one", "two"):
        start_session(store, name, mode="paper", version="0.1.0", settings_hash="abc")
    stop_session(store, "two", "end of data")
    assert [(each["id"], each["stopped_at"], each["exit_reason"]) for each in sessions(store)] == [
        ("one", None, None),
        ("two", make.start, "end of data"),
    ]
    with pytest.raises(StoreError, match="session one before"):
        start_session(store, "one", mode="paper", version="0.1.0", settings_hash="abc")
