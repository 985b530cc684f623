"""Sessions in processes of their own, and an operator who stops, halts, pauses, closes and recovers them."""

import os
import signal
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from trader.clock import SystemClock
from trader.errors import StoreError
from trader.safety.stop import read_stop
from trader.store import reading
from trader.store.database import open_store

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

from _docs import reading as pages  # noqa: E402

PAGE = ROOT / "docs" / "how-to" / "stop-and-recover.md"
SLOW = ["--pace", "2"]
SECONDS = 30.0


def until(true, what, *, look=0.05):
    """Wait for it."""
    clock = SystemClock()
    end = clock.monotonic() + SECONDS
    while clock.monotonic() < end:
        answer = true()
        if answer:
            return answer
        clock.sleep(look)
    raise AssertionError(f"not in time: {what}")


@pytest.fixture
def started(place, base):
    """started(*words): `trader run` in a process of its own, once it says that it runs."""
    place.settings(base)
    processes = []

    def start(*words):
        process = place.start("run", *words)
        processes.append(process)
        until(lambda: place.json("status")["running"], "the session runs")
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


def done(place, *words, code=0):
    finished = place.trader(*words)
    assert finished.returncode == code, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    return finished.stdout + finished.stderr


def answered(place):
    """The open orders, once the journal has the venue's answer for each of them; else nothing."""
    orders = place.json("orders", "--open")
    return [] if any(each["state"] == "submitting" for each in orders) else orders


def stored_sessions(place):
    """Read beside the session, without a word of it."""
    with suppress(StoreError), closing(open_store(place.database, create=False, read_only=True, check=False)) as store:
        return reading.sessions(store)
    return []


def held(place):
    return {each["symbol"] for each in place.json("positions")}


# ---- the page ------------------------------------------------------------------------------------------------------
def test_the_page_does_what_it_says(place, started):
    steps = [step for block in pages.blocks(PAGE) if block.language == "console" for step in pages.steps(block)]
    words = [step.command.split()[1:] for step in steps]
    assert words[0] == ["run", "--hold", *SLOW]
    session = started(*words[0][1:])
    for step, arguments in zip(steps[1:], words[1:], strict=True):
        said = done(place, *arguments)
        if step.output:
            assert pages.says(step.output, said), f"{step.command} printed\n{said}"
    session.communicate(timeout=SECONDS)
    assert session.returncode == 0


# ---- what a session does for its operator ----------------------------------------------------------------------------
def test_an_operator_pauses_closes_and_looks(place, started):
    started(*SLOW)
    until(lambda: held(place) == {"AAA", "BBB"}, "both are bought")
    done(place, "pause", "main")
    assert "paused" in done(place, "status")
    assert "sell " in done(place, "close", "aaa")
    until(lambda: held(place) == {"BBB"}, "AAA is sold")
    (order,) = [each for each in place.json("orders") if each["purpose"] == "manual"]
    assert "by a person" in done(place, "why", order["client_order_id"])
    assert "No book holds AAA" in done(place, "close", "AAA", code=6)
    assert "There is no book and no strategy 'mian'" in done(place, "pause", "mian", code=6)
    assert "journal and venue agree" in done(place, "reconcile")
    done(place, "release", "main")
    until(lambda: held(place) == {"AAA", "BBB"}, "the strategy wants it again")
    assert [each["number"] for each in place.json("decisions")] == sorted(
        {each["number"] for each in place.json("decisions")}
    )
    assert "The journal is whole." in done(place, "journal", "verify")
    assert "The session ended (trader stop)" in done(place, "stop")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_a_session_that_is_ended_while_it_starts_says_so_and_is_no_crash(place, base):
    place.settings(base)
    process = place.start("run", *SLOW)
    until(lambda: stored_sessions(place), "the session is started", look=0.001)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=SECONDS)
    (session,) = stored_sessions(place)
    assert "Traceback" not in err
    assert (process.returncode, session["exit_reason"]) in {
        (130, "not started: KeyboardInterrupt"),
        (130, "error: KeyboardInterrupt"),  # between its start and its first decision
        (0, "signal SIGTERM"),  # a slow machine: it was deciding already
    }, out + err


def test_an_order_is_cancelled_by_the_beginning_of_its_id(place, started):
    started("--pace", "0.2")  # an order waits five seconds for its bar
    order = until(lambda: answered(place), "an order works")[0]["client_order_id"]
    assert "cancel asked for" in done(place, "cancel", order[:10])
    done(place, "reconcile")
    (cancelled,) = [each for each in place.json("orders") if each["client_order_id"] == order]
    assert cancelled["state"] == "canceled"
    assert "No book has an open order" in done(place, "cancel", order[:10], code=6)


def test_kill_cancels_what_works_and_is_confirmed_by_the_session(place, started):
    started("--pace", "0.2")
    orders = until(lambda: answered(place), "orders work")
    told = place.json("kill", "--reason", "drill")
    (venue,) = told["brokers"]
    assert (told["clean"], venue["by"], venue["cancelled"], venue["left"]) == (True, "session", len(orders), 0)
    assert place.json("orders", "--open") == []
    cycles = place.json("status")["books"][0]["cycles"]
    done(place, "rearm", "--reason", "mended")
    until(lambda: place.json("status")["books"][0]["cycles"] > cycles, "it trades again")


@pytest.mark.skipif(os.name == "nt", reason="no process can be stopped there")
def test_kill_works_while_the_session_hangs(place, started):
    session = started("--pace", "0.2")
    until(lambda: answered(place), "orders work")
    session.send_signal(signal.SIGSTOP)
    said = done(place, "kill", "--timeout", "1", code=7)
    assert f"did not answer (process {session.pid})" in said
    assert "NOT confirmed" in said
    assert read_stop(place.database.parent) is not None
    session.send_signal(signal.SIGCONT)
    assert "cancelled by the session, 0 left" in done(place, "kill")
    assert place.json("orders", "--open") == []
    assert place.json("status")["kill_switch"]["file"] is True


def test_a_halt_outlives_a_kill_9_and_the_next_start(place, started):
    first = started("--pace", "0.2")
    until(lambda: answered(place), "orders work")
    first.kill()
    first.communicate()
    assert "died without a word" in done(place, "status")
    told = place.json("kill", "--reason", "drill")
    assert (told["clean"], told["brokers"][0]["by"], told["brokers"][0]["cancelled"]) == (True, "venue", 2)
    assert "The kill switch is on: drill" in done(place, "run", "--once", code=6)
    started()
    assert "HALTED   everything, by the kill switch" in done(place, "status")
    until(lambda: place.json("orders", "--open") == [], "the start learns what was cancelled meanwhile")
    done(place, "rearm", "--reason", "mended")
    until(lambda: place.json("status")["running"] is False, "the data is played to its end")
    store = open_store(place.database, read_only=True)
    try:
        assert reading.sessions(store)[-1]["exit_reason"] == "end of data"
    finally:
        store.close()


def test_a_held_session_is_stopped_in_order(place, started):
    session = started("--hold")
    assert "The session ended (trader stop)" in done(place, "stop")
    assert session.wait(timeout=SECONDS) == 0
    assert "nothing to stop" in done(place, "stop")
