"""Certificates: what a suite said, kept beside the settings, and worth something only for the files that it was of."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from trader.cli import trader
from trader.errors import PluginBroken, Refused, SettingsError
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
        "broker", "paper", paper.distribution, paper.version, 1, digest(paper), "simulated", NOW, {"python": "3"}, cases
    )


def test_a_certificate_is_read_as_it_was_written(tmp_path, good):
    certificate.write(tmp_path, good)
    assert certificate.read(tmp_path, "broker", "paper") == good
    assert certificate.read(tmp_path, "broker", "alpaca") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cases": 1}', '{"cases": [], "date": "yesterday"}', "null"])
def test_a_damaged_certificate_certifies_nothing(tmp_path, good, text):
    certificate.write(tmp_path, good).write_text(text)
    with pytest.raises(SettingsError, match="trader plugins certify paper"):
        certificate.read(tmp_path, "broker", "paper")


def test_a_certificate_holds_for_the_files_and_the_version_that_it_names(paper, good):
    assert certificate.problem(paper, good) is None
    assert certificate.problem(paper, None) == "it has no certificate"
    assert "files changed" in certificate.problem(paper, replace(good, sha256="0" * 64))
    assert "0.0.9" in certificate.problem(paper, replace(good, version="0.0.9"))
    failed = replace(good, cases=[*good.cases, Case("BC-02", "begins clean", "failed", "it did not")])
    assert certificate.problem(paper, failed) == "1 cases failed on 2026-11-21"
    assert "0 cases failed" in certificate.problem(paper, replace(good, cases=[]))  # nothing asked is nothing proven


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
    assert "0 failed" in lines[-1] and "certificates/broker.paper.json" in lines[-1]
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
    assert done.exit_code == 0 and json.loads(done.output)["kind"] == "strategy"


def test_a_case_that_fails_is_exit_code_3_and_no_certificate(place, monkeypatch):
    from trader_broker_paper.broker import PaperBroker

    monkeypatch.setattr(PaperBroker, "orders", lambda self: ())
    done = run("plugins", "certify", "broker.paper")
    assert done.exit_code == 3 and "BC-04  FAIL" in done.output and "Live mode refuses it" in done.output
    assert "not certified: " in run("plugins", "list").output


def test_certify_names_what_it_does_not_find(place):
    done = run("plugins", "certify", "papper")
    assert "Did you mean" in str(done.exception)


def test_a_plugin_with_a_problem_is_not_asked(paper):
    from trader.testing.certify import certify

    with pytest.raises(PluginBroken, match="needs 'nothing'"):
        certify(replace(paper, problem="needs 'nothing'"), told=print, now=NOW)


def test_live_refuses_a_broker_without_a_certificate_unless_somebody_takes_it_on(place, good, monkeypatch):
    settings = load(place / "settings.toml", overrides=['trading.mode="live"'])
    with pytest.raises(Refused, match="paper: it has no certificate"):
        refuse_uncertified(settings, catalogue())
    accepted = load(place / "settings.toml", overrides=['trading.accept_uncertified=["paper"]'])
    refuse_uncertified(accepted, catalogue())
    certificate.write(place, good)
    refuse_uncertified(settings, catalogue())
    certificate.write(place, replace(good, sha256="0" * 64))
    with pytest.raises(Refused, match="files changed"):
        refuse_uncertified(settings, catalogue())
