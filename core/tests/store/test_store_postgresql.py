"""The same store on PostgreSQL: a real server from a package, in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from trader.errors import StoreError
from trader.orders.lifecycle import Cause
from trader.orders.replay import replay, state_hash, stored
from trader.store import commands, reading
from trader.store.chain import newest_event, verify_chain
from trader.store.upgrade import upgrade


def test_the_journal_round_trips_on_postgresql(url, opened, journal_of, make):
    store = opened(url)
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
    store = opened(url)
    assert journal_of(store).load() == before
    assert before.orders[0].request == make.request("a")
    assert before.plugins == {"t": b"\x00"}
    assert verify_chain(store) is None
    assert reading.order(store, "a")["venue_ids"] == ["v1", "v2"]
    assert commands.answer(store, commands.ask(store, "stop", {}, by="me"), "done") is None


@pytest.fixture
def english(monkeypatch, request):
    """The URL of an empty database that sorts as people do: most servers are set up so. Its server begins in a world
    that has the language."""
    localedef = shutil.which("localedef") or pytest.skip("the system has no localedef")
    with tempfile.TemporaryDirectory(prefix="trader-pg-") as folder:
        Path(folder).chmod(0o755)  # the server is another user
        command = [localedef, "-i", "en_US", "-f", "UTF-8", f"{folder}/en_US.UTF-8"]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("the system cannot make the locale en_US.UTF-8")
        monkeypatch.setenv("LOCPATH", folder)
        server = request.getfixturevalue("server_to_stop")
        server.psql("CREATE DATABASE english TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'en_US.UTF-8';")
        yield server.get_uri(database="english")


def test_an_order_is_found_by_its_id_where_the_database_sorts_as_people_do(english, opened, journal_of, make):
    """There ':' comes before the digits; in ASCII it follows the 9."""
    store = opened(english)
    ids = ["t09", "t19", "t1a9", "t1af", "t2"]
    journal_of(store, epoch=b"n").decided(make.record(1), [make.request(each) for each in ids], [], {})
    for each in ("t0", *ids):
        found = reading.order(store, each)
        assert found is not None and found["client_id"].startswith(each)
    assert reading.order(store, "") is reading.order(store, "T19") is reading.order(store, "t1b") is None


def test_both_databases_give_the_same_fingerprint(url, store, opened, journal_of, make):
    hashes = set()
    for each in (store, opened(url)):
        journal = journal_of(each, epoch=b"n")
        journal.decided(make.record(1), [make.request("a")], [(make.request("c"), "cap")], {})
        journal.booked([make.fill("e1", client_id="a")], [make.move("a", "filled")])
        hashes.add(reading.fingerprint(each, "main"))
        assert verify_chain(each) is None
    assert len(hashes) == 1


def test_both_databases_are_replayed_to_the_same_state(url, path, opened, journal_of, make):
    hashes = set()
    for each in (opened(path), opened(url)):
        journal = journal_of(each, epoch=b"n")
        journal.decided(make.record(1), [make.request("a"), make.request("b")], [(make.request("c"), "cap")], {})
        journal.moved([make.move("a", "working", venue_id="v1"), make.move("b", "filled")])
        journal.booked([make.fill("e1", client_id="a"), make.cash("d1")], [make.move("a", "filled", Cause.FILL)])
        made = replay(each, "main")
        assert [(wrong.seq, wrong.client_id) for wrong in made.illegal] == [(4, "b")]
        assert made.orders == stored(each, "main").orders
        hashes.add(state_hash(made))
        assert verify_chain(each, since=newest(each)) is None
    assert len(hashes) == 1


def newest(store):
    with store.reading() as connection:
        return newest_event(connection)


def test_the_migrations_make_the_same_tables_on_postgresql(url, opened):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import text
    from trader.store.schema import metadata

    store = opened(url)
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


def test_a_database_elsewhere_is_not_moved_away(url, opened):
    with pytest.raises(StoreError, match="does not move"):
        opened(url).archive("fresh")
