"""What the tests of the operator's commands share: a folder with settings, its database, and a scripted session."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner
from trader.cli import trader
from trader.clock import SystemClock
from trader.model import Fill, OrderRequest, OrderState, OrderType, Purpose, Side, TimeInForce
from trader.orders.journal import Booking, CycleRecord, Holding, Move
from trader.orders.lifecycle import Cause
from trader.orders.store_journal import StoreJournal
from trader.settings import init_files
from trader.store import DATABASE, commands
from trader.store.database import open_store
from trader.store.runs import open_epoch, start_session

NOW = datetime(2024, 1, 2, 21, tzinfo=UTC)
WIDTH = 100


class Desk:
    """An operator's folder. `store` is the database of an earlier or a running session, made when first asked for."""

    def __init__(self, folder):
        self.folder, self.state, self._store = folder, folder / "var", None
        self.cycles = 0

    @property
    def store(self):
        if self._store is None:
            self._store = open_store(self.state / DATABASE, clock=SystemClock())
            open_epoch(self._store, b"nonce", "first")
            start_session(self._store, "s1", mode="paper", version="0.1.0", settings_hash="x")
        return self._store

    def close(self):
        if self._store is not None:
            self._store.close()

    def journal(self, book="main"):
        return StoreJournal(
            self.store, book=book, venue="paper", account=f"P-{book}", session="s1", clock=self.store.clock
        )

    def order(self, name, *, symbol="AAPL", state=OrderState.WORKING, book="main", quantity=5):
        """Decide an order, and bring it where it stands."""
        self.cycles += 1
        at = NOW.replace(second=self.cycles)
        request = OrderRequest(
            client_id=name, key=name, book=book, symbol=symbol, side=Side.BUY, quantity=Decimal(quantity),
            type=OrderType.MARKET, time_in_force=TimeInForce.DAY, limit_price=None, stop_price=None, reduce_only=False,
            purpose=Purpose.REBALANCE, price=Decimal(100), decided_at=at,
        )  # fmt: skip
        journal = self.journal(book)
        cycle = CycleRecord(book, at.isoformat(), self.cycles, at, Decimal(1000), Decimal(1000), b"{}")
        journal.decided(cycle, [request], [], {})
        ways = {
            OrderState.WORKING: [(OrderState.WORKING, Cause.ACK)],
            OrderState.UNKNOWN: [(OrderState.UNKNOWN, Cause.SILENCE)],
            OrderState.ABSENT: [(OrderState.UNKNOWN, Cause.SILENCE), (OrderState.ABSENT, Cause.HORIZON)],
        }
        for to, cause in ways.get(state, []):
            journal.moved([Move(name, to, cause, at, venue_id=f"v-{name}")])

    def holding(self, symbol, quantity, book="main"):
        """Book a fill that makes this position."""
        count = Decimal(quantity)
        fact = Fill(f"e-{symbol}", "k", "v", symbol, Side.BUY, count, Decimal(10), Decimal(0), NOW)
        held = Holding(symbol, count, Decimal(10), NOW, Decimal(0))
        self.journal(book).booked([Booking(fact, None, held, Decimal(1000))], [])

    def run(self, *arguments, code=0):
        """What a command prints for people; every line fits the screen."""
        result = CliRunner().invoke(trader, arguments, catch_exceptions=False)
        assert result.exit_code == code, result.output
        for line in result.output.splitlines():
            assert "--json" in arguments or len(line) <= WIDTH, line
        return result.output

    def json(self, *arguments, code=0):
        return json.loads(self.run(*arguments, "--json", code=code))

    def unread(self, *arguments):
        """The exit code and stderr of a program whose stdout is a pipe that nobody reads any more."""
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-c", "from trader.cli import main; main()", *arguments], check=False, text=True,
            stdout=writer, stderr=subprocess.PIPE, cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        os.close(writer)
        return done.returncode, done.stderr

    @contextmanager
    def session(self, obey=None, *, lock=True):
        """A session runs: it holds the lock and answers each wish with what `obey(command)` says (None: nothing). An
        answer that begins with "no: " refuses."""
        ended, asked = threading.Event(), []

        def work():
            store = open_store(self.store.path)
            while not ended.is_set():
                for command in commands.waiting(store):
                    text = obey(command) if obey is not None else None
                    if text is not None:
                        asked.append(command)
                        commands.answer(store, command.id, text.removeprefix("no: "), refused=text.startswith("no: "))
                ended.wait(0.01)
            store.close()

        held = self.store.lock() if lock else None
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield asked
        finally:
            ended.set()
            thread.join()
            if held is not None:
                held.release()

    def waiting(self):
        return [(each.kind, each.args) for each in commands.waiting(self.store)]


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """An operator's folder in which nothing has run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRADER_SETTINGS", raising=False)
    init_files(tmp_path)
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(bare):
    """An operator's folder with a database of the book `main`."""
    bare.journal()
    return bare
