"""trader init's files, and trader config check | show | schema."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from trader.cli.config import config
from trader.cli.options import json_option, set_option, settings_option
from trader.errors import SettingsError
from trader.settings import init_files, load

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRADER_SETTINGS", raising=False)
    init_files(tmp_path)
    return tmp_path


@click.group()
@settings_option
@set_option
@json_option
def program() -> None:
    """The shared options before a command's name."""


program.add_command(config)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(program, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_init_writes_valid_settings_and_never_overwrites(tmp_path):
    made = init_files(tmp_path / "new")
    assert [path.name for path in made] == ["settings.toml", ".env.example", ".gitignore"]
    settings = load(made[0], environ={})
    assert settings.trading.mode == "paper"
    assert settings.application.coverage.symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    assert settings.table("brokers", "paper").options == {"cash": 100_000}
    made[0].write_text("mine")
    made[1].unlink()
    assert init_files(tmp_path / "new") == [made[1]]
    assert made[0].read_text() == "mine"


def test_init_in_a_place_that_is_a_file_is_told(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        init_files(tmp_path / "x")


def test_the_clone_runs_with_what_init_writes(folder):
    assert (ROOT / "settings.toml").read_bytes() == (folder / "settings.toml").read_bytes()


def test_the_example_of_env_is_valid_when_its_settings_are_used(folder):
    lines = (folder / ".env.example").read_text().splitlines()
    (folder / ".env").write_text("\n".join(line.removeprefix("# ") for line in lines if "# TRADER_" in line))
    settings = load(folder / "settings.toml", environ={})
    assert settings.trading.dry_run is True
    assert settings.application.schedule.interval_seconds == 30
    assert settings.application.coverage.symbols == ("AAPL", "MSFT")


def test_check_says_what_each_book_resolves_to(folder):
    text = run("config", "check")
    assert "The settings are valid" in text
    assert "inverse_volatility" in text
    answer = json.loads(run("config", "check", "--json"))
    assert answer["valid"] is True
    assert answer["books"]["main"]["covers"] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert answer["books"]["main"]["rules"][0] == "max_order_notional"


def test_check_names_the_one_that_is_implied_and_refuses_where_a_start_would(folder):
    """Settings are not valid where nothing says which broker is meant, or where that one is turned off."""
    path = folder / "settings.toml"
    path.write_text(path.read_text().replace('broker = "paper" ', '# broker = "paper" '))
    assert json.loads(run("config", "check", "--json"))["books"]["main"]["broker"] == "paper"
    with pytest.raises(SettingsError, match="Nothing says which broker the book 'main' uses"):
        run("config", "check", "--set", "brokers.other.plugin=paper")
    with pytest.raises(SettingsError, match=r"uses the broker 'paper', but .* enabled = false"):
        run("config", "check", "--set", "application.broker=paper", "--set", "brokers.paper.enabled=false")


def test_options_stand_before_or_after_the_commands_name(folder, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = str(folder / "settings.toml")
    before = run("--settings", path, "--json", "--set", "application.seed=4", "config", "show")
    after = run("config", "show", "--settings", path, "--json", "--set", "application.seed=4")
    assert before == after
    rows = {row["key"]: row for row in json.loads(after)["settings"]}
    assert rows["application.seed"] == {"key": "application.seed", "value": 4, "origin": "--set application.seed"}
    assert rows["risk_rules.price_collar.limit"]["value"] == 0.05
    both = run("--set", "application.seed=1", "config", "show", "--settings", path, "--set", "trading.dry_run=true")
    assert "application.seed = 1" in both
    assert "trading.dry_run = true" in both


def test_a_fault_reaches_the_program_as_a_settings_error(folder):
    (folder / "settings.toml").write_text("[tradng]\n")
    with pytest.raises(SettingsError, match="Did you mean 'trading'"):
        run("config", "check")


def test_schema_is_json_schema_with_descriptions(folder):
    schema = json.loads(run("config", "schema"))
    assert schema["$defs"]["Trading"]["properties"]["mode"]["enum"] == ["read_only", "paper", "live"]
    assert schema["$defs"]["Stage"]["properties"]["drop_threshold"]["description"]
