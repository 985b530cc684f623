"""stop, release, pause, cancel, close, reconcile, status: with a session that answers as it is told."""

import json
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from trader.cli import main, trader
from trader.cli.asking import withdrawn
from trader.cli.screen import Screen
from trader.clock import SystemClock
from trader.errors import Refused, StoreError, Unreachable, UsageError
from trader.model import OrderState
from trader.safety.stop import Trip, write_stop
from trader.session.session import Session
from trader.store import DATABASE, blocks, commands, reading
from trader.store.database import open_store
from trader.store.runs import stop_session

NOW = datetime(2024, 1, 2, tzinfo=UTC)
WISHES = {
    "release": (["release"], "release", {"scope": ""}),
    "release one": (["release", "momentum"], "release", {"scope": "momentum"}),
    "pause": (["pause", "main"], "pause", {"scope": "main"}),
    "cancel": (["cancel", "tabc"], "cancel", {"order": "tabc"}),
    "close": (["close", "AAPL"], "close", {"symbol": "AAPL", "book": None}),
    "close in a book": (["close", "AAPL", "--book", "fx"], "close", {"symbol": "AAPL", "book": "fx"}),
    "reconcile": (["reconcile"], "reconcile", {"book": None, "adopt": None}),
    "adopt": (["reconcile", "--book", "fx", "--adopt", "AAPL"], "reconcile", {"book": "fx", "adopt": "AAPL"}),
}


# ---- a wish and its answer -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("words", "kind", "args"), WISHES.values(), ids=WISHES)
def test_a_wish_reaches_the_session_and_its_answer_is_shown(desk, words, kind, args):
    with desk.session(lambda _: "it is\ndone\x1b.") as asked:
        text = desk.run(*words)
        told = desk.json(*words)
    assert "The session answered: it is done?.   see: trader " in text
    assert (told["state"], told["answer"]) == ("done", "it is\ndone\x1b.")
    assert [(each.kind, each.args) for each in asked] == [(kind, args)] * 2
    assert asked[0].requested_by


@pytest.mark.parametrize(("words", "kind", "args"), WISHES.values(), ids=WISHES)
def test_without_a_session_a_wish_is_refused_and_says_how_to_start_one(desk, bare, words, kind, args):
    with pytest.raises(Refused, match=r"(?s)No session runs here: .*trader run --hold") as caught:
        desk.run(*words)
    assert caught.value.exit_code == 6
    assert desk.waiting() == []


def test_where_nothing_ever_ran_a_wish_leaves_nothing_behind(bare):
    with pytest.raises(Refused, match="No session runs here"):
        bare.run("pause", "main")
    assert not bare.state.exists()


@pytest.mark.parametrize(
    "words",
    [["rearm", "", "--reason", "x"], ["cancel", ""], ["release", ""], ["reconcile", "--adopt", " "],
     ["reconcile", "--book", ""],
     ["orders", "--symbol", ""], ["fills", "--symbol", ""], ["why", "AAPL", "--cycle", ""]],
    ids=" ".join,
)  # fmt: skip
def test_an_empty_word_is_not_taken_for_everything(desk, words):
    """A script's variable that is not set: what is halted or held stays so, and no order is cancelled for it."""
    blocks.block(desk.store, "*", "halt", "fire")
    with desk.session(lambda _: "done") as asked, pytest.raises(UsageError, match="is empty"):
        desk.run(*words)
    assert asked == [] and len(blocks.standing(desk.store)) == 1


def test_a_wish_that_is_no_text_reaches_the_session(desk):
    with desk.session(lambda _: "done") as asked:
        desk.run("cancel", "caf\udce9")
    assert asked[0].args == {"order": "caf?"}


def test_a_wish_that_the_session_refuses_is_told_as_a_sentence(desk):
    with desk.session(lambda _: "no: there is no book 'min'"), pytest.raises(Refused, match="no book 'min'") as caught:
        desk.run("pause", "min")
    assert caught.value.exit_code == 6


def test_a_wish_that_nobody_answers_in_time_is_withdrawn_and_told(desk):
    with desk.session(), pytest.raises(Unreachable, match=r"did not answer within 0\.2 s.*withdrawn") as caught:
        desk.run("close", "AAPL", "--timeout", "0.2")
    assert caught.value.exit_code == 7
    assert desk.waiting() == []


def test_an_answer_in_the_moment_of_the_withdrawal_counts(desk):
    number = commands.ask(desk.store, "release", {}, by="kim")
    late = commands.look(desk.store, number)
    commands.answer(desk.store, number, "released")
    assert withdrawn(desk.store, late).answer == "released"


@pytest.mark.parametrize("words", [["close", "AAPL"], ["rearm", "--reason", "x"]])
def test_a_wish_that_cannot_be_withdrawn_is_not_said_to_be(desk, monkeypatch, words):
    """A disk that is full, a database that somebody locks: a session may obey it an hour later."""

    def fails(*_args, **_options):
        raise StoreError("The disk is full.", where="var/trader.db")

    monkeypatch.setattr(commands, "answer", fails)
    with desk.session(), pytest.raises(StoreError, match=r"could not be withdrawn: The disk is full\.") as caught:
        desk.run(*words, "--timeout", "0.2")
    assert "may obey it later" in str(caught.value) and len(desk.waiting()) == 1


def test_close_knows_a_held_symbol_in_any_case(desk):
    desk.holding("AAPL", 3)
    with desk.session(lambda _: "done") as asked:
        desk.run("close", "aapl")
        desk.run("close", "ibm")
    assert [each.args["symbol"] for each in asked] == ["AAPL", "ibm"]


# ---- stop ----------------------------------------------------------------------------------------------------------
def test_stop_where_nothing_runs_says_so_and_is_done(bare, desk):
    assert "No session runs here: there is nothing to stop." in desk.run("stop")
    assert desk.json("stop")["stopped"] is False


def test_stop_where_nothing_ever_ran_makes_nothing(bare):
    assert "there is nothing to stop" in bare.run("stop")
    assert not bare.state.exists()


def test_a_stop_that_is_refused_is_not_waited_for_and_not_said_to_be_stored(desk):
    """A session that starts refuses what was asked before it listens; it goes on, and nothing is kept for it."""
    with desk.session(lambda _: "no: the session that was asked has ended: ask again"):
        with pytest.raises(Refused, match=r"refused: .*ask again"):
            desk.run("stop", "--timeout", "3")
        assert desk.waiting() == []


def ending(desk, seconds=0.2):
    """Obey a stop: answer at once, end a little later."""
    lock, ended = desk.store.lock(), []

    def obey(command):
        def end():
            SystemClock().sleep(seconds)
            store = open_store(desk.store.path)
            stop_session(store, "s1", "trader stop")
            store.close()
            lock.release()

        ended.append(threading.Thread(target=end))
        ended[0].start()
        return "stopping after the present step"

    return obey, ended


def test_stop_waits_until_the_session_has_ended_and_says_what_it_left(desk):
    desk.order("t1")
    desk.holding("AAPL", 3)
    desk.holding("IBM", 3)
    obey, ended = ending(desk)
    with desk.session(obey, lock=False):
        text = desk.run("stop")
    assert not ended[0].is_alive()
    assert "The session ended (trader stop) after 0." in text
    assert "Left at the venue: 1 open order, 2 positions." in text


def test_stop_for_programs(desk):
    obey, _ = ending(desk)
    with desk.session(obey, lock=False):
        told = desk.json("stop")
    assert told.pop("seconds") > 0.1
    assert told == {
        "stopped": True, "session": "s1", "exit_reason": "trader stop", "open_orders": 0, "positions": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("answer", "words"), [(None, "did not answer"), ("stopping", "has not ended")])
def test_stop_of_a_session_that_does_not_end_says_what_else_there_is(desk, answer, words):
    with desk.session(lambda _: answer), pytest.raises(Unreachable, match=f"(?s){words} within.*trader kill") as caught:
        desk.run("stop", "--timeout", "0.3")
    assert caught.value.exit_code == 7
    assert len(desk.waiting()) == (answer is None), "it obeys a stop when it can"


def test_a_session_that_ends_before_it_is_asked_leaves_no_stop_for_the_next_one(desk):
    lock = desk.store.lock()
    ender = threading.Timer(0.2, lock.release)
    ender.start()
    text = desk.run("stop", "--timeout", "5")
    ender.join()
    assert "The session ended without a word after" in text
    assert desk.waiting() == []


# ---- reconcile -----------------------------------------------------------------------------------------------------
DAY = "2026-11-21"
FOUND = {
    "main": {
        "fills": 2,
        "orders": [{"client_id": "tabcdefghijklmnop", "symbol": "AAPL", "was": "unknown", "is": "working"}],
        "differences": [
            {"what": "position", "symbol": "IBM", "expected": "10", "found": "12.5", "since": f"{DAY}T10:02:11+00:00"},
            {"what": "cash", "symbol": None, "expected": "1000.00", "found": "900.00", "since": None},
        ],
        "unresolved": ["tzzzzzzzzzzzz"],
        "blocked": [{"scope": "main/IBM", "level": "reduce", "reason": "position", "since": f"{DAY}T10:03:00+00:00"}],
        "unavailable": [],
    },
    "fx": {"fills": 0, "orders": [], "differences": [], "unresolved": [], "blocked": [], "unavailable": []},
}  # fmt: skip


def test_reconcile_shows_the_differences_as_a_table(desk):
    with desk.session(lambda _: json.dumps(FOUND)):
        lines = desk.run("reconcile").splitlines()
    assert lines == [
        "book main: 2 differences between journal and venue",
        "  booked now     2 fills that the journal lacked",
        "  order          tabcdefghi AAPL was unknown, is working",
        "  not known yet  1 order may or may not be at the venue: tzzzzzzzzz",
        "  blocked        main/IBM (reduce) since 2026-11-21 10:03: position",
        "WHAT      SYMBOL  EXPECTED   FOUND  SINCE (UTC)",
        "position  IBM           10    12.5  2026-11-21 10:02",
        "cash      -        1000.00  900.00  -",
        "book fx: journal and venue agree",
        "see where it comes from: trader fills; take the venue's word: trader reconcile --adopt SYMBOL",
    ]


def test_reconcile_for_programs_is_the_sessions_answer(desk):
    with desk.session(lambda _: json.dumps(FOUND)):
        assert desk.json("reconcile") == FOUND


def test_reconcile_with_a_venue_that_did_not_answer_ends_with_7(desk):
    silent = {"main": FOUND["fx"] | {"unavailable": ["fills: timed out"]}}
    with desk.session(lambda _: json.dumps(silent)):
        text = desk.run("reconcile", code=7)
        desk.json("reconcile", code=7)
    assert "no answer  fills: timed out" in text
    assert "agree" not in text


# ---- status --------------------------------------------------------------------------------------------------------
def test_status_shows_pauses_and_reductions_apart_from_halts(desk):
    blocks.block(desk.store, "main/AAPL", "reduce", "positions differ")
    blocks.block(desk.store, "main:momentum", "pause", "by hand")
    text = desk.run("status")
    assert "reduce only  main/AAPL since 2" in text
    assert "paused       main:momentum since 2" in text
    assert [each["level"] for each in desk.json("status")["blocks"]] == ["reduce", "pause"]


def test_status_shows_the_kill_switch_of_the_file_before_anything_ran(bare):
    write_stop(bare.state, Trip("smoke", "kim", None))
    text = bare.run("status")
    assert "HALTED  everything, by the kill switch: smoke (kim)" in text
    assert text.rstrip().endswith('trader rearm --reason "..."')
    assert bare.json("status")["kill_switch"] == {
        "reason": "smoke", "by": "kim", "since": None, "file": True, "stored": False,
    }  # fmt: skip


def test_status_shows_the_kill_switch_of_the_database_where_the_file_was_lost(desk):
    blocks.block(desk.store, "*", "halt", "daily loss")
    text = desk.run("status")
    assert "by the kill switch since 2" in text
    assert "daily loss; the file STOP is not there, the database has it" in " ".join(text.split())
    assert desk.json("status")["kill_switch"]["stored"] is True


def test_status_of_a_session_that_is_held_says_how_to_let_it_trade(desk):
    blocks.block(desk.store, "session", "pause", "--hold")
    with desk.session():
        text, told = desk.run("status"), desk.json("status")
    assert "runs and is held, it decides nothing: s1 (paper)" in text
    assert text.rstrip().endswith("trader release")
    assert told["held"] is True
    assert desk.json("status")["held"] is False, "nothing runs, so nothing is held"


def test_status_says_that_a_session_is_on_its_way_before_it_has_a_row(desk):
    """It has the lock, and asks its broker for minutes: nobody is told that none runs, and to start another."""
    stop_session(desk.store, "s1", "trader stop")
    assert desk.json("status")["starts_or_ends"] is None
    with desk.session():
        text, told = desk.run("status"), desk.json("status")
    assert "one starts or ends: process" in text and "none runs" not in text
    assert "newest   s1 (paper) ended" in text
    assert text.rstrip().endswith("look again:   trader status")
    assert told["starts_or_ends"].startswith("process")
    assert (told["running"], told["session"]["state"]) == (False, "stopped")


def test_status_of_a_first_start_does_not_say_that_nothing_runs(bare):
    with open_store(bare.state / DATABASE).lock():
        text = bare.run("status")
    assert "one starts or ends: process" in text
    assert "Nothing has run here yet" not in text


def test_a_session_that_ends_while_status_looks_has_not_died(desk, monkeypatch):
    lock, sessions = desk.store.lock(), reading.sessions

    def ending(store):
        rows = sessions(store)
        stop_session(desk.store, "s1", "trader stop")
        lock.release()
        return rows

    monkeypatch.setattr(reading, "sessions", ending)
    assert desk.json("status")["session"]["state"] == "running"


def test_orders_shows_what_is_unknown_and_what_is_proven_absent(desk):
    desk.order("t1", state=OrderState.UNKNOWN)
    desk.order("t2", state=OrderState.ABSENT)
    assert [each["state"] for each in desk.json("orders")] == ["unknown", "absent"]
    assert [each["client_order_id"] for each in desk.json("orders", "--open")] == ["t1"]


# ---- run -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("words", [["--adopt"], ["--cancel-open"], ["--acknowledge-kill", "mended"]])
def test_how_a_cold_start_meets_the_account_needs_a_cold_start(bare, words):
    with pytest.raises(UsageError, match=f"(?s){words[0]} .*trader run --cold-start {words[0]}") as caught:
        bare.run("run", *words)
    assert caught.value.exit_code == 2


def test_an_acknowledgement_without_a_reason_is_refused(bare):
    with pytest.raises(UsageError, match="--acknowledge-kill is empty"):
        bare.run("run", "--cold-start", "--acknowledge-kill", " ")


@pytest.mark.parametrize("words", [["close", "AAPL"], ["rearm", "--reason", "x"], ["stop"]])
def test_a_wish_that_nobody_waits_for_any_more_is_withdrawn_unless_it_is_a_stop(desk, monkeypatch, words):
    def interrupted(_clock, _seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(SystemClock, "sleep", interrupted)
    with desk.session():
        said = desk.run(*words, code=1)
    assert [kind for kind, _ in desk.waiting()] == (["stop"] if words == ["stop"] else [])
    assert ("The request is stored" in said) is (words == ["stop"])


def test_who_waits_for_an_end_no_longer_is_not_told_that_it_stopped(desk, monkeypatch, capsys):
    def interrupted(_clock, _seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(SystemClock, "sleep", interrupted)
    with desk.session(), pytest.raises(SystemExit) as ended:
        main(["stop"])
    assert ended.value.code == 130
    told = capsys.readouterr()
    assert "Interrupted." in told.err and "topped" not in told.err + told.out


def test_a_terminal_that_is_gone_ends_no_session(monkeypatch):
    def gone(*_args, **_options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("trader.cli.screen.click.echo", gone)
    decision = SimpleNamespace(number=1, quantity=np.zeros(1), at=NOW, equity=Decimal(1))
    with Screen(None, out=None, live=True) as screen:
        screen.step(SimpleNamespace(rows=1), SimpleNamespace(decision=decision))


def test_a_run_under_the_kill_switch_says_what_it_waits_for(bare, capsys):
    """On recorded data it stands still; without a word it looks as if it hung."""
    write_stop(bare.state, Trip("fire\x1b in the " + "engine " * 30, "anna", NOW))
    with Session(bare.folder / "settings.toml") as session:
        session.start()
        Screen(session, out=sys.stdout, live=False).banner()
    told = capsys.readouterr().out
    assert "halted    no order passes" in told and "trader rearm --reason" in told and "fire? in the engine" in told
    assert max(map(len, told.splitlines())) <= 100


def test_a_plugin_that_prints_spoils_no_answer_for_programs(bare, monkeypatch):
    paper = pytest.importorskip("trader_broker_paper.broker").PaperBroker

    def loud(broker, real=paper.open):
        print("connected!")  # noqa: T201 - what is tested
        return real(broker)

    monkeypatch.setattr(paper, "open", loud)
    for words in (["run", "--once", "--json"], ["kill", "--json"]):
        done = CliRunner().invoke(trader, words, catch_exceptions=False)
        assert done.exit_code == 0 and isinstance(json.loads(done.stdout), dict) and "connected!" in done.stderr


def test_a_run_that_nobody_reads_trades_all_the_same(bare):
    assert bare.unread("run", "--once") == (0, "")
    assert bare.json("status")["books"][0]["cycles"] == 1


def test_a_reader_that_has_read_enough_is_no_failure(bare):
    """`trader orders | head`, in a script that minds each exit code of a pipe."""
    assert bare.unread("config", "show") == (0, "")
