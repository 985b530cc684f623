"""scripts/crash: its command line, its figures, its exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from crash_harness.campaign import Told
from crash_harness.check import Figures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    """The module behind scripts/crash."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import _crash.main

    return _crash.main


def test_the_script_says_how_it_is_used():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "crash"), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "--kills" in done.stdout


def test_a_wrong_name_is_explained(script, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(["oracle"], tmp_path)
    assert stop.value.code == 2 and "oracle" in capsys.readouterr().err


def test_a_clean_campaign_is_one_line_and_leaves_nothing_behind(script, tmp_path, monkeypatch, capsys):
    told = Told("kill -9 on SQLite", crashes=60, figures=Figures(orders=234, fills=335))
    monkeypatch.setattr(script, "run", lambda *_: iter([told]))
    assert script.main(["sqlite"], tmp_path) == 0
    line = (
        "kill -9 on SQLite: 60 kills, orders 234, fills 335, orphans 0, duplicates 0, lost fills 0, position equal yes"
    )
    assert capsys.readouterr().out == line + "\n"
    assert list(tmp_path.iterdir()) == []


def test_a_violation_is_exit_code_1_and_what_was_left_stays(script, tmp_path, monkeypatch, capsys):
    figures = Figures(1, 1, orphans=1, positions_equal=False, faults=["order x is at the venue and has no row"])
    told = Told("kill -9 on SQLite", crashes=1, missed=["fill>tell"], figures=figures)
    monkeypatch.setattr(script, "run", lambda *_: iter([told]))
    assert script.main(["sqlite", "--json"], tmp_path) == 1
    said = capsys.readouterr()
    as_json = json.loads(said.out)
    assert (as_json["orphans"], as_json["positions_equal"]) == (1, False)
    assert "order x is at the venue and has no row" in said.err and "nobody came to fill>tell" in said.err
    assert len(list(tmp_path.iterdir())) == 1


def test_a_campaign_that_hangs_is_exit_code_1(script, tmp_path, monkeypatch, capsys):
    from crash_harness.trial import Hung

    def hang(*_):
        raise Hung("orders stay open")
        yield

    monkeypatch.setattr(script, "run", hang)
    assert script.main([], tmp_path) == 1
    assert "orders stay open" in capsys.readouterr().err
