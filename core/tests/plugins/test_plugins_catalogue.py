"""What is installed is found in metadata and manifests alone; what is wrong with it is said in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from trader import protocols
from trader.errors import PluginConflict, PluginMissing
from trader.plugins import API_VERSION, KINDS, catalogue, kind_of, status

POINT = {"trader.strategies": {"rising": "my_rising"}}


def test_the_api_version_of_a_listing_is_the_one_of_the_protocols():
    assert API_VERSION == protocols.API_VERSION


def test_every_protocol_of_every_kind_is_there_but_for_services():
    for kind in KINDS.values():
        for name in (*kind.protocols, *kind.optional):
            assert hasattr(protocols, name) or kind.word == "service", name


@pytest.mark.parametrize("said", ["risk_rule", "risk_rules", "risk rule", "risk-rule", "Risk_Rule"])
def test_a_kind_is_known_by_each_of_its_words(said):
    assert kind_of(said) is KINDS["risk_rule"]


def test_a_plugin_is_described_by_its_metadata_and_its_manifest(install, strategy):
    manifest = """
[strategy.rising]
api = 1
summary = "Buys what rises"
capabilities = { needs_bars = true, concurrency = 1 }
[strategy.rising.permissions]
submits_orders = false
secrets = ["A_KEY"]
hosts = ["example.org"]
"""
    install(files={"my_rising/__init__.py": strategy, "my_rising/plugin.toml": manifest})
    found = catalogue().get("strategy", "rising")
    assert (found.distribution, found.version, found.module) == ("my-rising", "0.3.2", "my_rising")
    assert (found.api, found.summary, found.manifest, found.problem) == (1, "Buys what rises", True, None)
    assert found.capabilities == {"needs_bars": True, "concurrency": 1}
    assert found.permissions == (False, ("A_KEY",), ("example.org",))
    assert status(found, enabled=True) == "enabled"
    assert status(found, enabled=False) == "disabled"


def test_a_one_file_plugin_without_a_manifest_has_its_metadata_and_no_permissions(installed):
    found = installed()
    assert (found.manifest, found.api, found.summary, found.problem) == (False, None, "A test", None)
    assert found.permissions == (False, (), ())


def test_finding_imports_no_plugin(install, site):
    bad = "raise SystemExit(9)"
    install(files={"my_rising/__init__.py": bad, "my_rising/plugin.toml": "[strategy.rising]\napi = 1\n"})
    assert catalogue().get("strategy", "rising").problem is None
    assert "my_rising" not in sys.modules


def test_finding_imports_no_heavy_library(site, install):
    install()
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from trader.plugins import catalogue\n"
        "assert 'rising' in catalogue().names('strategy')\n"
        "heavy = {'pydantic','stevedore','pluggy','numpy','dynaconf','sqlalchemy','msgspec','structlog','my_rising'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(site)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_missing_name_lists_what_is_near_and_what_is_installed(install):
    install()
    with pytest.raises(PluginMissing) as caught:
        catalogue().get("strategy", "risng", where="settings.toml:41  [strategies.risng]")
    text = str(caught.value)
    assert text.startswith("settings.toml:41  [strategies.risng]\n")
    assert "There is no strategy 'risng'. Did you mean 'rising' (my-rising 0.3.2)?" in text
    assert "Installed strategies: " in text
    assert "pip install" not in text


def test_a_missing_name_that_another_kind_has_says_so(install):
    install()
    with pytest.raises(PluginMissing, match=r"There is a strategy of that name \(my-rising 0\.3\.2\)"):
        catalogue().get("broker", "rising")


def test_F88_one_name_from_two_distributions_is_refused_and_both_are_named(install):
    # not adjacent: another distribution stands between them in every order
    install("a-first", points=POINT)
    install("b-between", points={"trader.strategies": {"between": "between"}}, files={"between.py": ""})
    install("c-last", points=POINT, version="2.0")
    found = catalogue()
    with pytest.raises(PluginConflict) as caught:
        found.get("strategy", "rising")
    assert "more than one distribution: a-first 0.3.2 and c-last 2.0" in str(caught.value)
    assert {status(plugin, enabled=True) for plugin in found.named("rising")} == {"broken"}
    assert found.get("strategy", "between").problem is None


def test_F88_a_stranger_that_shadows_a_core_plugin_is_refused(install):
    install("trader-broker-paper", points={"trader.brokers": {"paper_x": "px"}}, files={"px.py": ""})
    install("evil", points={"trader.brokers": {"paper_x": "evil"}}, files={"evil.py": ""})
    with pytest.raises(PluginConflict, match=r"evil 0\.3\.2 and trader-broker-paper 0\.3\.2"):
        catalogue().get("broker", "paper_x")


def test_the_same_name_in_two_kinds_is_two_plugins(install):
    install("one", points={"trader.strategies": {"same_x": "one"}}, files={"one.py": ""})
    install("two", points={"trader.risk_rules": {"same_x": "two"}}, files={"two.py": ""})
    assert [plugin.kind for plugin in catalogue().named("same_x")] == ["strategy", "risk_rule"]
    assert catalogue().get("risk_rule", "same_x").distribution == "two"


def test_a_distribution_that_lies_twice_on_the_path_counts_once(install, site, tmp_path, monkeypatch):
    later = tmp_path / "later"
    later.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(later)])
    install()
    install("My_Rising", version="9.9", site=later)
    assert catalogue().get("strategy", "rising").version == "0.3.2"


def test_two_entry_points_must_not_share_a_module(install):
    install(points={"trader.strategies": {"rising": "my_rising", "falling": "my_rising"}}, files={"my_rising.py": ""})
    problem = catalogue().get("strategy", "rising").problem
    assert problem is not None
    assert "'falling' (my-rising 0.3.2), strategy 'rising'" in problem
    assert "needs its own module" in problem


@pytest.mark.parametrize("name", ["Rising", "my-rising", "a__b", "_a", "9x"])
def test_a_name_that_no_settings_table_can_have_is_broken(install, name):
    install(points={"trader.strategies": {name: "my_rising"}})
    assert "must be snake_case" in str(catalogue().named(name)[0].problem)


@pytest.mark.parametrize(
    ("value", "words"),
    [("my_rising:provide", "must name a module"), ("gone_away", "module 'gone_away' is not there")],
)
def test_an_entry_point_that_leads_nowhere_is_broken(install, value, words):
    install(points={"trader.strategies": {"rising": value}})
    assert words in str(catalogue().get("strategy", "rising").problem)


def test_a_misspelt_group_is_reported_with_the_right_one(install):
    install(points={"trader.strategy": {"rising": "my_rising"}})
    faults = [fault for fault in catalogue().faults if fault.startswith("my-rising 0.3.2")]
    assert faults == ["my-rising 0.3.2: unknown entry point group 'trader.strategy'; did you mean 'trader.strategies'?"]


def test_entry_points_that_cannot_be_read_are_reported_and_the_others_listed(install, site):
    install()
    info = install("torn", points={})
    (info / "entry_points.txt").write_text("[trader.strategies]\nno value here\n")
    assert catalogue().get("strategy", "rising").problem is None
    assert any(fault.startswith("torn: ") or "torn" in fault for fault in catalogue().faults)


@pytest.mark.parametrize("file", ["entry_points.txt", "METADATA"])
def test_a_stranger_whose_metadata_is_no_utf8_keeps_nobody_out(install, file):
    install()
    info = install("caf-bar", points={"trader.strategies": {"bar": "bar"}}, files={"bar.py": ""})
    (info / file).write_bytes((info / file).read_bytes() + b"# caf\xe9\n")
    assert catalogue().get("strategy", "rising").problem is None


def test_F87_a_missing_dependency_is_told_without_an_import(install):
    install(requires=("pydantic>=2", "surely-not-there (>=1.0)", 'only-elsewhere; sys_platform == "none"'))
    found = catalogue().get("strategy", "rising")
    assert found.problem == "needs 'surely-not-there', which is not installed"
    assert status(found, enabled=True) == "broken"


def test_F87_another_plugin_api_is_incompatible(install, strategy):
    install(files={"my_rising/__init__.py": strategy, "my_rising/plugin.toml": "[strategy.rising]\napi = 99\n"})
    found = catalogue().get("strategy", "rising")
    assert status(found, enabled=True) == "incompatible"
    assert found.problem == f"written for plugin API 99; this trader has API {API_VERSION}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[strategy.rising", "plugin.toml is not valid TOML"),
        ("[strategies.rising]\napi = 1", "has a table [strategies]; expected one of broker"),
        ("strategy = 1", "must hold a table for each name"),
        ("[strategy.risng]\napi = 1", "has no table [strategy.rising]; it has [strategy.risng]"),
        ("[strategy.rising]\nsummary = 'x'", "[strategy.rising] lacks api"),
        ("[strategy.rising]\napi = '1'", "api: expected a whole number, was '1'"),
        ("[strategy.rising]\napi = true", "api: expected a whole number, was True"),
        ("[strategy.rising]\napi = 1\nsumary = 'x'", "unknown key 'sumary'; expected one of api, summary"),
        ("[strategy.rising]\napi = 1\nsummary = 3", "summary: expected a line of text, was 3"),
        ("[strategy.rising]\napi = 1\ncapabilities = []", "capabilities: expected a table, was []"),
        ("[strategy.rising.permissions]\nx = 1\n[strategy.rising]\napi = 1", "unknown key 'x'"),
        (
            "[strategy.rising]\napi = 1\npermissions = { submits_orders = 'no' }",
            "submits_orders: expected true or false",
        ),
        (
            "[strategy.rising]\napi = 1\npermissions = { secrets = 'KEY' }",
            "secrets: expected a list of names, was 'KEY'",
        ),
        ("[strategy.rising]\napi = 1\npermissions = { hosts = [1] }", "hosts: expected a list of names, was [1]"),
        ("strategy.rising = 1", "[strategy.rising] must be a table, was 1"),
        ("x = " + "9" * 5_000, "plugin.toml is not valid TOML"),
        ("x = " + "[" * 50_000, "plugin.toml is not valid TOML"),
    ],
)
def test_a_faulty_manifest_makes_a_plugin_broken_and_says_why(install, strategy, text, words):
    install(files={"my_rising/__init__.py": strategy, "my_rising/plugin.toml": text})
    found = catalogue().get("strategy", "rising")
    assert words in str(found.problem)
    assert status(found, enabled=True) == "broken"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("concurrency = 'four'", "concurrency: expected a whole number from 1 on, was 'four'"),
        ("concurrency = 0", "concurrency: expected a whole number from 1 on, was 0"),
        ("recorded = 'false'", "recorded: expected true or false, was 'false'"),
        ("late_arrival_bounded = 'no'", "late_arrival_bounded: expected true or false, was 'no'"),
        ("needs_bars = 1", "needs_bars: expected true or false, was 1"),
        ("sells_fund_buys = 'false'", "sells_fund_buys: expected true or false"),
        ("horizon_seconds = nan", "horizon_seconds: expected seconds from 0 on, was nan"),
        ("horizon_seconds = -1", "horizon_seconds: expected seconds from 0 on, was -1"),
        ("watch_seconds = '1d'", "watch_seconds: expected seconds from 0 on, was '1d'"),
        ("delay_seconds = inf", "delay_seconds: expected seconds from 0 on, was inf"),
        ("id_policy = 'open-only'", "id_policy: expected one of forever, open_only, none, was 'open-only'"),
        ("time_in_force = 'day'", "time_in_force: expected a list of names, was 'day'"),
    ],
)
def test_a_capability_that_the_core_cannot_read_makes_a_plugin_broken(install, strategy, text, words):
    """A truth in quotes counted as true, whatever it said; a word for a number ended the start."""
    manifest = f"[strategy.rising]\napi = 1\n[strategy.rising.capabilities]\nmine = 'anything'\n{text}\n"
    install(files={"my_rising/__init__.py": strategy, "my_rising/plugin.toml": manifest})
    found = catalogue().get("strategy", "rising")
    assert f"plugin.toml [strategy.rising.capabilities] {words}" in str(found.problem)
    assert status(found, enabled=True) == "broken"


def test_a_manifest_that_is_not_text_makes_a_plugin_broken(install, site):
    install()
    (site / "my_rising" / "plugin.toml").write_bytes(b"\xff\xfe")
    assert catalogue().get("strategy", "rising").problem == "plugin.toml is not UTF-8 text"


def test_metadata_without_a_name_is_no_crash(install):
    info = install()
    Path(info / "METADATA").write_text("")
    assert catalogue().get("strategy", "rising").distribution == "a distribution without a name"
