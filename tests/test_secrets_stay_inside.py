"""Secrets stay inside: a session trades at an emulated venue that answers wrongly, keys are refused and revoked, and no
key stands in the journal, the log, a traceback, or in what a person sees."""

import logging
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from at_an_emulator import Booth  # noqa: E402 - found by the path above
from emulated_day.place import VENUES  # noqa: E402
from trader.testing.emulation import Mishap  # noqa: E402

SHORTEST = 12
"""A part of a key as long as this is not there by chance."""
WRONG = (Mishap.GARBAGE, Mishap.HTML, Mishap.TRUNCATED, Mishap.FAILED, Mishap.RESET_AFTER)
PATIENT = [f"--set=application.connect.{each}" for each in ("tries=12", "first_seconds=0.01", "longest_seconds=0.02")]
CALLS = ("account", "positions", "orders", "fills", "submit", "cancel")
SHOWN = ("trader-emulator",)
"""The server's name at MetaTrader is asked for like a key, and is none."""
CANARY = "Canary{}zQ7wXv9TbR4mK2pLsD8fGh3JnYc6Ue"


def parts(secrets):
    """Every part of each secret that has a certain length."""
    return {value[n : n + SHORTEST].encode() for value in secrets for n in range(len(value) - SHORTEST + 1)}


def where(folder, needles):
    """The files below `folder` that have one of these: database, its write-ahead log, logs, reports, output."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            found[path.relative_to(folder).as_posix()] = [each for each in needles if each in content]
    return {name: hits for name, hits in found.items() if hits}


def test_a_secret_in_a_file_is_noticed(tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "trader.db").write_bytes(b"\x00\x01abc0123456789xyz\xff")
    assert list(where(tmp_path, parts(["0123456789xyz"]))) == ["var/trader.db"]
    assert where(tmp_path, parts(["another-secret-of-ours"])) == {}


@pytest.fixture
def booth(request, place):
    made = Booth(place, request.param)
    yield made
    made.close()


@pytest.mark.parametrize("booth", ["alpaca", "binance"], indirect=True)
def test_no_secret_is_left_behind_by_sessions_at_a_venue_that_answers_wrongly(booth, caplog):
    """Libraries may log what they like: all of it is looked at. Alpaca's keys go in headers and over a websocket,
    Binance's requests are signed in their addresses."""
    caplog.set_level(logging.DEBUG)
    done = [booth.run()]
    assert done[0].returncode == 0, done[0].stderr
    for number, call in enumerate(CALLS):
        for mishap in WRONG[number:] + WRONG[:number]:
            booth.venue.mishap(call, mishap)
    booth.venue.drop_streams()
    done.append(booth.run(*PATIENT))
    booth.venue.revoke()
    for _ in range(8):  # the mishaps that are left are met first
        done.append(booth.run())
        if done[-1].returncode == 2:
            break
    assert done[-1].returncode == 2 and "Traceback" not in "".join(one.stderr for one in done)
    said = caplog.text + "".join(one.stdout + one.stderr for one in done)
    (booth.place.folder / "said").write_text(said, encoding="utf-8")
    read = where(booth.place.folder, [booth.symbol.encode(), b'"event"'])
    assert {"said", "var/trader.db", "var/logs/trader.jsonl"} <= set(read), "these were looked at"
    secrets = [value for value in booth.venue.secrets.values() if len(value) >= SHORTEST and value not in SHOWN]
    assert secrets and where(booth.place.folder, parts(secrets)) == {}


@pytest.mark.parametrize("booth", VENUES, indirect=True)
def test_wrong_keys_are_refused_at_the_start_and_shown_nowhere(booth):
    keys = {key: CANARY.format(number) for number, key in enumerate(booth.venue.secrets)}
    if booth.name == "mt5":
        keys["MT5_LOGIN"] = "9" * SHORTEST
    done = booth.run(**keys)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert any(key in done.stderr for key in keys) and "Traceback" not in done.stderr
    (booth.place.folder / "said").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert where(booth.place.folder, parts(keys.values())) == {}
