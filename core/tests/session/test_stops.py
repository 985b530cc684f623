"""What a stop leaves behind: orders and positions as the settings say, everything in the journal."""

import os
import signal
import threading

import pytest
from dealing_room.line import Lost, Slow
from dealing_room.room import TWO
from sqlalchemy import text
from trader.errors import StoreError
from trader.model import Rejected, Unavailable, Unknown
from trader.safety.stop import Trip, write_stop
from trader.session.interrupts import STOPPING, Signals, interruptible
from trader.session.opening import CRASH_LOOP
from trader.store import reading

SILENCE = Unknown("timeout", "no answer in time")


def bought(room):
    """100 AAA held, an order for BBB at work; then the session is stopped."""

    async def story():
        await room.hold()
        room.want["BBB"] = 0.1
        await room.cycle()

    return story


def ends(room):
    return {one["symbol"]: one["state"] for one in room.orders()}


def test_orders_and_positions_stay_unless_the_settings_say_otherwise(room):
    summary = room.play(bought(room))
    assert summary.reason == "told" and summary.books[0].open_orders == 1
    assert ends(room) == {"AAA": "filled", "BBB": "working"} and len(room.venue.truth_working()) == 1
    assert room.venue.cancels == [] and reading.sessions(room.store)[0]["exit_reason"] == "told"


def test_a_stop_cancels_what_works(make_room):
    room = make_room(shutdown='grace = 20, orders = "cancel"')
    room.play(bought(room))
    assert ends(room) == {"AAA": "filled", "BBB": "canceled"} and room.venue.truth_working() == []
    assert room.held() == 100


def test_a_stop_closes_positions(make_room):
    room = make_room(shutdown='grace = 20, orders = "cancel", positions = "close"')

    async def story():
        await bought(room)()
        room.after["submit"] = lambda order: room._loop.call_later(1, room.trade)

    room.play(story)
    assert room.held() == 0 and room.venue.truth_positions().get("AAA", 0) == 0 and room.venue.truth_working() == []
    assert [(one["side"], one["purpose"], one["state"]) for one in room.orders()] == [
        ("buy", "rebalance", "filled"), ("buy", "rebalance", "canceled"), ("sell", "manual", "filled")
    ]  # fmt: skip
    room.agree()


def test_a_stop_under_the_kill_switch_closes_nothing(make_room):
    room = make_room(shutdown='grace = 20, positions = "close"')

    async def story():
        await room.hold()
        room.session.kill.trip("fire", "anna")

    room.play(story)
    assert room.held() == 100 and len(room.submits) == 1


def test_a_stop_waits_for_outcomes_that_are_under_way(room):
    async def story():
        room.line("SUBMIT", Lost())
        room.want["AAA"] = 0.1
        for call in room.table.calls:
            call()
        await room.sleep(61)
        for call in room.table.calls:
            call()
        await room.until(lambda: room.submits, seconds=10)

    room.play(story)
    assert ends(room) == {"AAA": "working"}  # it was sent, unanswered, and found before the grace was over


def test_what_is_unknown_after_the_grace_is_stored_as_unknown(make_room):
    room = make_room(horizon=600)

    async def story():
        room.say("submit", SILENCE)
        await room.order()

    begun = room.time.monotonic()
    room.play(story)
    assert ends(room) == {"AAA": "unknown"} and room.time.monotonic() - begun < 120
    again = room.play()
    assert again.books[0].open_orders == 1 and ends(room) == {"AAA": "unknown"}


@pytest.mark.parametrize("fails", ["write", "all"])
def test_a_stop_while_the_database_is_away_ends_and_lets_go(room, fails):
    async def story():
        await room.order()
        room.store_fails = fails

    with pytest.raises(StoreError):
        room.play(story)
    assert room.left_open == 0
    room.store_fails = ""

    async def again():
        assert ends(room) == {"AAA": "working"}
        room.trade()
        await room.reconcile()
        room.agree()

    room.play(again)


def test_a_person_stops_the_session_by_command(room):
    async def story():
        assert "stopping" in await room.ask("stop")
        assert room.session.world.stopping.is_set()

    assert room.play(story).reason == "trader stop"
    assert reading.sessions(room.store)[0]["exit_reason"] == "trader stop"


def test_a_send_that_the_end_cuts_off_is_stored_as_unknown(make_room):
    room = make_room(shutdown="grace = 3", horizon=600)

    async def story():
        room.line("SUBMIT", Slow(500.0))
        room.want["AAA"] = 0.1
        await room.sleep(60)
        for call in room.table.calls:
            call()
        await room.until(room.orders, seconds=10)

    room.play(story)
    assert ends(room) == {"AAA": "unknown"} and room.submits == []


def test_a_stop_under_the_kill_switch_waits_until_nothing_works(room):
    """The venue did not answer the first time: the session does not leave an order working that it was to cancel."""

    async def story():
        await room.order()
        room.say("orders", Unavailable("timeout", "busy"))
        room.session.kill.trip("fire", "anna")

    room.play(story)
    assert room.venue.truth_working() == [] and ends(room) == {"AAA": "canceled"}


def test_a_stop_asks_again_for_a_cancel_that_was_refused(make_room):
    room = make_room(shutdown='grace = 20, orders = "cancel"')

    async def story():
        await room.order()
        room.say("cancel", Rejected("rate_limited", "429 Too Many Requests", 2.0))

    room.play(story)
    assert ends(room) == {"AAA": "canceled"} and room.calls["main"]["cancel"] == 2


def test_a_venue_that_is_away_takes_none_of_the_grace_of_another_book(make_room):
    room = make_room(books=("main", "other"), text=TWO, shutdown='grace = 20, orders = "cancel"')

    async def story():
        await room.order()
        room.wants["other"]["AAA"] = 0.1
        await room.cycle("other")
        room.say("cancel", Rejected("rate_limited", "429 Too Many Requests", 2.0), book="other")
        room.venue.maintenance(600)

    room.play(story)
    assert [one["state"] for one in room.orders("other")] == ["canceled"]
    assert len(room.venue.truth_working()) == 1 and room.venues["other"].truth_working() == []


def test_the_last_alerts_leave_before_their_transport_is_closed(make_room, monkeypatch):
    room = make_room(text="[alert_transports.post]\n")

    async def story():
        monkeypatch.setattr(room.session.announcer, "stopped", lambda _reason: room.session.panic("the last word"))

    room.play(story)
    assert room.post[-1][0] == "kill_switch"


def test_a_plugin_that_leaves_while_it_is_closed_keeps_no_other_open(room, monkeypatch):
    def leaves():
        raise SystemExit(3)

    async def story():
        monkeypatch.setattr(room.engine.broker, "close", leaves)

    room.play(story)
    assert room.left_open == 0 and reading.sessions(room.store)[0]["exit_reason"] == "told"


def test_a_shared_client_that_fails_when_it_is_closed_keeps_the_database_from_nobody(room):
    class Client:
        def close(self):
            raise OSError("the socket is gone")

    async def story():
        room.session.world.door("client", distribution="d").shared("http", Client)

    room.play(story)
    assert room.left_open == 0 and reading.sessions(room.store)[0]["exit_reason"] == "told"


@pytest.mark.parametrize("which", ["broker", "shared"])
def test_a_plugin_that_hangs_while_it_is_closed_keeps_neither_process_nor_lock(room, monkeypatch, capsys, which):
    monkeypatch.setattr("trader.env.LET_GO", 0.1)
    later, ended = threading.Event(), []

    class Client:
        def close(self):
            later.wait(10)
            ended.append(self)

    async def story():
        if which == "broker":
            monkeypatch.setattr(room.engine.broker, "close", Client().close)
        else:
            room.session.world.door("client", distribution="d").shared("http", Client)

    room.play(story)
    assert ended == [] and room.left_open == 0
    told = capsys.readouterr().err
    assert "close()" in told and "within 0.1 s" in told
    later.set()
    room.play()


def test_a_start_that_a_person_interrupts_is_no_crash(room, monkeypatch):
    def interrupted(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("trader.session.announcer.Announcer.started", interrupted)
        for _ in range(CRASH_LOOP):
            with pytest.raises(KeyboardInterrupt):
                room.play()
    room.play()
    assert reading.sessions(room.store)[0]["exit_reason"] == "not started: KeyboardInterrupt" and room.blocks() == set()


def test_what_a_start_finds_is_told_where_everything_is_halted_already(room):
    """The kill switch keeps its first reason; a person who lifts it for that one must have heard of the other."""
    room.play(room.hold)
    write_stop(room.folder / "var", Trip("a test of the switch", "anna", None))
    with room.store.transaction() as connection:
        connection.execute(text("UPDATE order_event SET reason = 'x' WHERE seq = 3"))

    async def story():
        assert any("the journal was changed" in told for told in room.told("kill_switch"))

    room.play(story)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_start_that_a_supervisor_ends_is_no_crash(room, monkeypatch):
    def terminated(*_args):
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patched:
        patched.setattr("trader.session.announcer.Announcer.started", terminated)
        with interruptible(), pytest.raises(KeyboardInterrupt):
            room.play()
    assert reading.sessions(room.store)[0]["exit_reason"] == "not started: KeyboardInterrupt"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_second_signal_leaves_at_once_and_none_is_kept_afterwards():
    heard, before = [], [signal.getsignal(number) for number in STOPPING]
    with interruptible():
        with Signals(heard.append):
            os.kill(os.getpid(), signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # it would end this process
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert heard == ["signal SIGTERM"] and [signal.getsignal(number) for number in STOPPING] == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_a_session_that_was_started_by_nohup_outlives_its_terminal():
    heard = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals(heard.append):
            os.kill(os.getpid(), signal.SIGHUP)
            assert heard == []
            os.kill(os.getpid(), signal.SIGTERM)
        assert heard == ["signal SIGTERM"] and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
