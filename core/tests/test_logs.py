"""JSON lines to a file, readable lines to a terminal."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from trader.env import Secret, World
from trader.errors import storable, words
from trader.telemetry.logs import FILE, logger, set_up


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> object:
    yield
    set_up(None, terminal=None)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / FILE).read_text("utf-8").splitlines()]


def test_a_fact_is_one_json_line_with_name_level_and_utc_time(tmp_path: Path) -> None:
    set_up(tmp_path, terminal=None)
    logger("session").bind(session="s1").info("fill", price=Decimal("1.50"), symbol="AAPL")
    (line,) = lines(tmp_path)
    assert line["event"] == "fill"
    assert line["level"] == "info"
    assert (line["price"], line["symbol"], line["session"]) == ("1.50", "AAPL", "s1")
    assert str(line["timestamp"]).endswith("Z")


def test_the_terminal_shows_its_level_and_the_file_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(tmp_path, level="info", terminal="warning")
    logger("session").debug("too_small")
    logger("session").info("for_the_file")
    logger("session").warning("for_both", reason="x")
    assert [line["event"] for line in lines(tmp_path)] == ["for_the_file", "for_both"]
    shown = capsys.readouterr().err
    assert "for_both" in shown and "for_the_file" not in shown
    assert "\x1b[" not in shown


def test_setting_up_again_replaces_what_was_there(tmp_path: Path) -> None:
    set_up(tmp_path / "a", terminal=None)
    set_up(tmp_path / "b", terminal=None)
    logger("session").info("once")
    assert not (tmp_path / "a" / FILE).exists()
    assert len(lines(tmp_path / "b")) == 1


def test_an_exception_and_a_secret_are_logged_as_text(tmp_path: Path) -> None:
    set_up(tmp_path, terminal=None)
    try:
        raise ValueError("bad bars")
    except ValueError:
        logger("session").exception("plugin_fault", key=Secret("hunter2hunter2"))
    text = (tmp_path / FILE).read_text("utf-8")
    assert "bad bars" in text
    assert "hunter2" not in text


def test_F122_a_secret_in_an_error_of_a_client_is_in_no_log_no_alert_and_no_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A client's error that quotes a key is shown, logged, sent and stored without it."""
    world = World(tmp_path, tmp_path, environ={"API_KEY": "hunter3hunter3", "PIN": "1", "LOGIN": "1234567890"})
    door = world.door("venue", distribution="d", secrets=("API_KEY", "PIN", "LOGIN"))
    for name in ("API_KEY", "PIN", "LOGIN"):
        door.secret(name)
    set_up(tmp_path, terminal="info")
    error = OSError("GET /orders?key=hunter3hunter3&account=1234567890 failed")
    logger("session").error("plugin_fault", reason=str(error), exc_info=error)
    said = words(error)
    assert said == storable(said) == "OSError: GET /orders?key=***&account=1234567890 failed"
    shown = (tmp_path / FILE).read_text("utf-8") + capsys.readouterr().err
    assert "hunter3" not in shown and shown.count("key=***") == 4 and "account=1234567890" in shown


def test_half_a_character_from_a_venue_loses_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(tmp_path, terminal=None)
    logger("session").info("rejected", reason="bad \ud800 symbol", price=Decimal("1.50"))
    (line,) = lines(tmp_path)
    assert (line["reason"], line["price"]) == ("bad \ud800 symbol", "1.50")
    assert "Traceback" not in capsys.readouterr().err


def test_F123_a_log_that_cannot_be_rotated_is_written_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes on in the same file, and says so once."""
    monkeypatch.setattr("trader.telemetry.logs._MEGABYTE", 1)
    (tmp_path / f"{FILE}.10").mkdir()
    (tmp_path / f"{FILE}.9").write_text("")
    set_up(tmp_path, terminal=None)
    for number in range(3):
        logger("session").info("fill", number=number)
    assert [line["number"] for line in lines(tmp_path)] == [0, 1, 2]
    shown = capsys.readouterr().err
    assert shown.count("it cannot be rotated") == 1 and "Traceback" not in shown


def test_F123_a_log_that_cannot_be_opened_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(OSError, match="directory"):
        set_up(tmp_path, terminal=None)


def test_F123_a_log_that_cannot_be_written_any_more_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that is full is told once, and the terminal goes on."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    set_up(tmp_path, terminal="warning")
    monkeypatch.setattr("trader.telemetry.logs._File.flush", full)
    for number in range(3):
        logger("session").warning("fill", number=number)
    shown = capsys.readouterr().err
    assert shown.count("its lines are lost: [Errno 28] No space left on device") == 1 and "Traceback" not in shown
    assert shown.count("warning fill") == 3
