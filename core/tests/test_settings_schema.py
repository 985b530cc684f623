"""What the settings may say, in which words a wrong one is answered, and how books inherit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from trader.errors import SettingsError
from trader.settings import Settings, load, raw, validate

Make = Callable[..., Settings]


@pytest.fixture
def make(tmp_path: Path, monkeypatch) -> Make:
    monkeypatch.chdir(tmp_path)

    def _make(text: str, *overrides: str) -> Settings:
        (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
        return load(tmp_path / "settings.toml", overrides=overrides, environ={})

    return _make


def told(make: Make, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        make(text)
    return str(caught.value)


def test_what_is_not_said_is_cautious(make, tmp_path):
    settings = make("[trading]\n")
    assert settings.trading.mode == "paper"
    assert settings.trading.require_demo is True
    assert settings.application.portfolio.allow_short is False
    assert settings.application.portfolio.threshold_weight == 0.02
    assert settings.application.portfolio.cash_buffer == 0.01
    assert settings.observability.host == "127.0.0.1"
    assert settings.application.broker is None
    assert settings.application.risk_rules is None
    assert settings.state_dir == tmp_path / "var"
    assert settings.root == tmp_path
    assert settings.book_names == ("main",)
    assert settings.application.max_data_age is None


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ('[application.portfolio]\nthreshold_weight = "2%"', "settings.toml:2  application.portfolio.threshold_weight",
         'Expected a number from 0 to 1 (a share of equity), was "2%". Write 0.02.'),
        ("[application.portfolio]\nthreshold_weight = 35", "settings.toml:2", "was 35. Write 0.35."),
        ("[application]\nseed = 1.5", "settings.toml:2", "Expected a whole number from 0 on, was 1.5."),
        ('[application]\nstate_dir = "~surely_nobody/var"', "settings.toml:2  application.state_dir",
         'Nobody knows where "~surely_nobody/var" is. Write the whole path.'),
        ('[application]\nstate_dir = "v\\u0000r"', "settings.toml:2", "A path has no NUL character."),
        ("[application.schedule]\ninterval_seconds = 1e300", "settings.toml:2", "was 1e+300."),
        ("[application.schedule]\noffset_seconds = -1e300", "settings.toml:2", "was -1e+300."),
        ("[brokers.paper]\ntimeout = 1e300", "settings.toml:2", "was 1e+300."),
        ("[application]\nseed = true", "settings.toml:2", "Expected a whole number from 0 on, was true."),
        ('[application.schedule]\ninterval_seconds = "1,000"', "settings.toml:2", "Write 1000."),
        ("[application.schedule]\ninterval_seconds = 0", "settings.toml:2",
         "Expected a number above 0 and up to 31536000, was 0."),
        ('[trading]\ndry_run = "yes"', "settings.toml:2", 'Expected true or false, was "yes". Write true.'),
        ("[trading]\ndry_run = 1", "settings.toml:2", "Expected true or false, was 1. Write true."),
        ('[trading]\nmode = "papr"', "settings.toml:2",
         'Expected one of "read_only", "paper", "live", was "papr". Write "paper".'),
        ('[application.coverage]\nsymbols = "AAPL, MSFT"', "settings.toml:2",
         'Expected a list in brackets, was "AAPL, MSFT". Write ["AAPL", "MSFT"].'),
        ("[application.coverage]\nsymbols = ['A', 1]", "settings.toml:2  application.coverage.symbols[1]",
         'Expected text in quotes, was 1. Write "1".'),
        ("[application.coverage]\nsymbols = []", "settings.toml:1  [application.coverage]", "covers nothing"),
        ("[application.coverage]\nsymbols = ['A', 'A']", "settings.toml:2", 'The symbol "A" is named twice'),
        ("[application.coverage]\nsymbols = ['A ']", "settings.toml:2", "has a space"),
        ("[application.coverage]\nsource = 'pattern'", "settings.toml:1", "needs a pattern"),
        ("[application.coverage]\nsource = 'broker'", "settings.toml:1", "needs a watchlist"),
        ("[application.coverage]\nsymbols = ['A']\ntimeframe = 'daily'", "settings.toml:3",
         'Expected a length of bars such as 1m, 15m, 1h or 1d, was "daily".'),
        ("[application.models]\npipeline = ['x']", "settings.toml:2  application.models.pipeline[0]",
         'Expected a table, was "x".'),
        ("[application.models]\npipeline = [{drop_threshold = 0.1}]", "settings.toml:2", "'name' is missing"),
        ("[application.models]\npipeline = [{name = 'a'}, {name = 'a'}]", "settings.toml:2", "in the pipeline twice"),
        ("[[application.models.pipeline]]\nname = 'a'\n[[application.models.pipeline]]\nname = 'b'\ndrop_treshold = 1",
         "settings.toml:5  application.models.pipeline[1].drop_treshold", "Did you mean 'drop_threshold'?"),
        ("[application]\nportfolio = 3", "settings.toml:2", "Expected a table, was 3."),
        ("[application.schedule]\ntimezone = 'Mars/Olympus'", "settings.toml:2", 'no time zone "Mars/Olympus"'),
        ("[application.schedule]\ntrigger = 'cron'", "settings.toml:1", "needs five fields"),
        ("[application.schedule]\ncron = '30 15 * * *'", "settings.toml:1", 'trigger is not "cron"'),
        ("[application.schedule]\ntrigger = 'cron'\ncron = '99 15 * * *'", "settings.toml:1", "is not understood"),
        ("[application.schedule]\ntrigger = 'cron'\ncron = '30 15 * * 6-1'", "settings.toml:1", "is not understood"),
        ("[application.portfolio]\nthreshold_weight = 0.1\nthreshold_relative = 0.2", "settings.toml:1", "Keep one"),
        ("[application.portfolio]\ncurrency = 'usd'", "settings.toml:2", "in capital letters such as USD"),
        ("[observability]\nport = 70000", "settings.toml:2", "a number from 0 to 65535, was 70000"),
        ("[application]\nstate_dir = ''", "settings.toml:2", "text that is not empty"),
        ("[brokers.paper]\nisolation = 'process'", "settings.toml:2", 'Expected "none", was "process". Write "none".'),
        ("[application]\nrisk_rules = ['a', 'b', 'a']", "settings.toml:2", 'The risk rule "a" is named twice.'),
        ("[brokers.paper]\ntimeout = 0", "settings.toml:2", "a number above 0 and up to 86400, was 0"),
        ("[brokers.paper]\nenabled = 'no'", "settings.toml:2", "Write false."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_where_what_was_expected_and_what_to_write(make, text, where, said):
    message = told(make, text)
    assert message.startswith(where)
    assert said in message
    assert "pydantic" not in message.lower()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[application]\nbrokr = 'paper'", "There is no setting 'brokr' in [application]. Did you mean 'broker'?"),
        ("[application]\npipeline = []", "It belongs to application.models.pipeline."),
        ("[application]\nsymbols = []", "It belongs to application.coverage.symbols."),
        ("[trading]\nlive = true", "Allowed here: accept_uncertified, dry_run, mode, require_demo."),
        ("[application.schedule]\nrun_for_ever = true", "Did you mean 'run_forever'?"),
        ("[books.b]\nbroker = 'x'\nseed = 1", "It belongs to application.seed."),
    ],
)
def test_F86_an_unknown_key_at_any_level_is_an_error_with_the_nearest_name(make, text, said):
    message = told(make, text)
    assert f"settings.toml:{text.count(chr(10)) + 1}" in message
    assert said in message
    assert "Allowed here: " in message


def test_every_fault_is_told_at_once(make):
    message = told(make, "[trading]\nmode = 1\ndry_run = 2\n[application]\nx = 3\n[books.b]\n")
    for line in (2, 3, 5, 6):
        assert f"settings.toml:{line}" in message


def test_settings_are_frozen(make):
    settings = make("[application.coverage]\nsymbols = ['A']\n")
    with pytest.raises(ValidationError):
        settings.trading.mode = "live"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.application.portfolio.allow_short = True  # type: ignore[misc]
    assert isinstance(settings.application.coverage.symbols, tuple)


# ---- plugin tables --------------------------------------------------------------------------------------------------
def test_a_table_is_an_instance_and_keeps_its_own_options_apart_from_the_cores_keys(make):
    settings = make("""
[brokers.alpaca]
[brokers.alpaca_ira]
plugin = "alpaca"
connection = "ira"
enabled = false
timeout = 2.5
cash = 5
name = "an option of its own"
""")
    plain, second = settings.table("brokers", "alpaca"), settings.table("brokers", "alpaca_ira")
    assert (plain.plugin, plain.connection, plain.enabled, plain.options) == ("alpaca", "alpaca", True, {})
    assert (second.name, second.plugin, second.connection) == ("alpaca_ira", "alpaca", "ira")
    assert (second.enabled, second.timeout) == (False, 2.5)
    assert second.options == {"cash": 5, "name": "an option of its own"}
    assert second.origin == "settings.toml:3"
    assert list(settings.tables("brokers")) == ["alpaca", "alpaca_ira"]
    unwritten = settings.table("strategies", "momentum")
    assert (unwritten.written, unwritten.plugin, unwritten.enabled) == (False, "momentum", True)


def test_symbols_may_be_keys_inside_an_option(make):
    settings = make("[risk_rules.max_order_notional.per_symbol]\n'BRK.B' = 5\nAAPL = 6\n")
    assert settings.table("risk_rules", "max_order_notional").options["per_symbol"] == {"BRK.B": 5, "AAPL": 6}


class Limit(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: Decimal = Field(gt=0, description="In the book's currency.")


def test_a_plugins_own_options_are_explained_the_same_way(make, tmp_path):
    make("[risk_rules.max_order_notional]\nlimt = 5\n")
    read = raw(tmp_path / "settings.toml", environ={})
    with pytest.raises(SettingsError) as caught:
        validate(Limit, {"limt": 5}, ("risk_rules", "max_order_notional"), read)
    message = str(caught.value)
    assert "settings.toml:2  risk_rules.max_order_notional.limt" in message
    assert "Did you mean 'limit'?" in message
    assert "'limit' is missing" in message
    with pytest.raises(SettingsError, match=r"Expected a number above 0, was 0\."):
        validate(Limit, {"limit": 0}, ("risk_rules", "max_order_notional"), read)
    assert validate(Limit, {"limit": 0.1}, ("risk_rules", "x"), read).limit == Decimal("0.1")


# ---- the allocator's two names, and books ---------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["allocator = 'equal'", "portfolio.allocator = 'equal'",
                                  "allocator = 'equal'\nportfolio.allocator = 'equal'"])  # fmt: skip
def test_the_allocator_has_two_names(make, text):
    application = make(f"[application]\n{text}\n").application
    assert application.allocator == application.portfolio.allocator == "equal"


def test_two_different_allocators_are_refused(make):
    message = told(make, "[application]\nallocator = 'equal'\nportfolio.allocator = 'proportional'\n")
    assert "settings.toml:3  application.portfolio.allocator" in message
    assert "settings.toml:2" in message


BOOKS = """
[application]
broker = "paper"
data = "sample"
allocator = "equal"
state_dir = "var"
seed = 7
[application.coverage]
symbols = ["A", "B"]
[application.portfolio]
threshold_weight = 0.05
cash_buffer = 0.02
[books.second]
broker = "paper_2"
portfolio.allocator = "proportional"
portfolio.threshold_relative = 0.2
coverage.symbols = ["C"]
"""


def test_a_book_inherits_what_it_does_not_say(make):
    settings = make(BOOKS)
    main, second = settings.book("main"), settings.book("second")
    assert settings.book_names == ("main", "second")
    assert (second.broker, second.data, second.allocator) == ("paper_2", "sample", "proportional")
    assert second.coverage.symbols == ("C",)
    assert second.portfolio.cash_buffer == 0.02
    assert (second.portfolio.threshold_weight, second.portfolio.threshold_relative) == (None, 0.2)
    assert (main.allocator, main.portfolio.threshold_weight) == ("equal", 0.05)
    assert main is settings.application
    with pytest.raises(KeyError):
        settings.book("third")


@pytest.mark.parametrize(
    ("own", "trigger", "cron"),
    [
        ("schedule.trigger = 'interval'", "interval", None),
        ("schedule.trigger = 'cron'", "cron", "30 15 * * mon-fri"),
        ("schedule.timezone = 'America/New_York'", "cron", "30 15 * * mon-fri"),
        ("schedule.cron = '0 9 * * *'", "cron", "0 9 * * *"),
    ],
)
def test_a_book_may_have_another_trigger_than_the_cron_of_main(make, own, trigger, cron):
    schedule = "[application.schedule]\ntrigger = 'cron'\ncron = '30 15 * * mon-fri'\n"
    second = make(f"{schedule}[books.second]\nbroker = 'paper_2'\n{own}\n").book("second").schedule
    assert (second.trigger, second.cron) == (trigger, cron)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[application]\nbroker = 'a'\n[books.b]\ndata = 'x'\n", "names no broker"),
        ("[application]\nbroker = 'a'\n[books.b]\nbroker = 'a'\n", "belongs to the book 'main'"),
        ("[books.b]\nbroker = 'a'\n[books.c]\nbroker = 'a'\n", "belongs to the book 'b'"),
        ("[books.main]\nbroker = 'a'\n", "is what [application] describes"),
        ("[books.session]\nbroker = 'a'\n", "No book can be called 'session'"),
        ("[books.b]\nbroker = ['a']\n", 'settings.toml:2  books.b.broker\n  Expected text in quotes, was ["a"].'),
        ("[books.b]\nbroker = { name = 'a' }\n", 'Expected text in quotes, was {name = "a"}.'),
    ],
)
def test_a_book_without_an_account_of_its_own_is_refused(make, text, said):
    assert said in told(make, text)


def test_an_inherited_fault_is_told_once_where_it_is_written(make):
    message = told(make, "[application]\nmax_data_age = 0\n[books.b]\nbroker = 'x'\n")
    assert message.count("settings.toml") == 1
    assert message.startswith("settings.toml:2")


def test_a_fault_of_a_book_alone_is_told_in_the_book(make):
    message = told(make, "[books.b]\nbroker = 'x'\nmodels.pipeline = [{drop_threshold = 0.1}]\n")
    assert "settings.toml:3" in message
    assert "'name' is missing" in message


def test_every_setting_has_a_description():
    waiting, seen = [Settings], set()
    while waiting:
        model = waiting.pop()
        seen.add(model)
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel) and inner not in seen:
                waiting.append(inner)
    assert len(seen) >= 9


class Either(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: Annotated[Decimal, Field(gt=0)] | Literal["unlimited"] = Field(description="A limit.")
    per_symbol: dict[str, int] | None = None


def test_a_choice_between_kinds_of_values_is_one_fault(make, tmp_path):
    make("[risk_rules.x]\nlimit = 0\nper_symbol = {A = 'b'}\n")
    read = raw(tmp_path / "settings.toml", environ={})
    with pytest.raises(SettingsError) as caught:
        validate(Either, {"limit": 0, "per_symbol": {"A": "b"}}, ("risk_rules", "x"), read)
    message = str(caught.value)
    assert 'settings.toml:2  risk_rules.x.limit\n  Expected a number above 0 or "unlimited", was 0.' in message
    assert "settings.toml:3  risk_rules.x.per_symbol.A\n  Expected a whole number" in message
    assert message.count("settings.toml") == 2
