"""Edits keep comments, order and line ends, and never leave half a file."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest
from trader.errors import SettingsError
from trader.settings import load
from trader.settings.edit import disable, enable, join_pipeline, leave_pipeline, select, set_enabled

TEXT = """\
# my settings
[application]   # the book
broker = "paper"        # the account
risk_rules = ["price_collar"]

[application.models]
# the stages
pipeline = [
  { name = "trend_following", drop_threshold = 0.15 },  # first
]

[strategies.trend_following]
fast = 20   # bars

[risk_rules.price_collar]
enabled = true   # keep it
limit = 0.05
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_bytes(TEXT.encode())
    return path


def comments(text: str) -> list[str]:
    return [line.split("#", 1)[1].strip() for line in text.splitlines() if "#" in line]


def test_a_strategy_joins_and_leaves_and_every_comment_stays(path):
    done = enable(path, "strategies", "momentum")
    assert done == [
        "Strategy momentum is enabled: added [strategies.momentum] with enabled = true.",
        "Strategy momentum joined application.models.pipeline as stage 2.",
    ]
    assert [s.name for s in load(path, environ={}).application.models.pipeline] == ["trend_following", "momentum"]
    assert comments(path.read_text()) == comments(TEXT)
    assert disable(path, "strategies", "momentum") == [
        "Strategy momentum is disabled: [strategies.momentum] enabled = false.",
        "Strategy momentum left application.models.pipeline (1 left).",
    ]
    settings = load(path, environ={})
    assert [s.name for s in settings.application.models.pipeline] == ["trend_following"]
    assert settings.application.models.pipeline[0].drop_threshold == 0.15
    assert settings.table("strategies", "momentum").enabled is False
    assert comments(path.read_text()) == comments(TEXT)


def test_nothing_to_change_writes_nothing(path):
    before = path.stat().st_mtime_ns, path.read_bytes()
    assert enable(path, "strategies", "trend_following") == []
    assert join_pipeline(path, "trend_following") == []
    assert leave_pipeline(path, "momentum") == []
    assert select(path, "brokers", "paper") == []
    assert set_enabled(path, "risk_rules", "price_collar", True) == []
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_exclusive_kinds_are_selected_and_let_go(path):
    assert enable(path, "brokers", "alpaca")[-1] == (
        'Broker alpaca is selected: application.broker = "alpaca" (was "paper").'
    )
    assert enable(path, "data_sources", "sample")[-1] == 'Data source sample is selected: application.data = "sample".'
    settings = load(path, environ={})
    assert (settings.application.broker, settings.application.data) == ("alpaca", "sample")
    assert disable(path, "brokers", "alpaca")[-1] == "application.broker no longer names alpaca."
    assert load(path, environ={}).application.broker is None


def test_the_allocators_other_name_is_edited_where_it_is_used(path):
    path.write_text('[application.portfolio]\nallocator = "equal"  # mine\n')
    select(path, "allocators", "proportional")
    assert path.read_text() == '[application.portfolio]\nallocator = "proportional"  # mine\n'
    assert load(path, environ={}).application.allocator == "proportional"


def test_a_listed_risk_rule_is_listed_and_unlisted(path):
    enable(path, "risk_rules", "max_order_notional")
    assert load(path, environ={}).application.risk_rules == ("price_collar", "max_order_notional")
    disable(path, "risk_rules", "price_collar")
    settings = load(path, environ={})
    assert settings.application.risk_rules == ("max_order_notional",)
    assert settings.table("risk_rules", "price_collar").enabled is False
    assert settings.table("risk_rules", "price_collar").options == {"limit": 0.05}


@pytest.mark.parametrize(
    "text",
    [
        "[trading]\n",
        "[[application.models.pipeline]]\nname = 'a' # first\n\n[trading]\nmode = 'paper'\n",
        "application.models.pipeline = [{name = 'a'}]\n",
        "[application]\nmodels = { pipeline = [] }\n",
        "[application.models]\npipeline = [\n  {name = 'a'},\n\n  # room for more\n]\n",
        "[strategies]\n[strategies.b]\nx = 1\n[application.coverage]\nsymbols=['A']\n[strategies.c]\n",
        "[application.coverage]\nsymbols=['A']\n[trading]\n[application.exits]\n",
        "strategies.b.fast = 3",
    ],
)
def test_a_strategy_joins_however_the_pipeline_is_written(path, text):
    path.write_text(text)
    before = tomllib.loads(text)
    join_pipeline(path, "momentum", 0.25)
    set_enabled(path, "strategies", "b", False)
    after = tomllib.loads(path.read_text())
    pipeline = after["application"]["models"]["pipeline"]
    assert pipeline[-1] == {"name": "momentum", "drop_threshold": 0.25}
    assert pipeline[:-1] == before.get("application", {}).get("models", {}).get("pipeline", [])
    assert after["strategies"]["b"]["enabled"] is False
    assert after.get("trading") == before.get("trading")
    assert comments(path.read_text()) == comments(text)
    leave_pipeline(path, "momentum")
    assert tomllib.loads(path.read_text())["application"]["models"]["pipeline"] == pipeline[:-1]


def test_windows_line_ends_stay(path):
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    enable(path, "strategies", "momentum")
    written = path.read_bytes()
    assert written.count(b"\r\n") == written.count(b"\n") > TEXT.count("\n")


def test_a_damaged_file_is_not_edited(path):
    path.write_bytes(b"[application\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        enable(path, "strategies", "momentum")
    path.write_bytes(b"application = 3\n")
    with pytest.raises(SettingsError, match="not a table"):
        select(path, "brokers", "paper")
    assert path.read_bytes() == b"application = 3\n"


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX")
def test_mode_and_link_stay_and_no_temporary_file_is_left(path, tmp_path):
    path.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    enable(link, "strategies", "momentum")
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert "momentum" in path.read_text()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["link.toml", "settings.toml"]


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root writes files for somebody else")
def test_the_owner_stays_when_root_edits(path):
    """With mode 600 the service could not read its own settings at its next start."""
    os.chown(path, 4321, 4321)
    enable(path, "strategies", "momentum")
    assert (path.stat().st_uid, path.stat().st_gid) == (4321, 4321)


def test_a_write_that_fails_leaves_the_old_file(path, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError, match="No space left on device"):
        enable(path, "strategies", "momentum")
    assert path.read_bytes() == TEXT.encode()
    assert [found.name for found in tmp_path.iterdir()] == ["settings.toml"]
