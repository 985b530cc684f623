"""trader emulate: what it says, what it refuses, and the faults and prices that it begins with."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from datetime import timedelta
from decimal import Decimal

import pytest
import trader_emulators
from trader.cli import main
from trader.simulation import Faults
from trader_emulators import announcement, command, mischief, recording
from trader_emulators.emulator import HEADER

VENUES = ("alpaca", "binance", "binance_futures", "mt5", "robinhood")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRADER_SETTINGS", raising=False)


@pytest.fixture
def started(monkeypatch):
    """The venues that a command line starts, kept as they are instead of waited for."""
    setups = []
    real = trader_emulators.emulate

    def emulate(name, setup=None):
        setups.append(setup)
        return real(name, setup)

    monkeypatch.setattr(trader_emulators, "emulate", emulate)
    monkeypatch.setattr(command, "_wait", lambda ended: None)
    return setups


@pytest.fixture
def typed(capsys):
    """Type `trader emulate ...`: (exit code, stdout, stderr)."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(["emulate", *words])
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return run


def between(text, first, last):
    return text.partition(first)[2].partition(last)[0]


# ---- what it says ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", VENUES)
def test_each_venue_runs_and_says_what_to_paste(name, started, typed):
    code, out, err = typed(name, "--port", "0")
    assert (code, err) == (0, "")
    assert "until Ctrl-C: an offline paper venue." in out
    settings = tomllib.loads(between(out, "Into settings.local.toml:", "Into .env"))
    assert settings["application"]["broker"] == settings["application"]["data"] == name
    assert settings["brokers"][name] and settings["data_sources"][name]
    assert settings["application"]["coverage"]["symbols"]
    assert started[0].seed == 0 and started[0].faults is None
    assert out.rstrip().splitlines()[-1].startswith("Closed after 0 orders and 0 fills, with 100000")


@pytest.mark.parametrize("name", VENUES)
def test_what_it_says_to_paste_fits_the_plugins_of_that_name(name, started, typed):
    from trader.plugins import catalogue, load, options_of

    said = json.loads(typed(name, "--port", "0", "--json")[1])
    for kind, options in (("broker", said["options"]), ("data_source", said["data_options"])):
        plugin = catalogue().get(kind, name)
        options_of(load(plugin), options, instance=name)
        asked = set(plugin.permissions.secrets)  # a data source that asks for none takes public data
        assert asked & set(said["secrets"]) or not asked


@pytest.mark.parametrize("name", VENUES)
def test_the_bars_that_it_says_to_trade_are_bars_of_that_source(name, monkeypatch, tmp_path):
    """Pasted as it is printed, the source answers: while it runs, with the keys that it names."""
    from trader.env import World
    from trader.model import Bars
    from trader.plugins import catalogue, provide

    with contextlib.closing(trader_emulators.emulate(name)) as venue:
        options = dict(getattr(venue, "data_options", venue.options))
        plugin, world = catalogue().get("data_source", name), World(tmp_path, tmp_path / "var", environ=venue.secrets)
        door = world.door(name, distribution=plugin.distribution, secrets=plugin.permissions.secrets)
        source = provide(plugin, options, door, instance=name).object
        try:
            assert source.open() is None
            now = world.clock.now()
            size, symbols = announcement.SHORTEST.get(name, "1m"), list(venue.market.symbols[:2])
            assert isinstance(source.bars(symbols, size, now - timedelta(hours=1), now), Bars)
        finally:
            source.close()
            world.close()


def test_json_is_one_object_for_programs(started, typed):
    code, out, err = typed("alpaca", "--port", "0", "--json", "--cash", "5_000.50")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert said["venue"] == "alpaca" and said["cash"] == "5000.50" and said["faults"] == "none"
    assert said["address"] == said["options"]["url"]


def test_it_keeps_the_port_that_it_has_each_time():
    assert command.PORTS.keys() == {*VENUES}
    assert len(set(command.PORTS.values())) == len(VENUES)


@contextlib.contextmanager
def emulating(folder):
    """`trader emulate alpaca` as a program of its own."""
    program = [sys.executable, "-u", "-c", "from trader.cli import main; main()", "emulate", "alpaca", "--port", "0"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as running:
        yield running


def test_it_answers_until_ctrl_c_and_says_that_it_closed(tmp_path):
    with emulating(tmp_path) as running:
        first = running.stdout.readline()
        line = http.client.HTTPConnection(between(first, "emulated at http://", " until"), timeout=10)
        line.request("GET", "/v2/account")
        assert line.getresponse().headers[HEADER] == "alpaca"
        line.close()
        os.kill(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=20)
    assert running.returncode == 0, err
    assert "Closed after 0 orders" in out and "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_closes_for_who_ends_it_as_soon_as_it_says_that_it_runs(number, tmp_path):
    with emulating(tmp_path) as running:
        assert running.stdout.readline()
        os.kill(running.pid, number)
        out, err = running.communicate(timeout=20)
    assert running.returncode == 0, err
    assert "Closed after 0 orders" in out and "Traceback" not in err


# ---- what it refuses -------------------------------------------------------------------------------------------------
def test_an_unknown_venue_is_told_with_those_that_there_are(typed):
    code, _, err = typed("oanda")
    assert code == 3
    assert "There is no emulator 'oanda'; there is alpaca, binance" in err


def test_a_port_that_is_taken_is_told(typed):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = typed("alpaca", "--port", str(port))
    assert code == 2
    assert f"Port {port} cannot be opened" in err and "--port N" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cash", "much"], "expected an amount such as 100000"),
        (["--cash", "-1"], "above 0"),
        (["--cash", "nan"], "above 0"),
        (["--symbols", "AAPL=x"], "SYMBOL=PRICE"),
        (["--symbols", "AAPL=0"], "SYMBOL=PRICE"),
        (["--symbols", "=5"], "SYMBOL=PRICE"),
        (["--symbols", "NOPE=5"], "does not trade NOPE"),
        (["--tick", "0"], "0.01"),
        (["--data", "sample", "--symbols", "AAPL=5"], "--data has the prices"),
        (["--faults", "gone.toml"], "cannot be read"),
        (["--settings", "gone.toml", "--data", "sample"], "no such file"),
    ],
)
def test_what_makes_no_sense_is_told(words, said, typed):
    code, out, err = typed("alpaca", "--port", "0", *words)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


# ---- faults ----------------------------------------------------------------------------------------------------------
def test_faults_come_from_a_file(started, typed, tmp_path):
    (tmp_path / "bad.toml").write_text("submit_lost_reply = 0.25\nfill_lag = 2\nlate_seconds = 3.0\n")
    _, out, _ = typed("alpaca", "--port", "0", "--faults", "bad.toml")
    assert started[0].faults == Faults(submit_lost_reply=0.25, fill_lag=2.0, late_seconds=3.0)
    assert "faults   submit_lost_reply 0.25, fill_lag 2" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("submit_lost_replies = 0.1", "There is no fault 'submit_lost_replies'. Did you mean 'submit_lost_reply'?"),
        ("submit_lost = 2", "submit_lost must be in [0, 1]."),
        ("fill_lag = -1", "fill_lag must be 0 or more."),
        ("submit_lost = true", "submit_lost: expected a number, was True."),
        ("submit_lost = '1'", "submit_lost: expected a number, was '1'."),
        ("submit_lost = nan", "submit_lost must be in [0, 1]."),
        ("submit_lost = 0.6\nsubmit_late = 0.6", "sum to more than 1"),
        ("submit_lost", "It is not valid TOML"),
        ("[submit]\nlost = 1", "There is no fault 'submit'."),
    ],
)
def test_a_wrong_file_of_faults_is_told_with_its_name(text, said, typed, tmp_path):
    (tmp_path / "bad.toml").write_text(text)
    code, _, err = typed("alpaca", "--port", "0", "--faults", "bad.toml")
    assert code == 2
    assert err.startswith("bad.toml\n") and said in err


def test_a_seed_draws_prices_and_faults_the_same_each_time(started, typed):
    typed("alpaca", "--port", "0", "--seed", "7")
    assert started[0].seed == 7
    assert started[0].faults == mischief.draw(7) != mischief.draw(8)


def test_a_seed_beside_a_file_is_of_the_prices_and_the_dice_only(started, typed, tmp_path):
    (tmp_path / "bad.toml").write_text("query_lost = 0.01")
    typed("alpaca", "--port", "0", "--seed", "7", "--faults", "bad.toml")
    assert (started[0].seed, started[0].faults) == (7, Faults(query_lost=0.01))


def test_no_seed_is_no_fault():
    assert mischief.words(None) == "none" == mischief.words(Faults())


@pytest.mark.parametrize("seed", range(50))
def test_a_draw_is_a_bad_venue_and_not_a_dead_one(seed):
    faults = mischief.draw(seed)
    for call in ("submit", "cancel", "query"):
        assert not faults.odds(call) or faults.odds(call)[-1][0] < 0.3
    assert faults.lag <= mischief.LONGEST_LAG


# ---- prices ----------------------------------------------------------------------------------------------------------
def test_symbols_begin_where_they_are_told_or_at_the_venues_usual_price(started, typed):
    _, out, _ = typed("alpaca", "--port", "0", "--symbols", "AAPL=12.5, MSFT")
    probe, setup = started
    assert (probe.port, probe.prices, probe.tick_seconds) == (0, None, None)
    assert setup.prices["AAPL"] == 12.5 and setup.prices["MSFT"] > 0
    assert list(setup.prices) == ["AAPL", "MSFT"]
    assert "symbols  AAPL, MSFT\n" in out


def test_a_data_source_gives_the_prices_one_a_tick(started, typed):
    _, out, _ = typed("alpaca", "--port", "0", "--data", "sample", "--symbols", "MSFT")
    (setup,) = started
    closes = recording.closes("sample", "1d", ["MSFT"])["MSFT"]
    assert setup.prices == {"MSFT": closes[0]}
    assert list(setup.paths["MSFT"]) == closes[1:] and len(closes) > 3000
    assert "1d closes of 'sample', one a tick, then at random" in out


def test_of_a_data_source_that_has_more_the_venue_trades_what_it_knows(started, typed):
    typed("alpaca", "--port", "0", "--data", "sample")
    assert set(started[-1].prices) == {"AAPL", "MSFT"}


def test_a_data_source_with_nothing_that_the_venue_trades_is_told(started, typed):
    code, _, err = typed("binance", "--port", "0", "--data", "sample")
    assert code == 2
    assert "'sample' has AAPL" in err and "binance trades none of them" in err


def test_the_source_is_set_up_as_the_settings_have_it(started, typed, tmp_path):
    (tmp_path / "settings.toml").write_text(
        '[data_sources.mine]\nplugin = "sample"\nstart = 2012-06-01\nend = 2012-06-29\n'
    )
    typed("alpaca", "--port", "0", "--data", "mine", "--symbols", "AAPL")
    assert len(started[0].paths["AAPL"]) + 1 == 21


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--data", "nothing"], 3, "There is no data source 'nothing'."),
        (["--data", "sample", "--timeframe", "1m"], 7, "It has no 1m bars"),
        (["--data", "sample", "--symbols", "NOPE"], 4, "It has no bars of NOPE."),
    ],
)
def test_a_source_that_has_no_such_prices_is_told(words, code, said, typed):
    ended, _, err = typed("alpaca", "--port", "0", *words)
    assert ended == code
    assert said in err


def test_a_hole_repeats_the_close_before_it():
    import numpy as np

    assert recording._filled(np.array([np.nan, 2.0, np.nan, 0.0, 3.0])) == [2.0, 2.0, 2.0, 2.0, 3.0]
    assert recording._filled(np.array([np.nan, np.nan])) == []


def test_values_are_written_as_toml():
    for thing in ('a "b" \\ c', 5, 0.25, True, ["BTC/USDT"]):
        assert tomllib.loads(f"x = {announcement.value(thing)}")["x"] == thing
    assert announcement.value(Decimal("1.50")) == '"1.50"'
