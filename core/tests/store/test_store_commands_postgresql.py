"""The operator's commands on a PostgreSQL database: who runs there is known by the lease."""

import os

import pytest
from trader.cli.state import place_of
from trader.errors import Refused, StoreError
from trader.safety.stop import read_stop
from trader.store import blocks
from trader.store.database import open_store
from trader.store.lease import Lease, owner
from trader.store.runs import open_epoch, start_session


@pytest.fixture
def away(bare, url):
    """An operator's folder whose database is at a server; nothing ran yet."""
    text = (bare.folder / "settings.toml").read_text()
    (bare.folder / "settings.toml").write_text(
        text.replace("[application]\n", f'[application]\ndatabase = "{url}"\n', 1)
    )
    bare.url = url
    return bare


@pytest.fixture
def run_there(away):
    away._store = open_store(away.url)
    open_epoch(away.store, b"nonce", "first")
    start_session(away.store, "s1", mode="paper", version="0.1.0", settings_hash="x")
    away.journal()
    return away


def test_before_anything_ran_every_command_says_so(away):
    for command in (["status"], ["orders"], ["db", "check"]):
        assert "Nothing has run here yet" in away.run(*command)
    with pytest.raises(Refused, match="No session runs here"):
        away.run("release")
    assert "there is nothing to stop" in away.run("stop")


def test_a_session_runs_while_its_lease_does(run_there):
    assert run_there.json("status")["session"]["state"] == "died"
    with Lease(run_there.store, owner("s1")).acquire():
        told = run_there.json("status")
        assert (told["running"], told["session"]["process"]) == (True, os.getpid())
        assert f"process {os.getpid()} on " in run_there.run("status")
        assert "localhost" not in told["database"] or ":" in told["database"]
    assert run_there.json("status")["running"] is False


def test_a_wish_reaches_the_session(run_there):
    from threading import Event, Thread

    from trader.store import commands

    ended = Event()

    def work():
        store = open_store(run_there.url)
        while not ended.is_set():
            for command in commands.waiting(store):
                commands.answer(store, command.id, "paused")
            ended.wait(0.02)
        store.close()

    thread = Thread(target=work)
    thread.start()
    try:
        with Lease(run_there.store, owner("s1")).acquire():
            assert "The session answered: paused." in run_there.run("pause", "main")
    finally:
        ended.set()
        thread.join()


def test_kill_and_rearm_reach_file_and_database(run_there):
    told = run_there.json("kill", "--reason", "smoke")
    assert (told["halted"], told["stored"]) == (True, True)
    assert read_stop(run_there.state).reason == "smoke"
    run_there.run("rearm", "--reason", "a kettle")
    assert blocks.standing(run_there.store) == []
    assert read_stop(run_there.state) is None


def test_verify_and_check(run_there):
    run_there.order("t1")
    assert run_there.json("journal", "verify")["whole"] is True
    assert run_there.json("db", "check")["size"] is None


def test_an_older_database_is_not_upgraded_while_a_session_has_its_lease(bare, old_url):
    text = (bare.folder / "settings.toml").read_text()
    changed = text.replace("[application]\n", f'[application]\ndatabase = "{old_url}"\n', 1)
    (bare.folder / "settings.toml").write_text(changed)
    from trader.clock import SystemClock
    from trader.store import connect
    from trader.store.database import Store

    target = connect.target_of(old_url)
    engines = connect.readers(target, read_only=False, busy_seconds=5.0), connect.writers(target, busy_seconds=5.0)
    older = Store(*engines, None, SystemClock())
    with Lease(older, owner("s1")).acquire(), pytest.raises(Refused, match="A session runs on it"):
        bare.run("db", "upgrade")
    with pytest.raises(StoreError, match="trader db upgrade"):
        bare.run("status")
    assert "revision" in bare.run("db", "upgrade")
    assert bare.json("status")["running"] is False
    older.close()


def test_a_server_that_is_away_is_told_and_keeps_nobody_from_halting(bare):
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    text = (bare.folder / "settings.toml").read_text()
    changed = text.replace("[application]\n", '[application]\ndatabase = "postgresql://kim@127.0.0.1:1/n"\n', 1)
    (bare.folder / "settings.toml").write_text(changed)
    for command in (["status"], ["pause", "main"]):
        with pytest.raises(StoreError, match="does not answer") as caught:
            bare.run(*command)
        assert caught.value.exit_code == 5
    assert "it cannot be read, the file holds" in bare.run("kill", code=7)
    assert read_stop(bare.state) is not None


def test_a_password_is_never_shown():
    assert "pssst" not in place_of("postgresql://kim:pssst@127.0.0.1/n")
