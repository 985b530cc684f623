"""trader plugins list | show | enable | disable | lock"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from trader.cli.plugins import plugins
from trader.errors import PluginBroken, PluginMissing, SettingsError, UsageError

SETTINGS = """# kept
[application.models]
pipeline = [{ name = "rising" }]  # kept too

[strategies.rising]
fast = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRADER_SETTINGS", raising=False)
    return tmp_path


@pytest.fixture
def run(folder):
    def call(*arguments: str):
        result = CliRunner().invoke(plugins, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result

    return call


def only(run, name: str) -> dict:
    (found,) = (record for record in json.loads(run("list", "--json").stdout) if record["name"] == name)
    return found


def test_a_list_works_without_settings_and_nothing_is_enabled(install, run):
    install()
    records = json.loads(run("list", "--json").stdout)
    assert not any(record["enabled"] for record in records)
    assert "trader init" in run("list").stdout


def test_a_list_for_programs_has_every_field(install, run, folder):
    install()
    (folder / "settings.toml").write_text(SETTINGS)
    found = only(run, "rising")
    assert {key: found[key] for key in ("kind", "distribution", "version", "api", "enabled", "status", "summary")} == {
        "kind": "strategy", "distribution": "my-rising", "version": "0.3.2", "api": 1, "enabled": True,
        "status": "enabled", "summary": "Buys what rises",
    }  # fmt: skip


def test_a_list_for_people_fits_100_columns_and_says_what_is_wrong(install, run, folder, strategy):
    install()
    long = "a-distribution-with-a-rather-long-name"
    install(long, points={"trader.alert_transports": {"shout": "shout"}}, files={"shout.py": ""},
            requires=("surely-not-there-and-with-a-name-that-does-not-fit",))  # fmt: skip
    install("old", points={"trader.brokers": {"old_broker": "old"}},
            files={"old/__init__.py": "", "old/plugin.toml": "[broker.old_broker]\napi = 7\n"})  # fmt: skip
    (folder / "settings.toml").write_text(SETTINGS)
    text = run("list").stdout
    lines = text.splitlines()
    assert lines[0].split() == ["KIND", "NAME", "VERSION", "FROM", "STATUS"]
    assert all(len(line) <= 100 for line in lines)
    assert "\x1b" not in text
    row = {line.split()[1]: line for line in lines if len(line.split()) > 2}
    assert re.search(r"enabled +pipeline 1$", row["rising"])
    assert "a-distribution-with-a-r..." in row["shout"]
    assert "broken" in row["shout"]
    assert "surely-not-there-and-with-a-name-that-does-not-fit" in text
    assert "incompatible" in row["old_broker"]
    assert lines[-1].endswith("turn one on: trader plugins enable NAME")


def test_a_list_imports_no_plugin_and_nothing_heavy(install, site, folder):
    install(files={"my_rising/__init__.py": "raise SystemExit(9)", "my_rising/plugin.toml": "[strategy.rising]\napi=1"})
    (folder / "settings.toml").write_text(SETTINGS)
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from trader.cli.plugins import plugins\n"
        "plugins(['list'], standalone_mode=False)\n"
        "heavy = {'pydantic','stevedore','pluggy','numpy','dynaconf','sqlalchemy','msgspec','structlog','rich',"
        "'tomlkit','asyncio','my_rising'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(site)], capture_output=True, text=True, check=True)
    assert "rising" in ran.stdout
    assert ran.stderr.splitlines()[-1] == "[]"


def test_what_is_enabled_and_not_installed_is_told(run, folder):
    (folder / "settings.toml").write_text(SETTINGS)
    assert "The settings enable the strategy 'rising', which is not installed." in run("list").stderr


def test_a_named_settings_file_that_is_not_there_is_an_error(folder):
    with pytest.raises(SettingsError, match="There is no such file"):
        CliRunner().invoke(plugins, ["list", "--settings", "gone.toml"], catch_exceptions=False)


def test_disable_and_enable_edit_the_settings_and_keep_comments(install, run, folder):
    install()
    path = folder / "settings.toml"
    path.write_text(SETTINGS)
    said = run("disable", "rising").stdout
    assert "[strategies.rising] enabled = false" in said
    assert "left application.models.pipeline" in said
    assert only(run, "rising")["status"] == "disabled"
    assert "# kept\n" in path.read_text()
    said = run("enable", "strategy.rising").stdout
    assert "joined application.models.pipeline" in said
    assert only(run, "rising")["status"] == "enabled"
    assert "Nothing to change: rising is enabled already." in run("enable", "rising").stdout


def test_a_layer_above_that_decides_otherwise_is_told(install, run, folder):
    install()
    (folder / "settings.toml").write_text(SETTINGS)
    (folder / "settings.local.toml").write_text("[strategies.rising]\nenabled = false\n")
    assert "It is still disabled: another setting decides (settings.local.toml:2)" in run("enable", "rising").stderr


def test_a_broken_plugin_is_not_enabled_and_the_settings_stay(install, run, folder, strategy):
    install(requires=("surely-not-there",))
    path = folder / "settings.toml"
    path.write_text("[application]\nseed = 1\n")
    with pytest.raises(PluginBroken, match="needs 'surely-not-there', which is not installed"):
        run("enable", "rising")
    assert path.read_text() == "[application]\nseed = 1\n"


def test_a_name_of_two_kinds_lists_both_and_one_of_them_can_be_said(install, run, folder):
    install("one", points={"trader.strategies": {"same_x": "one"}}, files={"one.py": ""})
    install("two", points={"trader.risk_rules": {"same_x": "two"}}, files={"two.py": ""})
    (folder / "settings.toml").write_text(SETTINGS)
    with pytest.raises(UsageError) as caught:
        run("enable", "same_x")
    assert "Say which one: strategy.same_x, risk_rule.same_x." in str(caught.value)
    assert "[risk_rules.same_x]" in run("enable", "risk_rule.same_x").stdout
    assert "[strategies.same_x]" in run("enable", "strategies.same_x").stdout


def test_an_unknown_name_lists_what_is_close_and_what_is_installed(install, run, folder):
    install()
    (folder / "settings.toml").write_text(SETTINGS.replace("rising", "other_x"))
    with pytest.raises(PluginMissing) as caught:
        run("enable", "risng; rm")
    text = str(caught.value)
    assert "Did you mean 'rising' (strategy, my-rising 0.3.2)?" in text
    assert "strategies: " in text
    assert "pip install" not in text
    with pytest.raises(UsageError, match="There is no kind of plugin 'gadget'"):
        run("enable", "gadget.rising")


def test_a_second_instance_is_found_by_the_name_of_its_table(install, run, folder):
    install()
    (folder / "settings.toml").write_text(SETTINGS + '\n[strategies.rising_fast]\nplugin = "rising"\n')
    run("enable", "rising_fast")
    assert only(run, "rising")["instances"] == ["rising", "rising_fast"]
    assert "pipeline 1, 2" in run("list").stdout


def test_show_tells_what_a_plugin_may_do(install, run, folder, strategy):
    manifest = "[strategy.rising]\napi = 1\n[strategy.rising.permissions]\nhosts = ['example.org']\nsecrets = ['A_KEY']"
    install(files={"my_rising/__init__.py": strategy, "my_rising/plugin.toml": manifest})
    (folder / "settings.toml").write_text(SETTINGS)
    text = run("show", "rising").stdout
    for words in ("my-rising 0.3.2", "not submit orders", "A_KEY", "example.org", "unlocked", "[strategies.rising]"):
        assert words in text
    told = json.loads(run("show", "rising", "--json").stdout)
    assert told["permissions"] == {"submits_orders": False, "secrets": ["A_KEY"], "hosts": ["example.org"]}


def test_lock_pins_what_is_enabled_and_tells_what_changed(install, site, run, folder):
    install()
    install("idle", points={"trader.strategies": {"idle_x": "idle"}}, files={"idle.py": ""})
    (folder / "settings.toml").write_text(SETTINGS)
    assert "strategy rising (my-rising 0.3.2)  new; asks for nothing" in run("lock").stdout
    assert "idle_x" not in (folder / "plugins.lock").read_text()
    assert json.loads(run("show", "rising", "--json").stdout)["lock"] == "locked"
    assert "rising (my-rising 0.3.2)  unchanged" in run("lock").stdout
    (site / "my_rising" / "__init__.py").write_text("")
    assert json.loads(run("show", "rising", "--json").stdout)["lock"] == "changed since it was locked: files"
    assert "changed: files" in run("lock").stdout
    run("disable", "rising")
    assert "strategy rising  removed: it is not enabled" in run("lock").stdout


def test_lock_refuses_what_is_enabled_and_not_installed(run, folder):
    (folder / "settings.toml").write_text(SETTINGS)
    with pytest.raises(PluginMissing, match="There is no strategy 'rising'"):
        run("lock")
    assert not (folder / "plugins.lock").exists()


def test_nothing_heavy_is_imported_for_the_group_itself():
    code = "import sys; import trader.cli.plugins; print('pydantic' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


@pytest.mark.parametrize("pipeline", ['"rising"', "3", '{ name = "rising" }'])
@pytest.mark.parametrize("command", ["enable", "disable"])
def test_a_pipeline_that_is_no_list_is_told_and_left_as_it_is(install, folder, command, pipeline):
    install()
    text = f"[application.models]\npipeline = {pipeline}\n"
    (folder / "settings.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.toml\n  Expected a list in application\.models\.pipeline"):
        CliRunner().invoke(plugins, [command, "rising"], catch_exceptions=False)
    assert (folder / "settings.toml").read_text() == text


@pytest.mark.parametrize("rules", ['"calm"', "3"])
@pytest.mark.parametrize("command", ["enable", "disable"])
def test_risk_rules_that_are_no_list_are_told_and_left_as_they_are(install, folder, strategy, command, rules):
    install(files={"my_rising.py": strategy}, points={"trader.risk_rules": {"calm": "my_rising"}})
    (folder / "settings.toml").write_text(f"[application]\nrisk_rules = {rules}\n")
    with pytest.raises(SettingsError, match=r"Expected a list in application\.risk_rules"):
        CliRunner().invoke(plugins, [command, "calm"], catch_exceptions=False)
