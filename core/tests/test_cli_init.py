"""trader init."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from trader.cli import trader
from trader.errors import SettingsError

FILES = ["settings.toml", ".env.example", ".gitignore"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRADER_SETTINGS", raising=False)
    return lambda *arguments: CliRunner().invoke(trader, arguments, catch_exceptions=False)


def test_init_says_what_it_wrote_and_what_comes_next(run, tmp_path):
    output = run("init").output
    assert all(f"wrote  {name}" in output for name in FILES)
    assert output.rstrip().endswith("trader run")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert run("config", "check").exit_code == 0


def test_init_leaves_alone_what_is_there_and_says_so(run, tmp_path):
    (tmp_path / "settings.toml").write_text("# mine\n")
    output = run("init").output
    assert "kept   settings.toml (it was there)" in output
    assert "wrote  .env.example" in output
    assert "sample data" not in output  # it does not know what these settings trade
    assert (tmp_path / "settings.toml").read_text() == "# mine\n"


def test_init_in_another_folder_names_its_settings(run, tmp_path):
    output = run("init", "new").output
    assert (tmp_path / "new" / ".gitignore").is_file()
    assert f"--settings {(tmp_path / 'new' / 'settings.toml').relative_to(tmp_path)}" in output


def test_what_init_says_comes_next_can_be_typed(run):
    assert '--settings "my desk' in run("init", "my desk").output


def test_init_for_programs(run, tmp_path):
    assert json.loads(run("init", "--json").output) == {"folder": str(tmp_path), "written": FILES, "kept": []}
    assert json.loads(run("--json", "init").output) == {"folder": str(tmp_path), "written": [], "kept": FILES}


def test_init_where_a_file_is_in_the_way(run, tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        run("init", "x")
