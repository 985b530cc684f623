"""What a PostgreSQL server, and the way to it, can do to a journal."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import insert, select, text
from trader.clock import SystemClock
from trader.errors import StoreError
from trader.store import reading
from trader.store.blocks import block, standing
from trader.store.chain import verify_chain
from trader.store.schema import block as block_table

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'trader %';"


@pytest.fixture
def store(url, opened):
    return opened(url, busy_seconds=2.0)


@pytest.fixture
def journal(store, journal_of):
    return journal_of(store, epoch=b"n")


def _cycles(store):
    return [each["number"] for each in reading.cycles(store, "main")]


# ---- F15 -----------------------------------------------------------------------------------------------------------
def test_F15_every_connection_waits_for_the_disk(store):
    """PostgreSQL answers a commit after it is on the disk, whatever the server's default is: power may go."""
    wanted = {"synchronous_commit": "on", "TimeZone": "UTC", "lock_timeout": "2s"}
    with store.transaction() as writer, store.reading() as reader, store.apart() as apart:
        for connection in (writer, reader, apart):
            assert {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in wanted} == wanted
        frozen = [
            each.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() for each in (writer, reader)
        ]
        assert frozen == ["1min", "0"]  # a writer that sleeps in its transaction must not hold the others for ever
        levels = [each.exec_driver_sql("SHOW transaction_isolation").scalar() for each in (writer, reader)]
        assert levels == ["read committed", "repeatable read"]
        assert reader.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"


def test_F15_a_server_that_does_not_wait_for_the_disk_is_refused(server, url, opened):
    """fsync=off: what is committed could be lost with the power, so it is no place for a journal."""
    server.psql("ALTER SYSTEM SET fsync = off;")
    server.psql("SELECT pg_reload_conf();")
    try:
        with pytest.raises(StoreError, match=r"fsync=off.*loss of power"):
            _until(lambda: opened(url), never=True)
    finally:
        server.psql("ALTER SYSTEM RESET fsync;")
        server.psql("SELECT pg_reload_conf();")
    _until(lambda: opened(url))


def _until(work, *, never=False):
    """The server takes up its settings a moment after it was told to."""
    for _ in range(500):
        try:
            found = work()
            if not never:
                return found
        except StoreError:
            if never:
                raise
        SystemClock().sleep(0.02)
    raise AssertionError("the server's settings did not change")


# ---- the way to it -------------------------------------------------------------------------------------------------
def test_a_server_that_is_not_there_is_an_error_without_the_password(opened):
    with pytest.raises(StoreError, match="does not answer") as caught:
        opened("postgresql://me:hunter2@127.0.0.1:1/none?connect_timeout=2")
    assert "hunter2" not in str(caught.value)


def test_a_wrong_password_is_an_error_without_it(server, url, opened):
    settings = server.pgdata / "pg_hba.conf"
    before = settings.read_text()
    server.psql("CREATE ROLE locked LOGIN PASSWORD 'correct horse';")
    settings.write_text("local all locked scram-sha-256\n" + before)
    server.psql("SELECT pg_reload_conf();")
    try:
        with pytest.raises(StoreError, match="does not let this user in") as caught:
            _until(lambda: opened(url.replace("postgres:@", "locked:hunter2@"), create=False), never=True)
        assert "hunter2" not in str(caught.value)
        assert "PGPASSWORD" in caught.value.todo
        with pytest.raises(StoreError, match="does not let this user write"):
            opened(url.replace("postgres:@", "locked:correct%20horse@"))
    finally:
        settings.write_text(before)
        server.psql("SELECT pg_reload_conf();")


def test_a_database_that_does_not_exist_is_an_error(server, opened):
    with pytest.raises(StoreError, match="no such database, or no such user"):
        opened(server.get_uri(database="nowhere"))


def test_F60_a_connection_that_was_lost_meanwhile_is_made_anew_without_a_word(store, journal, make, server):
    """The server ended an idle connection: nothing was asked of it, so the next transaction and reader connect anew."""
    journal.decided(make.record(1), [make.request("a")], [], {})
    server.psql(TERMINATE)
    journal.decided(make.record(2), [make.request("b")], [], {})
    server.psql(TERMINATE)
    assert _cycles(store) == [1, 2]
    assert verify_chain(store) is None


def test_F60_a_connection_lost_within_a_transaction_is_an_error_and_nothing_is_stored(store, journal, make, server):
    """The backend ends in the middle: the transaction is gone as a whole, the next one connects anew."""
    with pytest.raises(StoreError, match="connection to the database was lost"):
        _half_a_block(store, lambda: server.psql(TERMINATE))
    assert standing(store) == []
    journal.decided(make.record(1), [make.request("a")], [], {})
    assert verify_chain(store) is None


def test_F60_a_server_stopped_at_once_in_a_transaction_loses_nothing_that_was_committed(
    server_to_stop, crash, opened, journal_of, make
):
    """`pg_ctl stop -m immediate` and a new start: what was committed is there, what was under way is not."""
    store = opened(server_to_stop.get_uri())
    journal = journal_of(store, epoch=b"n")
    journal.decided(make.record(1), [make.request("a")], [], {})
    with pytest.raises(StoreError, match="connection to the database was lost"):
        _half_a_block(store, lambda: crash(server_to_stop))
    with pytest.raises(StoreError, match="does not answer"):
        journal.decided(make.record(2), [make.request("b")], [], {})
    server_to_stop.ensure_postgres_running()
    _until(lambda: journal.decided(make.record(2), [make.request("b")], [], {}))
    assert _cycles(store) == [1, 2]
    assert standing(store) == []
    assert verify_chain(store) is None


def _half_a_block(store, between):
    """A transaction in which something happens."""
    with store.transaction() as connection:
        connection.execute(insert(block_table).values(scope="*", reason="half", since=store.clock.now()))
        between()
        connection.execute(text("SELECT 1"))


# ---- F59, F66 ------------------------------------------------------------------------------------------------------
def test_F59_a_writer_of_another_process_is_waited_for_and_then_an_error(url, opened, journal_of, make):
    """The chain's end is held by somebody else for too long: an error, nothing is written, and then it goes on."""
    store = opened(url, busy_seconds=0.05)
    journal = journal_of(store, epoch=b"n")
    with opened(url).transaction(), pytest.raises(StoreError, match="Another process holds the database"):
        journal.decided(make.record(1), [], [], {})
    journal.decided(make.record(1), [], [], {})
    assert verify_chain(store) is None


def _conflict(connection, code):
    connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '{code}'; END $$"))


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_F66_a_conflict_is_tried_again_with_the_same_rows(store, make, code):
    """Serialization failure and deadlock: the transaction is run again a few times, and is stored once."""
    tries = []

    def work(connection):
        connection.execute(insert(block_table).values(scope="*", reason="once", since=make.start))
        tries.append(code)
        if len(tries) < 4:
            _conflict(connection, code)
        return len(tries)

    assert store.write(work) == 4
    assert [each.reason for each in standing(store)] == ["once"]


def test_F66_conflicts_without_end_are_an_error(store):
    """After five tries it is an error, and nothing is stored."""
    tries = []

    def work(connection):
        tries.append(1)
        _conflict(connection, "40001")

    with pytest.raises(StoreError, match="Another writer was in the way: nothing was written"):
        store.write(work)
    assert len(tries) == 5


def test_F66_another_error_is_not_tried_again(store):
    """A mistake stays a mistake however often it is repeated."""
    tries = []

    def work(connection):
        tries.append(1)
        connection.execute(text("SELECT nonsense"))

    with pytest.raises(StoreError, match="nonsense"):
        store.write(work)
    assert len(tries) == 1


def test_F66_a_real_deadlock_with_a_program_that_is_not_ours_is_survived(url, opened):
    """Two sessions that each wait for the other's table: PostgreSQL ends ours, and the second try is stored."""
    store, other = opened(url + "&options=-c%20deadlock_timeout%3D10ms"), opened(url)
    ours_locked, tries = threading.Event(), []

    def stranger():
        with other._writers.connect() as connection, connection.begin():
            connection.execute(text("LOCK TABLE command IN EXCLUSIVE MODE"))
            theirs_locked.set()
            ours_locked.wait(5)
            connection.execute(text("LOCK TABLE block IN EXCLUSIVE MODE"))

    def work(connection):
        connection.execute(insert(block_table).values(scope="*", level="halt", reason="once", since=store.clock.now()))
        tries.append(1)
        ours_locked.set()
        while len(tries) == 1 and not _waiting(other):
            SystemClock().sleep(0.01)
        connection.execute(text("LOCK TABLE command IN EXCLUSIVE MODE"))

    theirs_locked = threading.Event()
    thread = threading.Thread(target=stranger)
    thread.start()
    theirs_locked.wait(5)
    store.write(work)
    thread.join()
    assert len(tries) == 2
    assert [each.reason for each in standing(store)] == ["once"]


def _waiting(store):
    with store.reading() as connection:
        return connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar()


# ---- F61 -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("arrives", [True, False])
def test_F61_after_an_unknown_commit_the_key_tells(url, opened, journal_of, make, cut_off, arrives):
    """The line is cut at the COMMIT: nobody knows whether it arrived, and reading again by key does."""
    with cut_off(url) as line:
        store = opened(line.url)
        journal = journal_of(store, epoch=b"n")
        journal.decided(make.record(1), [make.request("a")], [], {})
        line.cut(arrives=arrives)
        with pytest.raises(StoreError, match="may or may not be committed") as caught:
            journal.decided(make.record(2), [make.request("b")], [], {})
        assert "nothing is written twice" in caught.value.todo
        assert (reading.order(store, "b") is not None) is arrives
        assert (reading.cycle(store, "main", 2) is not None) is arrives
        if arrives:
            with pytest.raises(StoreError, match="was decided before"):
                journal.decided(make.record(2), [make.request("b")], [], {})
        else:
            journal.decided(make.record(2), [make.request("b")], [], {})
        assert _cycles(store) == [1, 2]
        assert verify_chain(store) is None
        store.close()


@pytest.mark.parametrize("arrives", [True, False])
def test_F61_a_block_set_again_after_an_unknown_commit_is_one_block(url, opened, cut_off, arrives):
    """Whoever repeats what may have been committed finds it by its key."""
    with cut_off(url) as line:
        store = opened(line.url)
        line.cut(arrives=arrives)
        with pytest.raises(StoreError, match="may or may not be committed"):
            block(store, "*", "halt", "drawdown")
        assert len(standing(store)) == int(arrives)
        block(store, "*", "halt", "drawdown")
        assert [each.reason for each in standing(store)] == ["drawdown"]
        store.close()


@pytest.fixture
def cut_off():
    """cut_off(url): a line to the server that can be cut at the next COMMIT."""
    from .wire import Line

    @contextmanager
    def of(url):
        line = Line(url)
        try:
            yield line
        finally:
            line.close()

    return of


def test_a_reader_may_not_write(store):
    with pytest.raises(StoreError, match="read-only"), store.reading() as connection:
        connection.execute(insert(block_table).values(scope="*", reason="x", since=store.clock.now()))
    with store.reading() as connection:
        assert connection.execute(select(block_table)).all() == []
