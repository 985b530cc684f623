"""The paper broker: a venue whose book survives whatever happens to the process."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from trader.clock import VirtualClock
from trader.env import World
from trader.errors import Refused, StoreError
from trader.model import (
    Accepted,
    Bars,
    Instrument,
    OrderRef,
    OrderRequest,
    OrderState,
    OrderType,
    Position,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
    Unavailable,
    Unknown,
)
from trader.protocols import Broker, HasCancelAll, HasCashEvents, NeedsBars
from trader_broker_paper import PaperBroker, Settings, provide_broker

D = Decimal
DAY0 = datetime(2024, 1, 1, tzinfo=UTC)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
SYMBOLS = ("A", "B")


def bars(n, *prices, volume=1e6):
    start = np.array([np.datetime64("2024-01-01", "ns") + np.timedelta64(n, "D")])
    row = np.array([prices], dtype=float)
    return Bars(
        SYMBOLS,
        "1d",
        start,
        start + np.timedelta64(1, "D"),
        row,
        row * 1.02,
        row * 0.98,
        row,
        np.full_like(row, volume),
    )


def order(key, side="buy", quantity=1, symbol="A", *, day=1, kind="market", tif="day", limit=None):
    return OrderRequest(
        key, key, "main", symbol, Side(side), D(quantity), OrderType(kind), TimeInForce(tif),
        limit, None, False, Purpose.MANUAL, D(1), DAY0 + timedelta(days=day),
    )  # fmt: skip


def picture(broker):
    return broker.account(), broker.positions(), broker.orders(), broker.fills(ALWAYS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "paper" / "book.db"


@pytest.fixture
def start(path):
    """start(**settings): a broker on the same book; the last one is closed before."""
    running = []

    def begin(**table):
        for old in running:
            old.close()
        broker = PaperBroker(Settings(**table), "paper", path)
        broker.open()
        running[:] = [broker]
        return broker

    yield begin
    for old in running:
        old.close()


# ---- as a plugin ---------------------------------------------------------------------------------------------------
def test_it_is_what_its_manifest_says(tmp_path):
    spec = find_spec("trader_broker_paper")
    table = tomllib.loads(Path(spec.origin).with_name("plugin.toml").read_text("utf-8"))["broker"]["paper"]
    env = World(tmp_path, tmp_path, clock=VirtualClock(DAY0)).door("paper_two", distribution="trader-broker-paper")
    broker = provide_broker(Settings(account="mine"), env)
    assert all(isinstance(broker, protocol) for protocol in (Broker, NeedsBars, HasCashEvents, HasCancelAll))
    assert table["capabilities"]["needs_bars"]
    assert table["capabilities"]["order_types"] == [kind.value for kind in OrderType]
    assert table["permissions"]["submits_orders"]
    assert not (env.folder / "book.db").exists(), "provide_broker opens nothing"
    account = broker.open()
    broker.close()
    assert (account.account_id, account.kind, account.cash) == ("mine-USD", "paper", D(100_000))
    assert (env.folder / "book.db").exists()


def test_an_order_is_filled_by_the_next_bar_with_the_settings_terms(start):
    broker = start(
        cash=10_000,
        fees={"kind": "per_share", "rate": 0.01, "minimum": 1},
        slippage_bps=10,
        lot="0.1",
        instruments={"B": {"lot": 5, "tradable": False}},
    )
    broker.on_bars(bars(0, 100, 50))
    assert broker.instruments(["A", "B"]) == (
        Instrument("A", lot=D("0.1")),
        Instrument("B", lot=D(5), tradable=False),
    )
    assert broker.key("c1") == "c1"
    assert isinstance(broker.submit(order("c1", quantity="2.5")), Accepted)
    assert broker.submit(order("c2", symbol="B", quantity=5)).kind == "not_tradable"
    broker.on_bars(bars(1, 100, 50))
    (fill,) = broker.fills(ALWAYS)
    assert (fill.key, fill.quantity, fill.price, fill.fee) == ("c1", D("2.5"), D("100.10"), D("1.00"))
    assert broker.account().cash == D(10_000) - D("250.25") - 1
    assert broker.cash_events(ALWAYS) == []


def test_cancel_all_cancels(start):
    broker = start()
    broker.submit(order("c1", kind="limit", limit=D(1), tif="gtc"))
    assert len(broker.orders()) == 1
    assert broker.cancel_all() == Accepted()
    assert broker.orders() == ()


@pytest.mark.parametrize(
    "table",
    [
        {"cahs": 1},
        {"cash": -1},
        {"cash": "NaN"},
        {"participation": 0},
        {"tick": 0},
        {"leverage": "inf"},
        {"fees": {"kind": "percentage"}},
        {"fees": {"rate": 1}},
        {"fees": {"kind": "per_order", "rate": 1, "minimum": 1}},
        {"instruments": {"A": {"tik": 1}}},
        {"account": "a/b"},
    ],
)
def test_settings_that_make_no_sense_are_refused(table):
    with pytest.raises(ValidationError):
        Settings(**table)


# ---- the book on the disk ------------------------------------------------------------------------------------------
def test_everything_is_there_after_a_restart(start):
    broker = start(cash=1000)
    broker.on_bars(bars(0, 10, 20))
    broker.submit(order("c1", quantity=50))
    broker.submit(order("c2", quantity=3, symbol="B", kind="limit", tif="gtc", limit=D("19.5")))
    broker.submit(order("c3", quantity=3, symbol="B", kind="limit", tif="gtc", limit=D(1)))
    broker.on_bars(bars(1, 10, 20))
    broker.on_bars(bars(2, 11, 20))
    before = picture(broker)
    assert before[1] == (Position("A", D(50), D(10)),)
    assert len(before[2]) == 2
    broker = start(cash=5, currency="USD")  # the cash of the settings is for a new account only
    assert picture(broker) == before
    assert broker.submit(order("c1")).kind == "duplicate"
    assert broker.submit(order("c4")) == Accepted("4")
    broker.on_bars(bars(2, 1, 1))  # seen before the restart: nothing
    assert broker.fills(ALWAYS) == before[3]
    broker.on_bars(bars(3, 11, 19))
    assert [(fill.key, fill.execution_id) for fill in broker.fills(ALWAYS)[1:]] == [("c2", "2-1"), ("c4", "4-1")]


def test_a_new_account_keeps_its_opening_cash_though_the_setting_changes(start):
    start(cash=1000)
    assert start(cash=5).account().cash == 1000


def test_an_order_that_fell_below_the_smallest_one_is_there_after_a_restart(start):
    table = {"instruments": {"A": {"min_notional": 100}}, "participation": 0.1}
    broker = start(**table)
    broker.on_bars(bars(0, 10, 20))
    assert isinstance(broker.submit(order("c1", quantity=11, tif="gtc")), Accepted)
    broker.on_bars(bars(1, 9, 20, volume=50))
    broker = start(**table)  # 11 at 9 would not be taken any more; this one was
    assert [(report.key, report.filled) for report in broker.orders()] == [("c1", D(5))]
    broker.on_bars(bars(2, 9, 20))
    assert [fill.quantity for fill in broker.fills(ALWAYS)] == [D(5), D(6)]
    assert broker.submit(order("c2", quantity=11, day=3)).kind == "min_notional"


STEPS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.sampled_from(SYMBOLS),
                st.sampled_from(["buy", "sell"]),
                st.integers(1, 60),
                st.sampled_from(["market", "limit"]),
                st.sampled_from(["day", "gtc", "ioc"]),
            ),
            max_size=3,
        ),
        st.floats(8, 12),
        st.floats(8, 12),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(STEPS, st.sets(st.integers(0, 30)))
def test_a_restart_between_any_two_calls_changes_nothing(steps, restarts):
    table = Settings(cash=1000, participation=0.00003, fees={"kind": "percentage", "rate": 0.001})

    def play(path, restarts):
        broker, calls = PaperBroker(table, "paper", path), 0
        broker.open()
        found = []

        def call(name, *args):
            nonlocal broker, calls
            found.append(getattr(broker, name)(*args))
            calls += 1
            if calls in restarts:
                broker.close()
                broker = PaperBroker(table, "paper", path)
                broker.open()

        for n, (orders, a, b) in enumerate(steps):
            for i, (symbol, side, quantity, kind, tif) in enumerate(orders):
                limit = D("9.90") if kind == "limit" else None
                call("submit", order(f"{n}-{i}", side, quantity, symbol, day=n, kind=kind, tif=tif, limit=limit))
            if n == 3:
                call("cancel", OrderRef("", "0-0", "A"))
            call("on_bars", bars(n, a, b))
            found.append(picture(broker))
        broker.close()
        return found

    with tempfile.TemporaryDirectory() as folder:
        assert play(Path(folder) / "one.db", set()) == play(Path(folder) / "two.db", restarts)


def test_what_was_accepted_survives_the_death_of_the_process(start, path):
    broker = start(cash=1000)
    broker.on_bars(bars(0, 10, 20))
    broker.close()
    program = """
        import os, sys
        from datetime import UTC, datetime
        from decimal import Decimal
        from pathlib import Path
        from trader.model import OrderRequest, OrderType, Purpose, Side, TimeInForce
        from trader_broker_paper import PaperBroker, Settings
        broker = PaperBroker(Settings(), "paper", Path(sys.argv[1]))
        broker.open()
        order = OrderRequest("c1", "c1", "main", "A", Side.BUY, Decimal(7), OrderType.MARKET, TimeInForce.DAY,
            None, None, False, Purpose.MANUAL, Decimal(1), datetime(2024, 1, 2, tzinfo=UTC))
        print(broker.submit(order), flush=True)
        os._exit(9)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (9, "Accepted(venue_id='1')"), done.stderr
    broker = start()
    assert [report.key for report in broker.orders()] == ["c1"]
    broker.on_bars(bars(1, 10, 20))
    assert broker.positions() == (Position("A", D(7), D(10)),)


def test_two_brokers_do_not_share_a_book(start, path):
    first = start()
    with pytest.raises(Refused, match="Another process trades on this paper account"):
        PaperBroker(Settings(), "paper", path).open()
    first.close()
    second = PaperBroker(Settings(), "paper", path)
    second.open()
    second.close()


def test_after_close_it_answers_unavailable_and_unknown(start):
    broker = start()
    broker.close()
    assert isinstance(broker.account(), Unavailable)
    assert isinstance(broker.on_bars(bars(0, 1, 1)), Unavailable)
    assert isinstance(broker.submit(order("c1")), Unknown)


def test_a_commit_that_fails_is_unknown_and_memory_is_not_ahead_of_the_disk(start):
    broker = start()
    broker.submit(order("c1"))
    broker._book._connection.execute("ALTER TABLE orders RENAME TO gone")
    answer = broker.submit(order("c2"))
    assert isinstance(answer, Unknown)
    assert "cannot be read or written" in answer.reason
    assert isinstance(broker.orders(), Unavailable)
    broker._book._connection.execute("ALTER TABLE gone RENAME TO orders")
    assert [report.key for report in broker.orders()] == ["c1"]
    assert broker.order(OrderRef("c2", "c2", "A")).reason == "no order c2"
    assert broker.submit(order("c2")) == Accepted("2")


def damaged(path, how):
    if how == "text":
        path.write_text("this is no database at all, though it is long enough to look like a file of some kind")
        return
    with sqlite3.connect(path) as connection:
        if how == "newer":
            connection.execute("PRAGMA user_version = 99")
        elif how == "foreign":
            connection.execute("PRAGMA application_id = 1")
        else:
            connection.execute("INSERT INTO orders VALUES (77, '{\"seq\": 1')")
    connection.close()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("text", "is damaged"),
        ("newer", "has format 99; this version of trader-broker-paper reads up to 1"),
        ("foreign", "no paper book"),
        ("row", "is damaged"),
    ],
)
def test_a_book_that_cannot_be_read_is_explained_and_left_alone(start, path, how, text):
    start().close()
    damaged(path, how)
    before = path.read_bytes()
    broker = PaperBroker(Settings(), "paper", path)
    with pytest.raises(StoreError, match=text) as found:
        broker.open()
    assert found.value.todo
    assert str(path) in str(found.value)
    broker.close()
    if how != "row":  # a readable database may fold its write-ahead log into the file
        assert path.read_bytes() == before


def test_settings_that_do_not_fit_the_book_are_refused(start, path):
    broker = start(lot="0.5")
    broker.submit(order("c1", quantity="1.5", tif="gtc"))
    broker.close()
    for table, text in (
        ({"currency": "EUR"}, "is in USD, the settings say EUR"),
        ({"lot": 1}, "no.* multiple of the lot"),
    ):
        broker = PaperBroker(Settings(**table), "paper", path)
        with pytest.raises(StoreError, match=text):
            broker.open()
    assert [report.state for report in start(lot="0.5").orders()] == [OrderState.WORKING]


def test_rejections_leave_no_trace_in_the_book(start):
    broker = start()
    assert isinstance(broker.submit(order("c1", "sell")), Rejected)
    assert isinstance(start().submit(order("c1")), Accepted)
