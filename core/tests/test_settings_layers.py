"""Files, .env, environment and --set: what each may say, how they fold, and what a damaged one is told."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trader.errors import SettingsError
from trader.settings import find, load, raw
from trader.settings.lines import lines_of

GOOD = """\
[trading]
dry_run = true
[application.coverage]
symbols = ["AAPL", "MSFT"]
[application.schedule]
interval_seconds = 60
run_forever = false
[risk_rules.max_order_notional]
limit = 20_000
[risk_rules.max_position_weight]
limit = 0.35
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def _write(text: str | bytes, name: str = "settings.toml") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path / "settings.toml"

    return _write


def told(path: Path, **more: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(path, **{"environ": {}, **more})
    text = str(caught.value)
    assert "pydantic" not in text
    assert "Traceback" not in text
    return text


# ---- find -----------------------------------------------------------------------------------------------------------
def test_the_option_goes_before_the_variable_and_the_variable_before_the_folder(write, tmp_path, monkeypatch):
    here = write(GOOD)
    other = tmp_path / "other.toml"
    other.write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    assert find(None, {}) == here
    assert find(None, {"TRADER_SETTINGS": str(other)}) == other
    assert find(here, {"TRADER_SETTINGS": str(other)}) == here
    assert find("settings.toml", {}).is_absolute()


def test_an_absent_file_is_told_with_the_command_that_makes_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="trader init"):
        find(None, {})
    with pytest.raises(SettingsError, match="named by --settings"):
        find(tmp_path / "no.toml", {})
    with pytest.raises(SettingsError, match="named by TRADER_SETTINGS"):
        find(None, {"TRADER_SETTINGS": str(tmp_path / "no.toml")})
    with pytest.raises(SettingsError, match="was a folder"):
        find(tmp_path, {})


@pytest.mark.parametrize("path", ["~surely_nobody/settings.toml", "x" * 5_000])
def test_a_path_that_no_file_can_have_is_told_like_any_other_mistake(path):
    with pytest.raises(SettingsError, match="named by --settings"):
        find(path, {})
    with pytest.raises(SettingsError, match="named by TRADER_SETTINGS"):
        find(None, {"TRADER_SETTINGS": path})


# ---- damaged files (F92) --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        (b"", "settings.toml", "The file is empty"),
        (b"# only a comment\n\n", "settings.toml", "The file is empty"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "settings.toml:1:1", "byte order mark"),
        (GOOD.encode("utf-16"), "settings.toml:1:1", "UTF-16"),
        (b"[trading]\nmode = \"pa\x00per\"\n", "settings.toml:2:11", "NUL byte"),
        (b"[trading]\n# \xff\n", "settings.toml:2:3", "0xff"),
        (b"[trading]\nmode = \n", "settings.toml:2:8", "not valid TOML"),
        (b"[trading]\nmode = \"pap", "settings.toml:2:12", "half-written"),
        (b"[trading\n", "settings.toml:1", "not valid TOML"),
        (b"[trading]\ndry_run = true\ndry_run = false\n", "settings.toml:3", "the same key or table twice"),
        (b"[trading]\n[trading]\n", "settings.toml:2", "the same key or table twice"),
        (b"x = " + b"[" * 50_000, "settings.toml", "nested too deep"),
        (b"x = " + b"9" * 5_000, "settings.toml", "not valid TOML"),
        (b"[application]\nseed = 99999999999999999999\n", "settings.toml:2", "too large"),
        (b"[risk_rules.a]\nlimit = nan\n", "settings.toml:2", "finite number, was nan"),
        (b"[risk_rules.a]\nlimit = 1e400\n", "settings.toml:2", "finite number, was inf"),
    ],
)  # fmt: skip
def test_F92_a_damaged_file_is_refused_with_its_place(write, monkeypatch, tmp_path, content, place, said):
    monkeypatch.chdir(tmp_path)
    text = told(write(content))
    assert text.startswith(place)
    assert said in text


def test_F92_a_damaged_local_file_is_refused_as_well(write, tmp_path):
    write(GOOD)
    assert "settings.local.toml" in told(write("", "settings.local.toml"))
    assert "settings.local.toml" in told(write("[a", "settings.local.toml"))


def test_F92_an_absent_file_a_folder_and_a_huge_file_are_refused(write, tmp_path):
    assert "no such file" in told(tmp_path / "settings.toml")
    huge = write(b"#" * 5_000_001)
    assert "at most 5 MB" in told(huge)
    huge.unlink()
    huge.mkdir()
    assert "was a folder" in told(huge)
    huge.rmdir()
    write(GOOD)
    (tmp_path / "settings.local.toml").mkdir()
    assert "settings.local.toml\n  Expected a file, was a folder" in told(huge)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights there")
def test_F92_a_link_is_followed_a_broken_one_and_a_pipe_are_refused(write, tmp_path):
    real = write(GOOD)
    link = tmp_path / "link.toml"
    link.symlink_to(real)
    assert load(link, environ={}).trading.dry_run is True
    link.unlink()
    link.symlink_to(tmp_path / "gone.toml")
    assert "no such file" in told(link)
    link.unlink()
    os.mkfifo(link)
    assert "ordinary file" in told(link)


# ---- keys and values ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[Trading]\nmode = 'paper'\n", "Write 'trading'"),
        ("[trading]\nMode = 'paper'\n", "Write 'mode'"),
        ("[trading]\n'mode ' = 'paper'\n", "has a space at its begin or end"),
        ("[trading]\ndry-run = true\n", "Write 'dry_run'"),
        ("trading__mode = 'live'\n", "two underscores in a row"),
        ("[trading]\nmode = '@format {env[HOME]}'\n", "begins with '@' is refused"),
        ("[application]\nstate_dir = ' @read_file /etc/passwd'\n", "begins with '@' is refused"),
        ("[application.coverage]\nsymbols = ['AAPL', '@jinja x']\n", "begins with '@' is refused"),
        ("[tradng]\nmode = 'paper'\n", "Did you mean 'trading'?"),
        ("trading = 'paper'\n", 'Expected a table, was "paper"'),
        ("[brokers]\npaper = true\n", "Expected a table, was true. \n".strip()),
        ("[books]\nmain = 1\n", "Expected a table, was 1"),
    ],
)
def test_F86_a_key_or_value_of_the_wrong_form_is_refused(write, text, said):
    message = told(write(text))
    assert said in message
    assert "settings.toml:" in message


@pytest.mark.parametrize(
    "line",
    [
        "api_key = 'not-2-tell'",
        "secret = 'not-2-tell'",
        "alpaca_token = 'not-2-tell'",
        "password = 'hunter2'",
        "account = 'AKIAIOSFODNN7EXAMPLE'",
        "account = 'PKX9Q2W7E1R5T8Y3U6I0'",
        "url = 'https://hooks.slack.com/services/T02A/B03B/x7Yq3Lk9Zp2Wm5Vn8Rt1Bc4D'",
        "url = 'postgresql://me:hunter2@db/trader'",
        "headers = { x = ['Bearer 9f8e7d6c5b4a39281706f5e4d3c2b1a0'] }",
    ],
)
def test_a_literal_that_looks_like_a_key_is_refused_and_not_repeated(write, line):
    message = told(write(f"[brokers.alpaca]\n{line}\n"))
    assert "settings.toml:2" in message
    assert "Secrets do not belong in settings" in message
    assert line.split("'")[1] not in message


@pytest.mark.parametrize(
    "value",
    [
        "/home/someone/strategies/version2/data_2013_daily.csv",
        "https://paper-api.alpaca.markets/v2/stocks/bars",
        "AAPL240621C00190000",
        "904837e3-3b76-47ec-b432-046db621571b",
        "max_position_weight_of_all_symbols_2",
        "America/Argentina/ComodRivadavia",
    ],
)
def test_what_only_looks_long_is_accepted(write, value):
    assert raw(write(f"[brokers.alpaca]\nx = '{value}'\n"), environ={}).get("brokers", "alpaca", "x") == value


def test_a_removed_setting_says_what_replaced_it(write, monkeypatch):
    monkeypatch.setitem(sys.modules["trader.settings.check"].REMOVED, "trading.paper", 'Write mode = "paper".')
    message = told(write("[trading]\npaper = true\n"))
    assert "'paper' was removed" in message
    assert 'Write mode = "paper".' in message


def test_all_faults_are_told_at_once(write):
    message = told(write("[Trading]\nmode='@x y'\n[tradng]\na__b = 1\n"), overrides=["x"])
    assert message.count("settings.toml:") == 3
    assert "KEY=VALUE" in message


# ---- folding --------------------------------------------------------------------------------------------------------
def test_a_one_key_override_erases_no_sibling(write):
    write("[application.schedule]\ninterval_seconds = 5\n", "settings.local.toml")
    settings = load(write(GOOD), environ={"TRADER_RISK_RULES__MAX_ORDER_NOTIONAL__LIMIT": "10"})
    assert settings.application.schedule.interval_seconds == 5
    assert settings.application.schedule.run_forever is False
    assert settings.application.coverage.symbols == ("AAPL", "MSFT")
    assert settings.table("risk_rules", "max_order_notional").options == {"limit": 10}
    assert settings.table("risk_rules", "max_position_weight").options == {"limit": 0.35}


def test_lists_replace(write):
    write("[application.coverage]\nsymbols = ['IBM']\n", "settings.local.toml")
    assert load(write(GOOD), environ={}).application.coverage.symbols == ("IBM",)


def test_each_layer_wins_over_the_one_below_and_says_so(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, key = write(GOOD), ("application", "schedule", "interval_seconds")
    assert raw(path, environ={}).origin(key) == "settings.toml:6"
    write("[application.schedule]\n\ninterval_seconds = 5\n", "settings.local.toml")
    assert raw(path, environ={}).origin(key) == "settings.local.toml:3"
    name = "TRADER_APPLICATION__SCHEDULE__INTERVAL_SECONDS"
    write(f"# secrets\nALPACA_API_KEY=abc\nexport {name}=6\n", ".env")
    read = raw(path, environ={})
    assert (read.get(*key), read.origin(key)) == (6, f".env:3 {name}")
    read = raw(path, environ={name: "7"})
    assert (read.get(*key), read.origin(key)) == (7, f"environment {name}")
    read = raw(path, environ={name: "7"}, overrides=["application.schedule.interval_seconds=8"])
    assert (read.get(*key), read.origin(key)) == (8, "--set application.schedule.interval_seconds")
    assert read.origin(("application", "schedule", "run_forever")) == "settings.toml:7"


@pytest.mark.parametrize("value", ["0", "[]", "off"])
def test_an_override_cannot_put_a_value_in_the_place_of_a_table_of_limits(write, value):
    path = write(GOOD)
    assert "max_order_notional" in told(path, environ={"TRADER_RISK_RULES__MAX_ORDER_NOTIONAL": value})
    assert "max_order_notional" in told(path, overrides=[f"risk_rules.max_order_notional={value}"])


def test_an_empty_table_erases_nothing(write):
    settings = load(write(GOOD), environ={}, overrides=["risk_rules.max_order_notional={}"])
    assert settings.table("risk_rules", "max_order_notional").options == {"limit": 20_000}


# ---- environment ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30", 30),
        ("0.5", 0.5),
        ("true", True),
        ("20_000", 20_000),
        ("abc", "abc"),
        ("007", "007"),
        ("'30'", "30"),
        ('["A", "B"]', ["A", "B"]),
        ("{ a = 1 }", {"a": 1}),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_a_variable_is_cast_as_toml_or_else_text(write, text, value):
    read = raw(write(GOOD), environ={"TRADER_BROKERS__PAPER__X": text})
    assert read.get("brokers", "paper", "x") == value
    assert type(read.get("brokers", "paper", "x")) is type(value)


def test_only_trader_variables_with_two_underscores_are_settings(write, tmp_path):
    environ = {
        "TRADER_SETTINGS": "elsewhere.toml",
        "TRADER_LIVE_ACK": "account 4F81, I accept",
        "DYNACONF_TRADING__MODE": "live",
        "TRADING__MODE": "live",
        "ENV_FOR_DYNACONF": "production",
        "AUTO_CAST_FOR_DYNACONF": "false",
        "TRADER_APPLICATION__SEED": "3",
    }
    settings = load(write(GOOD), environ=environ)
    assert settings.trading.mode == "paper"
    assert settings.application.seed == 3


def test_dynaconf_variables_of_the_process_change_nothing(write, monkeypatch):
    monkeypatch.setenv("AUTO_CAST_FOR_DYNACONF", "false")
    monkeypatch.setenv("DYNACONF_TRADING__MODE", "live")
    monkeypatch.setenv("TRADER_APPLICATION__SEED", "3")
    settings = load(write(GOOD))
    assert settings.application.seed == 3
    assert settings.trading.mode == "paper"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRADER_TRADING__MODE", "@format {this}", "begins with '@' is refused"),
        ("TRADER_TRADING__MOOD", "paper", "Did you mean 'mode'?"),
        ("TRADER_TRADNG__MODE", "paper", "Did you mean 'trading'?"),
        ("TRADER_Trading__mode", "paper", "Write TRADER_TRADING__MODE."),
        ("TRADER_TRADING____MODE", "paper", "Write TRADER_TABLE__KEY."),
        ("TRADER_APPLICATION__SEED", "1\nx = 2", "more than one line"),
        ("TRADER_BROKERS__ALPACA__API_KEY", "abc", "Secrets do not belong"),
        ("TRADER_APPLICATION__SEED", "9" * 5_000, "cannot be read"),
        ("TRADER_APPLICATION__SEED", "[" * 50_000, "cannot be read"),
        ("TRADER_APPLICATION__SEED", "many", 'Expected a whole number from 0 on, was "many"'),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_by_its_name(write, name, value, said):
    message = told(write(GOOD), environ={name: value})
    assert f"environment {name}" in message
    assert said in message


def test_dotenv_is_read_without_touching_the_process(write):
    write('TRADER_APPLICATION__COVERAGE__SYMBOLS=["IBM", "FB"]\nTRADER_LIVE_ACK=x\n', ".env")
    before = dict(os.environ)
    assert load(write(GOOD), environ={}).application.coverage.symbols == ("IBM", "FB")
    assert dict(os.environ) == before


def test_a_line_of_dotenv_that_cannot_be_read_is_told(write):
    write("OK=1\nTRADER_TRADING__MODE 'live\n", ".env")
    assert ".env:2" in told(write(GOOD))


# ---- --set ----------------------------------------------------------------------------------------------------------
def test_set_takes_toml_values_and_bare_words(write):
    sets = ["trading.mode=read_only", "application.seed = 5", 'application.coverage.symbols=["FB"]',
            "application.schedule={interval_seconds = 9}", "application.data=2013"]  # fmt: skip
    read = raw(write(GOOD), environ={}, overrides=sets)
    assert read.get("trading", "mode") == "read_only"
    assert read.get("application", "seed") == 5
    assert read.get("application", "coverage", "symbols") == ["FB"]
    assert read.get("application", "schedule") == {"interval_seconds": 9, "run_forever": False}


@pytest.mark.parametrize(
    "text",
    [
        *["", "=", "a", "a=1", "a.b=", "a..b=1", ".a=1", "trading.mode=[1", 'trading.mode="x', "trading.mode=1\n2"],
        *["trading.mode=@x y", "trading.Mode=x", "trading.m__x=1"],
    ],
)
def test_a_malformed_set_is_refused(write, text):
    assert "--set" in told(write(GOOD), overrides=[text])


# ---- cost, and lines ------------------------------------------------------------------------------------------------
def test_raw_imports_neither_pydantic_nor_dynaconf(write):
    import subprocess

    path = write(GOOD)
    code = f"""
import sys
from trader.settings import raw
raw({str(path)!r}, environ={{"TRADER_SETTINGS": "x"}}, overrides=["application.seed=1"])
print([m for m in ("pydantic", "dynaconf", "tomlkit", "dotenv") if m in sys.modules])
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)
    assert run.stdout.strip() == "[]"


def test_lines_are_found_whatever_strings_and_brackets_hold():
    text = """\
# x
a.b = 1
[t."x y"]
k = QQQ
[no]
z = 1 \\QQQ "" QQQ # c
l = [
  {a = "]#"}, # ]
]
m = '''it's
'''
[[p.q]]
n = 1
[[p.q]]
n = 2
[p.q.r]
s = 1
""".replace("QQQ", '"""')
    assert tomllib.loads(text)["p"]["q"][1]["n"] == 2
    lines = lines_of(text.replace("\n", "\r\n"))
    assert lines[("a", "b")] == 2
    assert lines[("t", "x y", "k")] == 4
    assert lines[("t", "x y", "l")] == 7
    assert lines[("t", "x y", "m")] == 10
    assert lines[("p", "q", 1, "n")] == 15
    assert lines[("p", "q", 1, "r", "s")] == 17
    assert ("no",) not in lines
