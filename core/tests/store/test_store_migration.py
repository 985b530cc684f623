"""From one schema to the next: every row stays, the chain holds, and a crash leaves one or the other."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy import table as sql_table
from trader.clock import SystemClock
from trader.errors import Refused, StoreError
from trader.model import OrderState
from trader.store import blocks, commands, connect, reading
from trader.store.chain import verify_chain
from trader.store.database import Store
from trader.store.lease import Lease, holder
from trader.store.lock import InstanceLock
from trader.store.schema import REVISION, metadata

STEPS = range(1, 9)
"""Six columns, a table, the revision's name."""


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request):
    """The URL of a database of revision 0001."""
    return str(request.getfixturevalue("old_path" if request.param == "sqlite" else "old_url"))


def _engine(url):
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://") if "://" in url else f"sqlite:///{url}")


def _schema(url):
    """The revision that is stored, and the tables with their columns."""
    engine = _engine(url)
    columns = (
        "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
        if "://" not in url
        else "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        found = {tuple(row) for row in connection.execute(text(columns))}
    engine.dispose()
    return stored, found


def _new_schema():
    columns = {(table.name, column.name) for table in metadata.tables.values() for column in table.columns}
    return REVISION, columns | {("alembic_version", "version_num")}


class Crash:
    """Strikes after the given step of an upgrade; step 0 is the moment before its COMMIT."""

    def __init__(self, step, strike):
        self.step, self.strike, self.seen = step, strike, 0

    def __enter__(self):
        event.listen(Engine, "after_cursor_execute", self.executed)
        event.listen(Engine, "commit", self.committing)
        return self

    def __exit__(self, *_):
        event.remove(Engine, "after_cursor_execute", self.executed)
        event.remove(Engine, "commit", self.committing)

    def executed(self, connection, cursor, statement, *_):
        if statement.strip().startswith(("ALTER", "DROP", "UPDATE alembic_version")):
            self.seen += 1
            if self.seen == self.step:
                self.strike()

    def committing(self, connection):
        if self.seen and not self.step:
            self.strike()


def _raise():
    raise RuntimeError("crash")


def _die():
    os.kill(os.getpid(), signal.SIGKILL)


# ---- what an upgrade does ------------------------------------------------------------------------------------------
def test_F12_an_upgrade_keeps_every_row_and_the_chain_holds(old, opened, journal_of, make):
    """A database of revision 0001 with rows in it: all of them are there afterwards, and the journal goes on."""
    before = _rows(old)
    store = opened(old)
    assert verify_chain(store) is None
    after = _rows(old)
    # The upgrade itself takes the lease.
    assert {table: len(rows) for table, rows in after.items() if table != "lease"} == {
        table: len(rows) for table, rows in before.items() if table not in ("outbox", "lease")
    }
    for table in before.keys() - {"outbox", "alembic_version", "lease"}:
        assert [row[: len(was)] for row, was in zip(after[table], before[table], strict=True)] == before[table]
    assert _schema(old) == _new_schema()

    journal = journal_of(store, session="s2")
    journal.booked([make.fill("e2", "GOOG", 3, client_id="b")], [make.move("b", "working", number=3)])
    journal.decided(make.record(3), [make.request("d")], [], {})
    assert verify_chain(store) is None
    assert [(each["execution_id"], each["quantity"]) for each in reading.fills(store)] == [
        ("e1", Decimal("7.50")),
        ("e2", Decimal("7.50")),
    ]
    assert {each["client_id"] for each in reading.orders(store, "main", OrderState.FILLED)} == {"a"}
    assert commands.waiting(store)[0].kind == "stop"


def test_F12_an_older_database_is_not_upgraded_under_a_session(old, opened):
    """Another version of trader may be at work on it: the newer one refuses, and changes nothing."""
    before = _schema(old)
    with _session(old), pytest.raises(Refused, match=r"revision 0001.*not upgraded while a session runs") as refused:
        opened(old)
    assert "then start again" in refused.value.todo and _schema(old) == before
    opened(old)
    assert _schema(old) == _new_schema()


@contextmanager
def _session(url):
    """What a session of the older version holds."""
    if "://" not in url:
        with InstanceLock(Path(f"{url}.lock")).acquire():
            yield
        return
    engine = _engine(url)
    with engine.begin() as connection:
        now = connection.execute(text("SELECT (extract(epoch FROM now()) * 1000000)::bigint")).scalar()
        connection.execute(
            text("INSERT INTO lease (name, owner, epoch, expires_at) VALUES ('session', 'elsewhere:1', 1, :ends)"),
            {"ends": now + 3_600_000_000},
        )
    yield
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM lease"))
    engine.dispose()


def test_F12_a_block_of_the_older_schema_halts_in_the_new_one(old, opened, make):
    """Blocks had no level before: what stands goes on standing, at the strictest."""
    store = opened(old)
    (was,) = blocks.standing(store)
    assert (was.scope, was.level, was.reason, was.since) == ("main/IBM", "halt", "the venue shows more", make.start)
    new = blocks.block(store, "main", "reduce", "test")
    assert new.id > was.id
    assert [each.id for each in blocks.lift(store, "main/IBM", by="anna", reason="explained")] == [was.id]
    assert blocks.standing(store) == [new]


def test_F12_a_change_of_an_older_row_still_shows_after_an_upgrade(old, opened):
    """Columns that came later are empty in older rows; filling one in is a change of the past."""
    store = opened(old)
    for change in (
        "fill SET amount = '1'",
        "fill SET external = 0",
        "cash_event SET moved = '1' WHERE event_id = 'd1'",
    ):
        with store.transaction() as connection:
            connection.execute(text(f"UPDATE {change}"))
        broken = verify_chain(store)
        assert (broken.seq, broken.kind) == ((7, "fill") if change.startswith("fill") else (9, "cash"))
        with store.transaction() as connection:
            connection.execute(text(f"UPDATE {change.partition(' = ')[0]} = NULL"))
        assert verify_chain(store) is None


def _rows(url):
    engine = _engine(url)
    _, columns = _schema(url)
    found = {}
    with engine.connect() as connection:
        for table in {table for table, _ in columns}:
            rows = connection.execute(select(text("*")).select_from(sql_table(table)))
            found[table] = sorted((tuple(row) for row in rows), key=repr)
    engine.dispose()
    return found


# ---- crashes -------------------------------------------------------------------------------------------------------
def test_F12_an_upgrade_that_fails_leaves_the_older_schema_whole(old, opened):
    """An exception after any step of a migration: nothing of it is left, and the next start upgrades."""
    before = _schema(old)
    assert before[0] == "0001"
    for step in (*STEPS, 0):
        with Crash(step, _raise) as crash, pytest.raises(RuntimeError):
            opened(old)
        assert crash.seen == (step or len(STEPS))
        assert _schema(old) == before
    store = opened(old)
    assert _schema(old) == _new_schema()
    assert verify_chain(store) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_F12_an_upgrade_that_is_killed_leaves_the_older_schema_whole(old, opened):
    """kill -9 after any step of a migration: the database has the older schema, and the next start upgrades."""
    before = _schema(old)
    for step in (*STEPS, 0):
        assert _killed(step, old, opened) == -signal.SIGKILL
        assert _schema(old) == before
    store = opened(old)
    assert _schema(old) == _new_schema()
    assert verify_chain(store) is None


def _killed(step, url, opened):
    """How a process ended that was upgrading."""
    child = os.fork()
    if child == 0:
        try:
            with Crash(step, _die):
                opened(url)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    "change", ["ALTER TABLE block DROP COLUMN level", "DROP TABLE lease", "ALTER TABLE fill RENAME COLUMN fee TO cost"]
)
def test_F12_a_mixed_schema_is_refused_by_what_is_missing(path, opened, change):
    """A database that says one revision and looks like another is not opened, and not touched."""
    opened(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(change)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"mixed.*(block\.level|lease\.epoch|fill\.fee)"):
        opened(path)
    assert path.read_bytes() == before


def test_F12_a_mixed_schema_is_refused_on_postgresql(url, server, opened):
    """The same where a server keeps it."""
    opened(url).close()
    engine = _engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE block DROP COLUMN lifted_why"))
    engine.dispose()
    with pytest.raises(StoreError, match=r"mixed.*block\.lifted_why"):
        opened(url)


def test_F12_half_of_an_upgrade_made_by_hand_is_refused(old_path, opened):
    """A column that is there already: the upgrade stops and leaves everything as it found it."""
    with closing(sqlite3.connect(old_path)) as connection:
        connection.execute("ALTER TABLE fill ADD COLUMN amount TEXT")
    before = _schema(str(old_path))
    with pytest.raises(StoreError, match="duplicate column"):
        opened(old_path)
    assert _schema(str(old_path)) == before


# ---- others, meanwhile ---------------------------------------------------------------------------------------------
def test_F63_nobody_takes_the_lease_of_an_upgrade_that_takes_long(old_url, opened, monkeypatch):
    """It is held for as long as the upgrade goes on, and not for the second that it says; an owner that dies lets it
    go at once."""
    from trader.store import upgrade

    real, taken = upgrade.upgrade, []

    def slowly(connection, revision, where):
        SystemClock().sleep(1.5)
        rival = _old_store(old_url)
        try:
            taken.append(Lease(rival, "there:2 s2", 5.0).acquire(patience=0))
        except StoreError as problem:
            taken.append(str(problem))
        rival.close()
        real(connection, revision, where)

    monkeypatch.setattr(upgrade, "upgrade", slowly)
    store = opened(old_url, clock=SystemClock())
    (found,) = taken
    assert "Another process holds the database" in str(found)
    assert _schema(old_url) == _new_schema() and holder(store) is None
    assert store.lock(session="s3").holder.endswith("s3")


def _old_store(url):
    """As the older version has opened it; it waits for nobody longer than half a second."""
    target = connect.target_of(url)
    engines = (
        connect.readers(target, read_only=False, busy_seconds=0.5),
        connect.writers(target, busy_seconds=0.5),
    )
    return Store(*engines, None, SystemClock())


def test_F63_an_upgrade_that_lost_its_lease_while_it_waited_changes_nothing(old_url, opened):
    """Somebody writes for longer than the lease lasts, and a session begins meanwhile: it is not upgraded under it."""
    before, rival = _schema(old_url), _old_store(old_url)
    real = Store._begun

    def late(store):
        if store is not rival:
            SystemClock().sleep(1.2)
            Lease(rival, "there:2 s2", 15.0).acquire(patience=0)
        return real(store)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Store, "_begun", late)
        with pytest.raises(Refused, match="Another session has begun"):
            opened(old_url, clock=SystemClock())
    assert _schema(old_url) == before and holder(rival) == "there:2 s2"
    rival.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_F63_no_session_begins_on_a_schema_that_is_another_by_now(kind, request, opened):
    """Opened before an upgrade by a newer version, and locked after it: the older one must not write to it."""
    url = str(request.getfixturevalue("path" if kind == "sqlite" else "url"))
    store = opened(url, clock=SystemClock())
    engine = _engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for _ in range(2):  # it is not kept from others either
        with pytest.raises(StoreError, match="revision 9999") as refused:
            store.lock(session="s1")
        assert "newer version" in refused.value.todo
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": REVISION})
    engine.dispose()
    store.lock(session="s1").release()
