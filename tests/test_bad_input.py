"""Bad input gets a clear answer: an exit code, who and where, what was expected and what it was; never a traceback.

Every case runs the program's own `main`; the first test runs one of each kind as a person does, in a process.
"""

import json
from pathlib import Path

import pytest
from trader.clock import SystemClock

STRATEGY = """
import numpy as np
from pydantic import BaseModel
from trader.hookspecs import hookimpl
from trader.model import Signals, Weights


class Settings(BaseModel, extra="forbid"):
    fast: int = 5


class Mine:
    lookback = 3

    def score(self, history):
        {answer}
{more}

@hookimpl
def provide_strategy(settings, env):
    {provide}
"""


def strategy(answer="return Signals(1.0)", more="", provide="return Mine()"):
    return STRATEGY.format(answer=answer, more=more, provide=provide)


def refused(done, code, *words):
    """It ended with this code, said all this on stderr, and nothing else happened."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in done.stderr, (word, done.stderr)
    return done


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("data = ", "dta = ", 2, "dta"),
        ("buy_and_hold", "nobody", 3, "nobody"),
        ("[data_sources.tape]", '[data_sources.tape]\nfault = "zero"', 4, "expected a finite open above 0"),
        ('mode = "paper"', 'mode = "live"', 6, "Not certified: paper"),
    ],
)
def test_a_process_ends_with_the_code_of_its_error_and_no_traceback(place, base, old, new, code, words):
    place.settings(base.replace(old, new))
    refused(place.program("run"), code, words)


# ---- the settings file ---------------------------------------------------------------------------------------------
def test_settings_that_are_absent(place):
    refused(place.trader("run"), 2, "settings.toml", "trader init")
    assert not (place.folder / "var").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(b"", ["settings.toml"], id="empty"),
        pytest.param(b'[trading]\nmode = "pap', ["settings.toml:2"], id="half-written"),
        pytest.param(b"[application]\n[application.cov", ["settings.toml:2"], id="half a table"),
        pytest.param(b'[trading]\nmode = "pa\x00per"\n', ["settings.toml:2", "NUL"], id="NUL"),
        pytest.param(b'[trading]\nmode = "\xff\xfe"\n', ["settings.toml", "UTF-8"], id="not UTF-8"),
    ],
)
def test_settings_that_are_no_settings(place, text, words):
    place.settings(text)
    refused(place.trader("run"), 2, *words)


def test_settings_that_are_a_folder(place):
    place.settings_file.mkdir()
    refused(place.trader("run"), 2, "settings.toml")


def test_settings_with_a_byte_order_mark_are_read_or_refused_in_words(place, base):
    place.settings(b"\xef\xbb\xbf" + base.encode())
    done = place.trader("run", "--once", "--json")
    assert "Traceback" not in done.stderr
    if done.returncode == 0:
        assert json.loads(done.stdout.splitlines()[-1])["cycles"] == 1
    else:
        refused(done, 2, "settings.toml", "byte order mark")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("data = ", "dta = ", ["settings.toml:", "dta", "data"]),
        ("[application.coverage]", "[application.covrage]", ["settings.toml:", "covrage", "coverage"]),
        ("[trading]", "[Trading]", ["settings.toml:2", "Trading", "trading"]),
        ("mode = ", "Mode = ", ["settings.toml:3", "Mode", "mode"]),
        ("mode = ", '"mode " = ', ["settings.toml:3", "mode", "space"]),
        ("mode = ", "trading__mode = ", ["settings.toml:3", "__"]),
        ('"paper"\n\n[app', '"@format {env[HOME]}"\n\n[app', ["settings.toml:3", "@"]),
        ('"paper"\n\n[app', '"@read_file /etc/passwd"\n\n[app', ["settings.toml:3", "@"]),
        ('"paper"\n\n[app', '"live_please"\n\n[app', ["settings.toml:3", "live_please", "paper", "live"]),
        ('["AAA", "BBB"]', '"AAA"', ["settings.toml:", "symbols"]),
        ('["AAA", "BBB"]', "[1, 2]", ["settings.toml:", "symbols"]),
        ('["AAA", "BBB"]', "[]", ["symbols"]),
        ("[brokers.paper]", '[brokers.paper]\ncash = "much"', ["settings.toml:", "cash", "much"]),
        ("[brokers.paper]", "[brokers.paper]\ncsh = 5", ["settings.toml:", "csh", "cash"]),
        (
            "[brokers.paper]",
            '[application.portfolio]\nthreshold_weight = "2%"\n[brokers.paper]',
            ["threshold_weight", '"2%"', "0 to 1"],
        ),
        (
            "[brokers.paper]",
            "[application.portfolio]\nthreshold_weight = nan\n[brokers.paper]",
            ["threshold_weight", "nan"],
        ),
        ('[{ name = "buy_and_hold" }]', "[]", ["pipeline", "empty"]),
        ('name = "buy_and_hold"', 'nme = "buy_and_hold"', ["settings.toml:", "nme", "name"]),
    ],
)
def test_a_setting_that_is_wrong_names_file_key_and_what_was_meant(place, base, old, new, words):
    assert old in base
    place.settings(base.replace(old, new, 1))
    refused(place.trader("run"), 2, *words)


def test_an_environment_variable_that_is_misspelt(place, base):
    place.settings(base)
    refused(place.trader("run", TRADER_TRADING__MOD="paper"), 2, "TRADER_TRADING__MOD", "mode")


@pytest.mark.parametrize("key", ["trading.mod=paper", "trading.mode", "=x", "trading.dry_run=perhaps"])
def test_an_override_that_is_wrong(place, base, key):
    place.settings(base)
    refused(place.trader("run", "--set", key), 2, key.split("=")[0] or "--set")


def test_live_is_refused(place, base):
    place.settings(base.replace('mode = "paper"', 'mode = "live"'))
    refused(place.trader("run"), 6, "Not certified: paper: it has no certificate", "settings.toml:3")
    taken_on = 'trading.accept_uncertified=["paper"]'
    refused(place.trader("run", "--set", taken_on), 6, "Live trading is refused", "settings.toml:3")
    place.settings(base)
    refused(place.trader("run", "--live"), 6, "Live trading is refused", "--live")


@pytest.mark.parametrize(
    "arguments", [["runn"], ["run", "--cycles", "0"], ["run", "--pace", "-1"], ["run", "--once", "--cycles", "3"]]
)
def test_a_command_line_that_makes_no_sense(place, base, arguments):
    place.settings(base)
    refused(place.trader(*arguments), 2)


# ---- plugins -------------------------------------------------------------------------------------------------------
def mine(base):
    return base.replace("buy_and_hold", "mine")


def test_a_plugin_that_is_missing(place, base):
    place.settings(base.replace("buy_and_hold", "by_and_hold"))
    done = refused(place.trader("run"), 3, "by_and_hold", "buy_and_hold", "trend_following", "settings.toml")
    assert "pip install" not in done.stderr


def test_a_plugin_that_two_distributions_bring(place, base):
    place.install("strategies", "mine", strategy())
    place.install("strategies", "mine", strategy(), distribution="other-mine", module="other_mine")
    place.settings(mine(base))
    refused(place.trader("run"), 3, "my-mine", "other-mine")


def test_a_plugin_of_another_api(place, base):
    place.install("strategies", "mine", strategy(), '[strategy.mine]\napi = 99\nsummary = "From the future"\n')
    place.settings(mine(base))
    refused(place.trader("run"), 3, "my-mine", "API 99", "API 1")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_of_that_name\n", ["nothing_of_that_name"]),
        ("def broken(:\n", ["line 1"]),
        ("raise SystemExit(3)\n", ["SystemExit"]),
        ("x = 1\n", ["provide_strategy"]),
        (strategy().replace("provide_strategy", "provide_stratgy"), ["provide_stratgy", "provide_strategy"]),
        (strategy().replace('extra="forbid"', 'extra="ignore"'), ["forbid"]),
        (strategy(provide="raise RuntimeError('no licence')"), ["provide_strategy", "RuntimeError", "no licence"]),
        (strategy(provide="raise SystemExit(1)"), ["provide_strategy", "SystemExit"]),
        (strategy(provide="return None"), ["provide_strategy"]),
        (strategy(provide="return object()"), ["score"]),
        (strategy().replace("lookback = 3", "lookback = 0"), ["lookback"]),
        (strategy().replace("lookback = 3", "lookback = 'x'"), ["lookback"]),
    ],
    ids=[
        "missing import", "syntax", "exits at import", "no hook", "misspelt hook", "lax settings", "raises in provide",
        "exits in provide", "provides nothing", "provides nonsense", "lookback 0", "lookback text",
    ],
)  # fmt: skip
def test_a_plugin_that_is_broken(place, base, source, words):
    place.install("strategies", "mine", source)
    place.settings(mine(base))
    refused(place.trader("run"), 3, "mine", *words)


# ---- plugins in a hot call: the run goes on, everything is held, and it is told --------------------------------------
def faults(place):
    """What the log says about plugins."""
    lines = (place.folder / "var" / "logs" / "trader.jsonl").read_text("utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["event"] in ("plugin_fault", "observer_fault", "note")]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("return Signals([float('inf')] * len(history.symbols))", "Expected a score from -1 to 1 or NaN"),
        ("return Signals([1.0])", "Expected a score of shape (2,), one for each symbol, was (1,)"),
        ("return Signals(2.0)", "Expected a score from -1 to 1 or NaN"),
        ("return Weights([0.9, 0.9])", "sum to at most 1, was 1.8"),
        ("return None", "Expected Signals or Weights, was NoneType"),
        ("return Signals(history.close[14])", "IndexError"),
        ("raise SystemExit(5)", "SystemExit"),
        ("history.close[0] = 1", "read-only"),
    ],
    ids=["infinite", "shape", "range", "weights over the limit", "None", "raises", "exits", "writes"],
)
def test_a_strategy_that_answers_nonsense_holds_everything(place, base, answer, words):
    place.install("strategies", "mine", strategy(answer))
    place.settings(mine(base) + "rows = 8\n")
    done = place.trader("run", "--json")
    assert done.returncode == 0 and "Traceback" not in done.stderr + done.stdout, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["cycles"] == 8 and summary["orders"] == 0 and summary["faults"] >= 3
    told = [event["text"] for event in faults(place) if event["event"] == "plugin_fault"]
    assert words in told[0] and "mine" in told[0] and "score(history)" in told[0]


def test_a_strategy_without_any_opinion_holds_everything_and_says_so(place, base):
    place.install("strategies", "mine", strategy("return Signals(float('nan'))"))
    place.settings(mine(base) + "rows = 6\n")
    summary = place.json("run")
    assert summary["orders"] == 0 and summary["faults"] == 0
    assert any("no opinion on any of 2 symbols" in event["text"] for event in faults(place))


def test_an_observer_that_raises_stops_nothing(place, base):
    more = "    def on_cycle(self, decision):\n        raise SystemExit('I leave')\n"
    more += "    def on_fill(self, fill):\n        1 / 0\n"
    place.install("strategies", "mine", strategy("return Signals(1.0)", more))
    place.settings(mine(base) + "rows = 8\n")
    summary = place.json("run")
    assert summary["cycles"] == 8 and summary["fills"] >= 2
    hooks = {event["hook"] for event in faults(place) if event["event"] == "observer_fault"}
    assert hooks == {"on_cycle", "on_fill"}


# ---- bars ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("duplicate", ["order of time, once each", "row 20"]),
        ("order", ["order of time, once each"]),
        ("zero", ["AAA", "2024-01-22", "open", "0"]),
        ("negative", ["AAA", "expected a finite open above 0", "-1"]),
        ("nan", ["AAA", "expected a finite open above 0", "nan"]),
        ("infinite", ["AAA", "expected a finite open above 0", "inf"]),
        ("shape", ["Expected volume of shape (40, 2)", "(39, 2)"]),
        ("empty", ["no 1d bars"]),
    ],
)
def test_bars_that_nobody_can_trade_on(place, base, fault, words):
    place.settings(base + f'fault = "{fault}"\n')
    refused(place.trader("run"), 4, "tape", *words)


def test_a_missing_bar_is_carried_and_the_run_goes_on(place, base):
    place.settings(base + 'fault = "missing"\n')
    summary = place.json("run")
    assert summary["cycles"] == 40 and summary["faults"] == 0


def test_a_data_source_that_raises(place, base):
    place.settings(base + 'fault = "raises"\n')
    refused(place.trader("run"), 3, "tape", "bars()", "ValueError", "the disk is on fire")


def test_a_symbol_that_the_source_does_not_have(place, base):
    place.settings(base.replace('"BBB"', '"BBBB"'))
    refused(place.trader("run"), 4, "tape", "BBBB", "AAA, BBB")


HEAD = "time,open,high,low,close,volume\n"
GOOD = [f"2024-01-{day:02d},10,11,9,10,1000\n" for day in range(1, 9)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param([*GOOD[:4], GOOD[3], *GOOD[4:]], ["AAA.csv"], id="duplicate"),
        pytest.param([*GOOD[:4], "2024-01-05,0,11,9,10,1000\n"], ["AAA.csv", "open"], id="zero"),
        pytest.param([*GOOD[:4], "2024-01-05,-3,11,9,10,1000\n"], ["AAA.csv", "open"], id="negative"),
        pytest.param([*GOOD[:4], "2024-01-05,10,11,9,x,1000\n"], ["AAA.csv"], id="text"),
        pytest.param([*GOOD[:4], "2024-01-05,10,9,11,10,1000\n"], ["AAA.csv"], id="high below low"),
        pytest.param([], ["AAA.csv"], id="no rows"),
    ],
)
def test_a_file_of_bars_that_is_malformed(place, base, rows, words):
    folder = place.folder / "bars"
    folder.mkdir()
    (folder / "AAA.csv").write_text(HEAD + "".join(rows), encoding="utf-8")
    text = base.replace('"tape"', '"files"').replace('["AAA", "BBB"]', '["AAA"]')
    table = '[data_sources.files]\nfolder = "bars"\ntimezone = "UTC"\nlabel = "start"\n'
    place.settings(text.replace("[data_sources.tape]\n", table))
    refused(place.trader("run"), 4, *words)


# ---- two at once ---------------------------------------------------------------------------------------------------
def test_a_second_session_on_one_state_folder_is_refused_and_the_first_goes_on(place, base):
    place.settings(base)
    first = place.start("run", "--hold")
    try:
        for _ in range(200):
            lock = Path(str(place.database) + ".lock")
            if lock.exists() and lock.read_bytes().startswith(str(first.pid).encode()):
                break
            assert first.poll() is None, first.communicate()
            SystemClock().sleep(0.05)
        refused(place.program("run"), 6, "Another session runs", str(first.pid), "trader.db")
        assert first.poll() is None
        assert place.trader("release").returncode == 0
        out, err = first.communicate(timeout=60)
        assert first.returncode == 0 and "40 cycles" in out, err
    finally:
        if first.poll() is None:
            first.kill()
            first.communicate()


def test_a_state_folder_that_cannot_be_one(place, base):
    place.settings(base)
    place.database.parent.write_text("a file where the folder should be")
    refused(place.trader("run"), 2, "application.state_dir", "cannot be written", str(place.database.parent))


def test_state_that_is_damaged(place, base):
    place.settings(base)
    place.json("run", "--once")
    place.database.write_bytes(b"this is no database" * 100)
    refused(place.trader("run"), 5, "trader.db")
    assert place.database.read_bytes().startswith(b"this is no database"), "what was there is not touched"
