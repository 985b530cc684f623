"""status, positions, orders, fills, decisions, why, release: on databases written by the real journal."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from trader.cli import output, trader
from trader.clock import SystemClock, VirtualClock
from trader.cycle.decision import TEXT, Decision, ExitRecord, Fault, StageRecord, Verdict
from trader.errors import Refused, SettingsError, StoreError, Unreachable, UsageError
from trader.model import (
    Approved,
    Fill,
    OrderRef,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Refusal,
    Side,
    TimeInForce,
)
from trader.orders.journal import Booking, CycleRecord, Holding, Move
from trader.orders.lifecycle import Cause
from trader.orders.store_journal import StoreJournal
from trader.settings import init_files
from trader.store import DATABASE, blocks, commands, database_of
from trader.store.database import open_store
from trader.store.runs import open_epoch, start_session, stop_session

START = datetime(2013, 2, 27, 21, tzinfo=UTC)
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
READING = ("status", "positions", "orders", "fills", "decisions")


def day(number: int) -> datetime:
    return START + timedelta(days=number)


# ---- what the cycle would have decided -----------------------------------------------------------------------------
def request(client_id, symbol, quantity, price, *, side=Side.BUY, book="main", at=START, **changes):
    values = {
        "client_id": client_id, "key": client_id, "book": book, "symbol": symbol, "side": side,
        "quantity": Decimal(quantity), "type": OrderType.MARKET, "time_in_force": TimeInForce.DAY,
        "limit_price": None, "stop_price": None, "reduce_only": False, "purpose": Purpose.REBALANCE,
        "price": Decimal(price), "decided_at": at,
    }  # fmt: skip
    return OrderRequest(**values | changes)


def decision(number=1, book="main", **changes):
    """AAPL is bought, FB refused, GOOG inside its band, IBM dropped, MSFT not listed."""
    nan = np.nan
    stage = StageRecord(
        "trend", 0.15, np.arange(4), np.array([0.62, 0.4, 0.3, 0.05]), np.ones(4),
        np.array([0, 0, 0, 1], np.int8), {"fast": np.array([783.2, 28.0, 4.0, 5.0])},
    )  # fmt: skip
    codes = (Verdict.ORDERED, Verdict.REFUSED, Verdict.IN_BAND, Verdict.NO_CHANGE, Verdict.NOT_LISTED)
    values = {
        "price": np.array([100.0, 20.0, 800.0, 200.0, nan]),
        "quantity": np.array([100.0, 0.0, 50.0, 0.0, 0.0]),
        "weight": np.array([0.1, 0.0, 0.4, 0.0, 0.0]),
        "verdict": np.array(codes, np.int8),
        "stages": [stage],
        "score": np.array([0.62, 0.4, 0.3, 0.0, nan]),
        "target": np.array([0.15, 0.5, 0.401, 0.0, nan]),
        "shrunk": [("max_position_weight", np.array([0.15, 0.35, 0.401, 0.0, nan]))],
        "allocator": "equal",
        "balancer": "threshold",
    }
    return Decision(
        book, day(number).isoformat(), number, day(number), SYMBOLS, 100_000.0, 50_000.0, **values | changes
    )


def one_symbol(verdict, **changes):
    """A Decision on AAPL alone, with one verdict."""
    nan = np.array([np.nan])
    values = {"price": np.array([10.0]), "quantity": np.array([5.0]), "weight": np.array([0.05])}
    values |= {"verdict": np.array([verdict], np.int8), "score": nan, "target": nan, "balancer": "threshold"}
    at = day(3)
    return Decision("main", at.isoformat(), 3, at, ("AAPL",), 1000.0, 950.0, **values | changes)


def record(made):
    money = Decimal(str(made.equity)), Decimal(str(made.cash))
    return CycleRecord(made.book, made.cycle_id, made.number, made.at, *money, made.encode())


# ---- a folder with settings and a database -------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRADER_SETTINGS", raising=False)
    init_files(tmp_path)
    return tmp_path


@pytest.fixture
def world(folder):
    """A store with one epoch and a session; `journal(book)` writes into it as a session does."""
    store = open_store(folder / "var" / DATABASE, clock=VirtualClock(day(900)))
    open_epoch(store, b"nonce", "first")
    start_session(store, "s1", mode="paper", version="0.1.0", settings_hash="x")

    def journal(book="main", account="P1"):
        return StoreJournal(store, book=book, venue="paper", account=account, session="s1", clock=store.clock)

    yield SimpleNamespace(store=store, journal=journal, folder=folder)
    store.close()


@pytest.fixture
def history(world):
    """Cycle 1 buys 50 AAPL (filled at 99.90 in two parts) and is refused FB; cycle 2 has a limit order at work."""
    journal = world.journal()
    bought = request("taaa1", "AAPL", "50", "100", at=day(1))
    refused = request("tbbb1", "FB", "1750", "20", at=day(1))
    refusal = Refusal(1, "the order is too large", 20_000.0, 35_000.0, "max_order_notional")
    first = decision(approved=[Approved(bought)], denied=[(refused, refusal)])
    journal.decided(record(first), [bought], [(refused, "max_order_notional: the order is too large")], {})
    journal.moved([Move("taaa1", OrderState.WORKING, Cause.ACK, day(1), venue_id="v1")])
    for number, (units, held, cash) in enumerate((("20", "120", "48002"), ("30", "150", "45005")), 1):
        fact = Fill(
            f"e{number}",
            "taaa1",
            "v1",
            "AAPL",
            Side.BUY,
            Decimal(units),
            Decimal("99.90"),
            Decimal("0.50"),
            day(2),
            "USD",
        )
        holding = Holding("AAPL", Decimal(held), Decimal("95.123456789"), day(0), Decimal("12.3400000000000000001"))
        state = OrderState.FILLED if number == 2 else OrderState.WORKING
        move = Move("taaa1", state, Cause.FILL, day(2), filled=Decimal(held) - 100)
        journal.booked([Booking(fact, "taaa1", holding, Decimal(cash))], [move])
    working = request(
        "tccc1", "GOOG", "0.5", "800", side=Side.SELL, at=day(2), type=OrderType.LIMIT, limit_price=Decimal("801.25")
    )
    flat = np.array([150.0, 0.0, 0.0, 0.0, 0.0])
    codes = np.array([Verdict.IN_BAND, *[Verdict.NO_CHANGE] * 2, Verdict.UNRESOLVED, Verdict.NOT_LISTED], np.int8)
    second = decision(
        2, quantity=flat, weight=flat * 100 / 100_000, verdict=codes, approved=[Approved(working)], notes=["a note"]
    )
    journal.decided(record(second), [working], [], {})
    return world


def run(*arguments: str) -> str:
    result = CliRunner().invoke(trader, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for line in result.output.splitlines():
        assert "--json" in arguments or len(line) <= 100, line
    return result.output


def as_json(*arguments: str):
    return json.loads(run(*arguments, "--json"))


# ---- nothing there yet ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", READING)
def test_before_the_first_run_every_command_says_so_and_leaves_nothing_behind(folder, command):
    assert "Nothing has run here yet.   start: trader run" in run(command)
    empty = as_json(command)
    assert (
        empty == []
        if command != "status"
        else (empty["session"], empty["books"], empty["running"]) == (None, [], False)
    )
    assert not (folder / "var").exists()


def test_before_the_first_run_why_says_so(folder):
    assert "Nothing has run here yet" in run("why", "AAPL")
    assert as_json("why", "AAPL") is None


def test_a_database_in_which_nothing_was_decided(world):
    assert as_json("orders") == as_json("positions") == as_json("decisions") == []
    assert "Nothing has run here yet" in run("orders")
    world.journal()
    assert "There is no order." in run("orders")
    assert "There is no fill." in run("fills")
    assert "Nothing is held." in run("positions")
    assert "Nothing was decided yet." in run("decisions")
    with pytest.raises(UsageError, match="no symbol and no order 'AAPL'"):
        run("why", "AAPL")


@pytest.mark.parametrize("command", [*READING, "why AAPL"])
def test_a_damaged_database_is_told(folder, command):
    (folder / "var").mkdir()
    (folder / "var" / DATABASE).write_bytes(b"not a database at all")
    with pytest.raises(StoreError, match="not a SQLite database"):
        run(*command.split())


def test_a_database_of_a_newer_version_is_told(history):
    with history.store.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="revision 9999"):
        run("positions")


def test_a_wrong_state_folder_in_the_settings_is_told(history):
    with pytest.raises(SettingsError, match="state_dir"):
        run("positions", "--set", "application.state_dir=3")


@pytest.mark.parametrize("setting", ["trading.mode=2024-01-01", "trading.dry_run=07:00:00"])
def test_status_shows_a_setting_that_toml_takes_for_a_day_or_an_hour(folder, setting):
    """A mistake in the settings hides nothing of what stands."""
    name, _, written = setting.partition("=")
    result = CliRunner().invoke(trader, ["status", "--json", "--set", setting], catch_exceptions=False)
    assert json.loads(result.stdout)[name.removeprefix("trading.")] == written


def test_a_mistake_in_a_plugins_table_does_not_hide_what_is_held(history):
    with (history.folder / "settings.toml").open("a") as file:
        file.write('\n[risk_rules.no_such_rule]\nlimt = "many"\n')
    assert [each["symbol"] for each in as_json("positions")] == ["AAPL"]


def test_the_state_folder_and_the_name_are_the_sessions(history):
    from trader.session import opening

    assert database_of is opening.database_of
    (history.folder / "settings.local.toml").write_text('[application]\nstate_dir = "elsewhere"\n')
    assert as_json("orders") == []


# ---- lists ---------------------------------------------------------------------------------------------------------
def test_positions_for_programs(history):
    (held,) = as_json("positions")
    assert held == {
        "book": "main", "symbol": "AAPL", "quantity": "150", "price": "95.123456789",
        "entry_time": "2013-02-27T21:00:00+00:00", "mark": "100", "value": "15000", "weight": 0.15,
        "gain": pytest.approx(0.0512654), "unrealized": "731.48148165", "realized": "12.34",
    }  # fmt: skip


def test_positions_for_people(history):
    text = run("positions")
    assert "AAPL         150  95.1235  100.00   15,000.00  15.0 %  +5.1 %  731.48" in text
    assert "cash                                45,005.00  45.0 %" in text
    assert text.rstrip().endswith("trader why AAPL")


def test_a_position_opened_since_the_last_cycle_is_listed_without_a_value(world):
    journal = world.journal()
    journal.decided(record(decision()), [], [], {})
    fact = Fill("e1", "k", "v", "FB", Side.BUY, Decimal(3), Decimal(20), Decimal(0), day(2))
    journal.booked([Booking(fact, None, Holding("FB", Decimal(3), Decimal(20), day(2), Decimal(0)), Decimal(9))], [])
    (held,) = as_json("positions")
    assert (held["quantity"], held["mark"], held["value"], held["weight"]) == ("3", "20", None, None)
    assert held["gain"] is None and "valued by the next one" in run("positions")


def test_a_position_that_was_closed_and_opened_again_is_not_valued_by_a_mark_from_before(history):
    """The mark of the last cycle is older than the entry: what was gained since then nobody knows."""
    fact = Fill("e9", "k", "v", "AAPL", Side.BUY, Decimal(10), Decimal(120), Decimal(0), day(3))
    again = Holding("AAPL", Decimal(10), Decimal(120), day(3), Decimal(0))
    history.journal().booked([Booking(fact, None, again, Decimal(9))], [])
    (held,) = as_json("positions")
    assert (held["mark"], held["gain"], held["unrealized"], held["value"]) == ("100", None, None, None)
    assert "opened since that cycle" in run("positions")


def test_a_contracts_multiplier_counts_in_its_value(world):
    journal = world.journal()
    journal.decided(record(one_symbol(Verdict.IN_BAND, weight=np.array([2.5]))), [], [], {})
    fact = Fill("e1", "k", "v", "AAPL", Side.SELL, Decimal(5), Decimal(11), Decimal(0), day(2))
    short = Holding("AAPL", Decimal(-5), Decimal(11), day(2), Decimal(0))
    journal.booked([Booking(fact, None, short, Decimal(9))], [])
    (held,) = as_json("positions")  # 5 x 10 x 50 = 2.5 x 1000
    assert (held["value"], held["unrealized"], held["weight"]) == ("-2500", "250", -2.5)
    assert held["gain"] == pytest.approx(1 / 11)


def test_a_position_without_a_price_is_not_taken_for_a_new_one(history):
    prices, held = np.array([np.nan, 20.0, 800.0, 200.0, 1.0]), np.array([150.0, 0, 0, 0, 0])
    unseen = decision(3, price=prices, quantity=held, weight=np.array([np.nan, 0, 0, 0, 0]))
    history.journal().decided(record(unseen), [], [], {})
    text = run("positions")
    assert "What has no mark had no price in that cycle." in text
    assert "opened since" not in text


def test_flat_positions_are_not_listed(history):
    fact = Fill("e9", "k", "v", "AAPL", Side.SELL, Decimal(150), Decimal(100), Decimal(0), day(3))
    flat = Holding("AAPL", Decimal(0), Decimal(0), None, Decimal(0))
    history.journal().booked([Booking(fact, None, flat, Decimal(9))], [])
    assert as_json("positions") == []


def test_orders_for_programs(history):
    filled, denied, working = as_json("orders")
    assert filled == {
        "client_order_id": "taaa1", "venue_id": "v1", "book": "main", "cycle": 1, "cycle_id": day(1).isoformat(),
        "symbol": "AAPL", "side": "buy", "quantity": "50", "filled": "50", "type": "market", "limit_price": None,
        "stop_price": None, "time_in_force": "day", "reduce_only": False, "purpose": "rebalance", "mark": "100",
        "state": "filled", "open": False, "reason": "", "decided_at": day(1).isoformat(),
        "updated_at": day(2).isoformat(),
    }  # fmt: skip
    assert (denied["state"], denied["reason"]) == ("denied", "max_order_notional: the order is too large")
    assert (working["state"], working["limit_price"], working["quantity"]) == ("submitting", "801.25", "0.5")


def test_open_orders_and_orders_of_a_symbol(history):
    assert [each["client_order_id"] for each in as_json("orders", "--open")] == ["tccc1"]
    assert [each["client_order_id"] for each in as_json("orders", "--symbol", "fb")] == ["tbbb1"]
    assert "There is no open order in FB." in run("orders", "--open", "--symbol", "FB")


def test_orders_for_people(history):
    text = run("orders")
    assert "taaa1  2013-02-28 21:00  AAPL    buy         50  market            50  filled" in text
    assert "limit 801.25" in text
    assert "denied" in text
    assert "3 orders.   what became of one?   trader why tccc1" in text


def test_people_are_told_how_many_more_there_are_and_programs_get_all(world):
    journal = world.journal()
    for number in range(1, 26):
        asked = request(f"t{number:03}", "AAPL", 1, 1, at=day(number))
        journal.decided(record(decision(number)), [asked], [], {})
    assert len(as_json("orders")) == len(as_json("decisions")) == 25
    assert [each["client_order_id"] for each in as_json("orders", "--last", "2")] == ["t024", "t025"]
    assert [each["number"] for each in as_json("decisions", "--last", "2")] == [24, 25]
    for command, noun in (("orders", "orders"), ("decisions", "cycles")):
        assert f"20 of 25 {noun} (more: --last N)." in run(command)
        assert f"3 of 25 {noun}" in run(command, "--last", "3")
        assert f"25 {noun}." in run(command, "--last", "99")


def test_fills_for_programs_and_people(history):
    first, second = as_json("fills")
    assert first == {
        "execution_id": "e1", "client_order_id": "taaa1", "venue_id": "v1", "book": "main", "symbol": "AAPL",
        "side": "buy", "quantity": "20", "price": "99.90", "fee": "0.50", "fee_currency": "USD",
        "time": day(2).isoformat(),
    }  # fmt: skip
    assert second["execution_id"] == "e2"
    assert as_json("fills", "--last", "1") == [second]
    assert as_json("fills", "--symbol", "IBM") == []
    text = run("fills")
    assert "2013-03-01 21:00  AAPL    buy         20  99.90  0.50 USD  taaa1  e1" in text
    assert "2 fills.   why was it ordered?   trader why taaa1" in text


def test_books_are_shown_apart(history):
    second = history.journal("fx", "P2")
    second.decided(record(decision(book="fx")), [request("tfff1", "AAPL", 1, 1, book="fx", at=day(1))], [], {})
    assert [each["client_order_id"] for each in as_json("orders", "--book", "fx")] == ["tfff1"]
    assert [each["book"] for each in as_json("decisions")] == ["main", "fx", "main"]
    assert "BOOK" in run("orders")
    assert run("positions", "--book", "fx").startswith("book fx, account P2; marks of cycle 1")
    assert [each["book"] for each in as_json("status")["books"]] == ["main", "fx"]
    with pytest.raises(UsageError, match=r"(?s)no book 'gold'.*main, fx"):
        run("orders", "--book", "gold")
    with pytest.raises(UsageError, match=r"(?s)looked at in 2 books.*main, fx"):
        run("why", "AAPL")
    assert "book fx" in run("why", "AAPL", "--book", "fx")
    assert "--book fx" in run("why", "GOOG", "--book", "fx")


def test_what_most_people_want_next_finds_the_book_again(history):
    """Two books look at AAPL: a hint without the book is refused."""
    second = history.journal("fx", "P2")
    second.decided(record(decision(book="fx")), [request("tfff1", "AAPL", 1, 1, book="fx", at=day(1))], [], {})
    hints = [
        run("positions"), run("positions", "--book", "main"), run("decisions", "1"),
        run("why", "AAPL", "--book", "main", "--cycle", "2"), run("why", "tfff1"),
    ]  # fmt: skip
    for text in hints:
        words = text.splitlines()[-1].partition("   trader ")[2].split()
        assert run(*words), text


def test_a_fee_has_its_currency_and_no_two_are_added(history):
    """0.00005 BTC is neither nothing nor dollars."""
    journal = history.journal()
    journal.moved([Move("tccc1", OrderState.WORKING, Cause.ACK, day(2), venue_id="v2")])
    for number, (fee, currency) in enumerate((("0.00005", "BTC"), ("0.1", "USDT"), ("0.2", "USDT")), 7):
        fact = Fill(
            f"e{number}", "tccc1", "v2", "GOOG", Side.SELL, Decimal(1), Decimal(800), Decimal(fee), day(3), currency
        )
        held = Holding("GOOG", Decimal(1), Decimal(800), day(3), Decimal(0))
        journal.booked([Booking(fact, "tccc1", held, Decimal(45_000))], [])
    text = run("fills")
    assert "0.00005 BTC" in text and "0.10 USDT" in text
    assert "fee 0.00005 BTC, slippage" in run("why", "tccc1")
    assert "fee 0.00005 BTC + 0.30 USDT," in run("why", "GOOG", "--cycle", "2")


def test_fills_of_older_epochs_are_told_apart_and_lead_to_no_order_that_nobody_finds(history):
    other = history.journal("fx", "P2")
    fact = Fill("x1", "k", "v", "EUR", Side.BUY, Decimal(5), Decimal(1), Decimal(0), day(3))
    other.booked([Booking(fact, None, Holding("EUR", Decimal(5), Decimal(1), day(3), Decimal(0)), Decimal(1))], [])
    open_epoch(history.store, b"another", "cold")
    assert "3 fills.   see: trader orders" in run("fills"), "no book has opened yet"
    history.journal()
    text = run("fills")
    assert "BOOK" in text and "fx " in text, "books of an older epoch are books too"
    assert "trader why" not in text
    assert [each["execution_id"] for each in as_json("fills", "--book", "fx")] == ["x1"]
    with pytest.raises(UsageError, match="no book 'gold'"):
        run("fills", "--book", "gold")
    with pytest.raises(UsageError, match=r"Order 'taaa1' was sent before the last cold start.*(?s:.)*trader fills"):
        run("why", "taaa1")
    with pytest.raises(UsageError, match="no symbol and no order"):
        run("why", "taaa2")


# ---- status --------------------------------------------------------------------------------------------------------
def test_status_of_a_session_that_runs(history):
    with history.store.lock():
        told = as_json("status")
        assert told["running"] is True
        assert told["session"]["state"] == "running"
        assert "session  runs: s1 (paper), started 2015-08-16 21:00 UTC, process" in run("status")
    assert told["books"] == [
        {
            "book": "main", "venue": "paper", "account": "P1", "cycles": 2, "last_cycle": day(2).isoformat(),
            "at": day(2).isoformat(), "cash": "45005", "equity": "100000.0", "peak_equity": "100000.0",
            "drawdown": 0.0, "positions": 1, "open_orders": 1, "faults": [], "notes": ["a note"],
        }
    ]  # fmt: skip


def test_status_of_a_session_that_died_and_of_one_that_stopped(history):
    assert as_json("status")["session"]["state"] == "died"
    assert "died without a word" in run("status")
    stop_session(history.store, "s1", "end of data")
    told = as_json("status")
    assert (told["running"], told["session"]["state"], told["session"]["exit_reason"]) == (
        False,
        "stopped",
        "end of data",
    )
    text = run("status")
    assert "none runs; s1 (paper) ended 2015-08-16 21:00 UTC: end of data" in text
    assert text.rstrip().endswith("trader run --fresh")


def test_looking_does_not_take_the_lock_from_a_session_that_starts(history):
    as_json("status")
    history.store.lock().release()  # Refused, if status had kept it


def test_status_shows_halts_and_faults(history):
    blocks.block(history.store, "main/AAPL", "halt", "by hand")
    broken = decision(3, faults=[Fault("trend", "score", IndexError("row 14"), "held")])
    history.journal().decided(record(broken), [], [], {})
    since = day(900)
    assert as_json("status")["blocks"] == [
        {"scope": "main/AAPL", "level": "halt", "reason": "by hand", "since": since.isoformat()}
    ]
    text = run("status")
    assert f"halted   main/AAPL since {since:%Y-%m-%d %H:%M} UTC: by hand" in text
    assert "trend.score: IndexError: row 14" in text


# ---- decisions -----------------------------------------------------------------------------------------------------
def test_the_diary_counts_what_each_cycle_did(history):
    first, second = as_json("decisions")
    assert first == {
        "book": "main", "number": 1, "cycle_id": day(1).isoformat(), "at": day(1).isoformat(), "equity": "100000.0",
        "cash": "50000.0", "orders": 1, "refusals": 1, "cancels": 0, "faults": 0, "notes": [],
    }  # fmt: skip
    assert second["notes"] == ["a note"]
    text = run("decisions")
    assert "    1  2013-02-28 21:00  100,000.00  50,000.00       1        1       -" in text
    assert "2 cycles.   one of them whole:   trader decisions 2" in text


@pytest.mark.parametrize("which", ["1", "2013-02-28T21:00:00+00:00", "2013-02-28"])
def test_one_decision_whole_by_number_id_and_day(history, which):
    text = run("decisions", which)
    assert "2013-02-28 21:00 UTC cycle 1, book main: equity 100,000.00, cash 50,000.00" in text
    assert "saw 4, kept 3, dropped 1" in text
    assert "max_position_weight shrank targets" in text
    assert "MSFT         -     -       -      -       -  not listed yet: no bar so far" in text
    assert "max_order_notional 35,000 of 20,000" in text
    assert text.rstrip().endswith("trader why AAPL --cycle 1")


def test_one_decision_for_programs(history):
    told = as_json("decisions", "1")
    assert told["decision"] == json.loads(json.dumps(told["decision"]))
    assert told["at"] == told["decision"]["at"] == "2013-02-28T21:00:00+00:00"
    assert told["decision"]["denied"][0]["refusal"]["value"] == 35000
    assert [each["client_order_id"] for each in told["orders"]] == ["taaa1", "tbbb1"]


def test_a_cycle_that_is_not_there(history):
    with pytest.raises(UsageError, match=r"(?s)no cycle 9\..*1 to 2"):
        run("decisions", "9")
    with pytest.raises(UsageError, match="2 cycles begin with 2013"):
        run("decisions", "2013")
    with pytest.raises(UsageError, match="no cycle 2012"):
        run("why", "AAPL", "--cycle", "2012")


def test_a_decision_with_all_that_can_happen(world):
    exits = [
        ExitRecord("AAPL", 0, "stop", "application.exits", 0.5, None),
        ExitRecord("AAPL", 0, "guard", "trend", 1.0, 9.5),
    ]
    made = one_symbol(
        Verdict.EXITED, exits=exits, cancels=[OrderRef("told", "told", "AAPL")], trimmed=[("AAPL", 9.0, 4.0)],
        faults=[Fault("trend", "exits", ValueError("no"), "left out")], notes=["all quiet"],
    )  # fmt: skip
    world.journal().decided(record(made), [], [], {})
    for text in (run("decisions", "3"), run("why", "AAPL")):
        for words in ("50.0 %", "9.5", "told", "4 of 9", "trend.exits failed: ValueError: no; left out", "all quiet"):
            assert words in text


# ---- why -----------------------------------------------------------------------------------------------------------
def test_why_a_symbol_was_bought_with_the_numbers_of_every_stage(history):
    assert run("why", "AAPL", "--cycle", "1").splitlines() == [
        "2013-02-28 21:00 cycle 1, book main, AAPL: bought 50 (100 -> 150), weight 10.0 %, target 15.0 %",
        "  coverage         listed, fresh and tradable, mark 100.00; held 100, 10.0 % of equity",
        "  trend            score 0.62 (fast 783.2), confidence 1.00, kept (threshold 0.15)",
        "  allocator        equal: target 15.0 %",
        "  portfolio rules  none shrank it",
        "  balancer         threshold: drift +5.0 % of equity: trade",
        "  planner          buy 50, market, mark 100.00",
        "  order rules      none refused it",
        "  order            taaa1 filled 50 at 99.90 (2013-03-01 21:00), fee 1.00 USD, slippage -0.10",
        "what became of the order?   trader why taaa1",
    ]


def test_why_an_order_was_refused_with_limit_and_value(history):
    text = run("why", "FB", "--cycle", "1")
    assert "FB: buy 1,750 refused by max_order_notional\n" in text
    assert "max_position_weight shrank it 50.0 % -> 35.0 %" in text
    numbers = "max_order_notional refused buy 1,750, the order is too large: 35,000, limit 20,000"
    assert numbers in " ".join(text.split())
    told = as_json("why", "FB", "--cycle", "1")
    assert told["stopped_by"] == "order rules"
    assert told["refusals"] == [
        {"client_order_id": "tbbb1", "side": "buy", "quantity": "1750", "rule": "max_order_notional",
         "reason": "the order is too large", "value": 35000.0, "limit": 20000.0}
    ]  # fmt: skip


def test_why_a_symbol_was_dropped_kept_or_never_looked_at(history):
    dropped = run("why", "IBM", "--cycle", "1")
    assert "score 0.05 (fast 5), confidence 1.00, dropped: below the threshold 0.15, be flat" in dropped
    assert "at its target, no trade" in dropped
    banded = run("why", "GOOG", "--cycle", "1")
    assert "drift +0.1 % of equity, inside the band: no trade" in banded
    assert "It was not traded before." in banded
    unlisted = run("why", "MSFT", "--cycle", "1")
    assert "coverage  not listed yet: no bar so far; none held" in unlisted
    assert "trend" not in unlisted


def test_why_without_a_trade_names_the_last_one(history):
    text = run("why", "aapl")
    assert "cycle 2, book main, AAPL: inside the drift band: no trade" in text
    assert "last traded in cycle 1, 2013-02-28 21:00: bought 50 (100 -> 150)" in text
    assert text.rstrip().endswith("trader why AAPL --cycle 1")
    told = as_json("why", "AAPL")
    assert told["orders"] == []
    assert told["last_traded"] == {
        "cycle": 1, "cycle_id": day(1).isoformat(), "at": day(1).isoformat(), "client_order_ids": ["taaa1"]
    }  # fmt: skip


def test_why_for_programs_has_every_stage(history):
    told = as_json("why", "AAPL", "--cycle", "1")
    assert told["stages"] == [
        {"name": "trend", "score": 0.62, "confidence": 1.0, "threshold": 0.15, "outcome": "kept", "weights": False,
         "why": {"fast": 783.2}}
    ]  # fmt: skip
    assert (told["mark"], told["quantity"], told["weight"], told["target"]) == ("100", "100", 0.1, 0.15)
    assert told["drift"] == pytest.approx(0.05)
    assert told["stopped_by"] is None
    (order,) = told["orders"]
    assert (order["state"], [each["execution_id"] for each in order["fills"]]) == ("filled", ["e1", "e2"])
    assert as_json("why", "FB", "--cycle", "1")["portfolio_rules"] == [
        {"rule": "max_position_weight", "from": 0.5, "to": 0.35}
    ]


def test_every_verdict_names_its_stage_and_says_its_words(world):
    journal = world.journal()
    without_target = (Verdict.NO_OPINION, Verdict.FAULT, Verdict.EXITED, Verdict.NOT_LISTED)
    for verdict in Verdict:
        half = np.array([np.nan if verdict in without_target else 0.5])
        made = one_symbol(verdict, score=half, target=half)
        made.number, made.cycle_id = verdict + 1, f"c{verdict + 1}"
        journal.decided(record(made), [], [], {})
    stages = {"coverage", "exits", "pipeline", "fault", "balancer", "planner", "order rules"}
    for verdict in set(Verdict) - {Verdict.ORDERED}:
        assert TEXT[verdict] in run("why", "AAPL", "--cycle", f"{verdict + 1}")
        assert as_json("why", "AAPL", "--cycle", f"{verdict + 1}")["stopped_by"] in stages


def test_why_with_several_stages_shows_their_shares_and_the_last_ones_weights(world):
    def stage(name, score, stopped=0, **rest):
        return StageRecord(
            name, 0.1, np.arange(1), np.array([score]), np.array([0.5]), np.array([stopped], np.int8), {}, **rest
        )

    made = one_symbol(Verdict.IN_BAND, stages=[stage("trend", 0.6), stage("dip", 0.2)], score=np.array([0.4]))
    journal = world.journal()
    journal.decided(record(made), [], [], {})
    assert "combined   score 0.40 (trend 75.0 %, dip 25.0 %)" in run("why", "AAPL")
    made = one_symbol(
        Verdict.NO_CHANGE, stages=[stage("trend", np.nan, 2), stage("own", -0.2, 3, weights=True)],
        score=np.zeros(1), target=np.zeros(1),
    )  # fmt: skip
    made.number, made.cycle_id = 4, "4"
    journal.decided(record(made), [], [], {})
    text = run("why", "AAPL")
    assert "no opinion: what is held is kept" in text
    assert "target weight -20.0 %: short is not allowed, be flat" in text
    assert "not asked, the last stage gave weights: flat" in text


def test_what_a_person_traded_is_the_last_trade_too(history):
    """The cycle that bought it is not why it is gone."""
    journal, at = history.journal(), day(2) + timedelta(hours=1)
    sold = request("tddd1", "AAPL", "150", "100", side=Side.SELL, at=at, purpose=Purpose.MANUAL)
    diary = CycleRecord("main", f"by hand {at.isoformat()}", 0, at, Decimal(100_000), Decimal(45_005), b"{}")
    journal.decided(diary, [sold], [], {})
    fact = Fill("e9", "tddd1", "v9", "AAPL", Side.SELL, Decimal(150), Decimal(101), Decimal(0), at)
    flat = Holding("AAPL", Decimal(0), Decimal(0), None, Decimal(0))
    move = Move("tddd1", OrderState.FILLED, Cause.FILL, at, filled=Decimal(150))
    journal.booked([Booking(fact, "tddd1", flat, Decimal(60_155))], [move])
    journal.decided(
        record(decision(3, quantity=np.zeros(5), verdict=np.full(5, Verdict.NO_CHANGE, np.int8))), [], [], {}
    )
    text = run("why", "AAPL")
    assert "last traded by a person, 2013-03-01 22:00: sold 150\n" in text
    assert text.rstrip().endswith("trader why tddd1")
    assert as_json("why", "AAPL")["last_traded"] == {
        "cycle": 0, "cycle_id": f"by hand {at.isoformat()}", "at": at.isoformat(), "client_order_ids": ["tddd1"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "words", [["why", "caf\udce9"], ["why", "AAPL", "--cycle", "caf\udce9"], ["decisions", "caf\udce9"]]
)
def test_a_word_that_is_no_text_is_not_found(history, words):
    """A terminal of another encoding; the database takes no such bytes."""
    with pytest.raises(UsageError, match=r"no symbol and no order|has no cycle"):
        run(*words)


def test_the_life_of_an_order(history):
    lines = run("why", "taaa").splitlines()
    assert lines[:6] == [
        "order taaa1, book main: buy 50 AAPL, market: filled",
        "  2013-02-28 21:00:00  decided  in cycle 1 to rebalance, mark 100.00, day",
        "  2013-02-28 21:00:00  working  the venue took it as v1",
        "  2013-03-01 21:00:00  fill     20 at 99.90, fee 0.50 USD, slippage -0.10 (-0.10 %), execution e1",
        "  2013-03-01 21:00:00  working  by its fills, 20 filled",
        "  2013-03-01 21:00:00  fill     30 at 99.90, fee 0.50 USD, slippage -0.10 (-0.10 %), execution e2",
    ]
    assert "AAPL: bought 50 (100 -> 150)" in "\n".join(lines)
    told = as_json("why", "taaa")
    assert [each["kind"] for each in told["events"]] == ["moved", "fill", "moved", "fill", "moved"]
    assert told["events"][0]["at"] == day(1).isoformat()
    assert told["why"]["symbol"] == "AAPL"
    assert told["fills"][1]["quantity"] == "30"


def test_the_life_of_an_order_that_was_denied_or_did_not_do_well(history):
    assert "denied   max_order_notional: the order is too large" in run("why", "tbbb1")
    journal = history.journal()
    journal.moved([Move("tccc1", OrderState.UNKNOWN, Cause.SILENCE, day(3), reason="timed out")])
    journal.moved([Move("tccc1", OrderState.ABSENT, Cause.HORIZON, day(4))])
    text = run("why", "tccc1")
    assert "unknown  no answer: it may or may not have arrived: timed out" in text
    assert "absent   the venue has not shown it" in text
    assert "GOOG: sell 0.5: absent" in text


def test_an_unknown_word_lists_what_is_near(history):
    with pytest.raises(
        UsageError, match=r"(?s)no symbol and no order 'APL'\. Did you mean AAPL.*AAPL, FB, GOOG, IBM, MSFT"
    ) as caught:
        run("why", "APL")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match="an order has its own cycle"):
        run("why", "taaa1", "--cycle", "1")


def test_a_venues_words_cannot_play_with_the_terminal(history):
    history.journal().moved([Move("tccc1", OrderState.REJECTED, Cause.REJECT, day(3), reason="no\x1b[2J\nreally")])
    for command in (("orders",), ("why", "tccc1"), ("decisions", "2")):
        text = run(*command)
        assert "\x1b" not in text
        assert "no?[2J really" in text


# ---- release -------------------------------------------------------------------------------------------------------
def test_release_where_no_session_runs_is_refused_and_stores_nothing(folder):
    with pytest.raises(Refused, match="No session runs here") as caught:
        run("release")
    assert caught.value.exit_code == 6
    assert not (folder / "var").exists()


def test_release_after_a_session_died_is_refused_and_stores_nothing(history):
    with pytest.raises(Refused, match="No session runs here"):
        run("release")
    assert commands.waiting(history.store) == []


def answering(history, text, *, refused=False):
    """A session's part: answer the first command that comes."""

    def obey():
        store = open_store(history.store.path)
        for _ in range(500):
            for command in commands.waiting(store):
                assert command.kind == "release"
                commands.answer(store, command.id, text, refused=refused)
                store.close()
                return
            SystemClock().sleep(0.01)

    thread = threading.Thread(target=obey)
    thread.start()
    return thread


def test_release_waits_for_the_sessions_answer(history):
    with history.store.lock():
        session = answering(history, "released")
        assert "The session answered: released." in run("release")
        session.join()
        session = answering(history, "nothing was held")
        told = as_json("release")
        session.join()
    assert (told["state"], told["answer"]) == ("done", "nothing was held")


def test_release_that_a_session_refuses_or_does_not_answer(history):
    with history.store.lock():
        session = answering(history, "not now", refused=True)
        with pytest.raises(Refused, match="not now"):
            run("release")
        session.join()
        with pytest.raises(Unreachable, match=r"did not answer within 0\.2 s"):
            run("release", "--timeout", "0.2")
    assert commands.waiting(history.store) == [], "nobody obeys it an hour later"


# ---- numbers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"),
        ("27.45083682", "27.4508"),
        ("806.19", "806.19"),
        ("0.00001234", "0.00001234"),
        ("-1234567.891", "-1,234,567.89"),
    ],
)
def test_prices_have_two_places_or_six_digits(value, text):
    assert output.price(Decimal(value)) == text


@pytest.mark.parametrize("share", [-0.0, -0.0004, Decimal("-0.0004")])
def test_a_share_that_rounds_to_nothing_has_no_sign(share):
    assert output.percent(share) == "0.0 %"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=8))
def test_a_quantity_loses_nothing(value):
    assert Decimal(output.quantity(value).replace(",", "")) == value
    assert "E" not in output.quantity(value)


@given(
    st.lists(
        st.tuples(st.text(max_size=80), st.text(max_size=80), st.text(alphabet="0123456789", max_size=12)), max_size=5
    )
)
def test_a_table_fits_a_hundred_columns_and_never_cuts_a_number(rows):
    lines = output.table(("ONE", "TWO", ">NUMBER"), rows).split("\n")
    assert len(lines) == len(rows) + 1
    for line, row in zip(lines[1:], rows, strict=True):
        assert len(line) <= output.WIDTH
        assert line.endswith(row[2])


# ---- after a real run ----------------------------------------------------------------------------------------------
def test_after_a_run_the_reading_commands_agree_with_its_summary(folder):
    for module in ("trader_broker_paper", "trader_data_sample", "trader_strategy_trend_following"):
        pytest.importorskip(module)
    summary = as_json("run", "--cycles", "150")
    positions, orders, fills, decisions = (as_json(command) for command in READING[1:])
    assert summary["fills"] > 0
    assert (len(decisions), len(fills)) == (summary["cycles"], summary["fills"])
    assert (len(orders), sum(each["state"] == "denied" for each in orders)) == (summary["orders"], summary["refusals"])
    lines = {each["symbol"]: {name: each[name] for name in ("quantity", "value", "weight")} for each in positions}
    assert {
        symbol: {name: line[name] for name in ("quantity", "value", "weight")}
        for symbol, line in summary["positions"].items()
    } == lines
    (book,) = as_json("status")["books"]
    assert (book["cash"], book["equity"]) == (summary["cash"], summary["equity"])
    for each in {fill["client_order_id"]: fill for fill in fills}.values():
        told = as_json("why", each["client_order_id"])
        assert told["state"] == "filled"
        assert each["symbol"] in run("why", each["symbol"], "--cycle", str(told["cycle"]))
