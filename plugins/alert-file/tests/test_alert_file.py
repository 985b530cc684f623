"""Alerts as lines in a real file, and what happens when the disk says no."""

import errno
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from trader.model import Alert, Delivered, Failed, Severity
from trader_alert_file import Settings, provide_alert_transport

AT = datetime(2013, 2, 28, 21, 1, 30, tzinfo=UTC)


def alert(name="a1", text="No bar of AAPL for 90 s."):
    return Alert(name, Severity.WARNING, "data_late", text, AT, "data_late:AAPL", {"symbol": "AAPL"})


def make(folder, **settings):
    return provide_alert_transport(Settings(**settings), SimpleNamespace(folder=folder))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_alert_is_one_line_with_everything_in_it(tmp_path):
    transport = make(tmp_path)
    assert transport.send(alert("a1"), None) == Delivered("alerts.jsonl@0")
    transport.send(alert("a2", 'two\nlines, "quotes", ünïcode'), None)
    first, second = lines(tmp_path / "alerts.jsonl")
    assert first == {
        "id": "a1",
        "severity": "warning",
        "event": "data_late",
        "text": "No bar of AAPL for 90 s.",
        "time": "2013-02-28T21:01:30Z",
        "fingerprint": "data_late:AAPL",
        "facts": {"symbol": "AAPL"},
    }
    assert second["text"] == 'two\nlines, "quotes", ünïcode'


def test_the_receipt_says_where_the_line_begins(tmp_path):
    transport = make(tmp_path)
    transport.send(alert("a1"), None)
    receipt = transport.send(alert("a2"), None).receipt
    name, place = receipt.split("@")
    assert json.loads((tmp_path / name).read_bytes()[int(place) :])["id"] == "a2"


def test_a_file_that_is_there_is_kept(tmp_path):
    make(tmp_path).send(alert("a1"), None)
    make(tmp_path).send(alert("a2"), None)
    assert [line["id"] for line in lines(tmp_path / "alerts.jsonl")] == ["a1", "a2"]


def test_a_line_that_a_crash_has_cut_off_does_not_spoil_the_next(tmp_path):
    file = tmp_path / "alerts.jsonl"
    file.write_bytes(b'{"id": "a0", "sev')
    receipt = make(tmp_path).send(alert("a1"), None).receipt
    torn, whole = file.read_text(encoding="utf-8").splitlines()
    assert torn == '{"id": "a0", "sev'
    assert json.loads(whole)["id"] == "a1"
    assert receipt == f"alerts.jsonl@{len(torn) + 1}"


def test_check_proves_the_place_and_writes_nothing(tmp_path):
    transport = make(tmp_path, path="deep/down/alerts.jsonl")
    assert transport.check() is None
    assert (tmp_path / "deep" / "down" / "alerts.jsonl").read_bytes() == b""


def test_an_absolute_path_is_taken_as_it_is(tmp_path):
    elsewhere = tmp_path / "elsewhere.jsonl"
    make(tmp_path / "own", path=str(elsewhere)).send(alert(), None)
    assert lines(elsewhere)[0]["id"] == "a1"


def test_a_folder_in_the_files_place_is_a_failure_with_the_reason_and_not_an_error(tmp_path):
    (tmp_path / "alerts.jsonl").mkdir()
    transport = make(tmp_path)
    for answer in (transport.check(), transport.send(alert(), None)):
        assert isinstance(answer, Failed)
        assert "alerts.jsonl" in answer.reason


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_a_failure_with_the_reason(tmp_path):
    answer = make(tmp_path, path="/dev/full").send(alert(), None)
    assert isinstance(answer, Failed)
    assert os.strerror(errno.ENOSPC) in answer.reason


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="needs a user whom permissions bind")
def test_a_missing_permission_is_a_failure_with_the_reason(tmp_path):
    tmp_path.chmod(0o500)
    answer = make(tmp_path).check()
    tmp_path.chmod(0o700)
    assert isinstance(answer, Failed)
    assert os.strerror(errno.EACCES) in answer.reason


def test_text_that_is_no_unicode_is_a_failure_and_not_an_error(tmp_path):
    answer = make(tmp_path).send(alert(text="\ud800"), None)
    assert isinstance(answer, Failed)
    assert "a1" in answer.reason


@pytest.mark.parametrize("wrong", [{"path": ""}, {"path": "a\x00b"}, {"file": "a"}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        Settings(**wrong)
