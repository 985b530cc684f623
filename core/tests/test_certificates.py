"""Certificates: what a suite said, kept beside the settings, and worth something only for the files that it was of."""

import json
import platform
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from trader.cli import trader
from trader.errors import PluginBroken, PluginMissing, Refused, SettingsError
from trader.plugins import catalogue, certificate
from trader.plugins.certificate import Case, Certificate
from trader.plugins.lock import digest
from trader.session.opening import refuse_uncertified
from trader.settings import load

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def paper():
    return catalogue().get("broker", "paper")


@pytest.fixture
def good(paper):
    cases = [Case("BC-01", "opens an account", "passed"), Case("BC-48", "never arrived", "skipped", "embedded = true")]
    return Certificate(
        "broker",
        "paper",
        paper.distribution,
        paper.version,
        1,
        digest(paper),
        "simulated",
        NOW,
        {"python": platform.python_version()},
        cases,
    )


def test_a_certificate_is_read_as_it_was_written(tmp_path, good):
    certificate.write(tmp_path, good)
    assert certificate.read(tmp_path, "broker", "paper") == good
    assert certificate.read(tmp_path, "broker", "alpaca") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cases": 1}', '{"cases": [], "date": "yesterday"}', "null"])
def test_a_damaged_certificate_certifies_nothing(tmp_path, good, text):
    certificate.write(tmp_path, good).write_text(text)
    with pytest.raises(SettingsError, match=r"trader plugins certify broker\.paper"):
        certificate.read(tmp_path, "broker", "paper")


@pytest.mark.parametrize(
    ("field", "value"), [("versions", []), ("versions", {"python": 3}), ("cases", [{"number": 1}]), ("version", None)]
)
def test_a_certificate_with_a_field_of_the_wrong_kind_is_damaged(tmp_path, good, field, value):
    path = certificate.write(tmp_path, good)
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(SettingsError, match="The certificate cannot be read"):
        certificate.read(tmp_path, "broker", "paper")


def test_a_certificate_that_cannot_be_written_is_told(tmp_path, good):
    (tmp_path / "certificates").write_text("a file")
    with pytest.raises(SettingsError, match="The certificate cannot be written"):
        certificate.write(tmp_path, good)


def test_a_certificate_holds_for_the_files_and_the_version_that_it_names(paper, good):
    assert certificate.problem(paper, good) is None
    assert certificate.problem(paper, None) == "it has no certificate"
    assert "files changed" in certificate.problem(paper, replace(good, sha256="0" * 64))
    assert "0.0.9" in certificate.problem(paper, replace(good, version="0.0.9"))
    failed = replace(good, cases=[*good.cases, Case("BC-02", "begins clean", "failed", "it did not")])
    assert certificate.problem(paper, failed) == "cases failed on 2026-11-21: 1"
    assert certificate.problem(paper, replace(good, cases=[])).endswith(": 0")  # nothing asked is nothing proven


@pytest.mark.parametrize("versions", [{"python": "2.7.18"}, {"msgspec": "0.0.1"}, {"no-such-distribution": "1.0"}])
def test_a_certificate_holds_for_the_python_and_the_libraries_that_it_names(paper, good, versions):
    (name,) = versions
    assert f"certified with {name} {versions[name]}" in certificate.problem(paper, replace(good, versions=versions))


def test_another_kit_does_not_undo_what_was_asked(paper, good):
    kit = {"trader-core": "0.0.1", "trader-emulators": "0.0.1", "python": f"{platform.python_version()}9"}
    assert certificate.problem(paper, replace(good, versions=kit)) is None


def test_what_was_asked_at_a_paper_account_is_kept_apart(tmp_path, good):
    certificate.write(tmp_path, good)
    asked_there = certificate.write(tmp_path, replace(good, venue="paper", cases=good.cases[:1]))
    assert asked_there.name == "broker.paper.paper.json"
    assert certificate.read(tmp_path, "broker", "paper") == good


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(trader, ["init"]).exit_code == 0
    return tmp_path


def run(*words):
    return CliRunner().invoke(trader, list(words))


def test_certify_asks_every_case_and_the_listing_shows_it(place):
    done = run("plugins", "certify", "broker.paper")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "  BC-04  ok    an order is there under its key" in lines
    assert any(line.startswith("  BC-48  -     never arrived: embedded = true") for line in lines)
    assert "0 failed" in lines[-2] and "certificates/broker.paper.json" in lines[-2]
    assert lines[-1].startswith("It is certified")
    kept = json.loads((place / "certificates" / "broker.paper.json").read_text())
    assert kept["venue"] == "simulated" and {"python", "trader-core"} <= set(kept["versions"])
    assert len([case for case in kept["cases"] if case["number"].startswith("BC")]) >= 60
    assert "certified 20" in run("plugins", "list").output
    assert "certified 20" in run("plugins", "show", "broker.paper").output
    assert (
        "certified 20"
        in {one["name"]: one["certificate"] for one in json.loads(run("plugins", "list", "--json").output)}["paper"]
    )


def test_certify_is_for_every_kind_that_has_a_suite(place):
    done = run("plugins", "certify", "trend_following", "--json")
    made = json.loads(done.output)
    assert done.exit_code == 0 and made["kind"] == "strategy"
    assert {case["number"][:2] for case in made["cases"]} == {"PL", "ST"}


def test_a_case_that_fails_is_exit_code_3_and_no_certificate(place, monkeypatch):
    from trader_broker_paper.broker import PaperBroker

    monkeypatch.setattr(PaperBroker, "orders", lambda self: ())
    done = run("plugins", "certify", "broker.paper")
    assert done.exit_code == 3 and "BC-04  FAIL" in done.output and "Live mode refuses it" in done.output
    assert "not certified: " in run("plugins", "list").output


def test_a_damaged_certificate_does_not_hide_the_listing(place):
    (place / "certificates").mkdir()
    (place / "certificates" / "broker.paper.json").write_text("{")
    done = run("plugins", "list")
    assert done.exit_code == 0 and "not certified: The certificate cannot be read" in " ".join(done.output.split())


def test_certify_asks_a_plugin_with_its_settings_table(place):
    done = run("plugins", "certify", "max_gross_exposure", "--json")
    assert done.exit_code == 0, done.output
    assert all(case["outcome"] == "passed" for case in json.loads(done.output)["cases"])


def test_certify_finds_files_beside_the_settings(place):
    (place / "bars").mkdir()
    rows = [f"2024-01-{day:02},{day},{day},{day},{day},1" for day in range(1, 21)]
    (place / "bars" / "AAPL.csv").write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    options = ('folder="bars"', 'timezone="UTC"', 'session="00:00-24:00"')
    words = [word for one in options for word in ("--set", f"data_sources.files.{one}")]
    done = run("plugins", "certify", "files", *words)
    assert done.exit_code == 0, done.output


def test_certify_says_what_is_wrong_in_a_line(place):
    done = run("plugins", "certify", "files")
    assert done.exit_code == 3 and "data_sources.files.folder" in done.output
    assert "'folder' is missing" in " ".join(line for line in done.output.splitlines() if "DS-" not in line)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("broker.alpaca", "--price", "3"), "go with --venue paper"),
        (("broker.alpaca", "--symbol", "MSFT"), "go with --venue paper"),
        (("broker.alpaca", "--venue", "paper"), "needs --price"),
        (("broker.paper", "--venue", "paper", "--price", "3"), "lives in this process"),
        (("sample", "--venue", "paper", "--price", "3"), "is for brokers"),
        (("broker.alpaca", "--venue", "paper", "--price", "abc"), "above 0"),
        (("broker.alpaca", "--venue", "paper", "--price", "-1"), "above 0"),
        (("broker.alpaca", "--venue", "paper", "--price", "NaN"), "above 0"),
    ],
)
def test_certify_refuses_options_that_make_no_sense(place, words, said):
    done = run("plugins", "certify", *words)
    assert done.exit_code != 0 and said in f"{done.output} {done.exception}"
    assert not (place / "certificates").exists()


def test_certify_names_the_emulator_that_is_not_installed(place, monkeypatch):
    monkeypatch.setattr("trader.testing.certify.emulators", list)
    done = run("plugins", "certify", "broker.alpaca")
    assert isinstance(done.exception, PluginMissing)
    assert "the emulator 'alpaca', which is not installed" in str(done.exception)
    assert not (place / "certificates").exists()


def test_a_suite_that_is_asked_in_part_certifies_nothing(place, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k bc_01")
    done = run("plugins", "certify", "broker.paper")
    assert isinstance(done.exception, PluginBroken) and "did not run whole" in str(done.exception)
    assert not (place / "certificates").exists()


def test_without_assertions_nothing_is_certified(place):
    code = "from trader.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-O", "-c", code, "plugins", "certify", "broker.paper"],
        capture_output=True, text=True, check=False, cwd=place,
    )  # fmt: skip
    assert done.returncode == 2 and "no case could fail" in done.stderr
    assert not (place / "certificates").exists()


def test_certify_names_what_it_does_not_find(place):
    done = run("plugins", "certify", "papper")
    assert "Did you mean" in str(done.exception)


def test_a_plugin_with_a_problem_is_not_asked(paper):
    from trader.testing.certify import certify

    with pytest.raises(PluginBroken, match="needs 'nothing'"):
        certify(replace(paper, problem="needs 'nothing'"), told=print, now=NOW)


def test_live_refuses_a_broker_without_a_certificate_unless_somebody_takes_it_on(place, good, monkeypatch):
    settings = load(place / "settings.toml", overrides=['trading.mode="live"'])
    with pytest.raises(Refused, match="paper: it has no certificate") as refused:
        refuse_uncertified(settings, catalogue())
    assert "trader plugins certify broker.paper" in refused.value.todo
    accepted = load(place / "settings.toml", overrides=['trading.accept_uncertified=["paper"]'])
    refuse_uncertified(accepted, catalogue())
    certificate.write(place, good)
    refuse_uncertified(settings, catalogue())
    certificate.write(place, replace(good, sha256="0" * 64))
    with pytest.raises(Refused, match="files changed"):
        refuse_uncertified(settings, catalogue())
