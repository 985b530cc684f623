"""Which plugins the settings name."""

from __future__ import annotations

import pytest
from trader.errors import PluginMissing, SettingsError
from trader.plugins import Catalogue, Plugin, enabled_names, enabled_plugins, select


def catalogue(*named: str) -> Catalogue:
    pairs = (word.split(".") for word in named)
    return Catalogue(Plugin(kind, name, f"{kind}_{name}", f"dist-{name}", "1.0") for kind, name in pairs)


ALL = catalogue(
    "broker.paper", "data_source.sample", "data_source.files", "strategy.momentum", "allocator.equal",
    "allocator.proportional", "execution_style.market", "risk_rule.price_collar", "risk_rule.max_order_notional",
    "alert_transport.file",
)  # fmt: skip


def names(tree):
    return {f"{kind}.{name}" for kind, name in enabled_names(tree, ALL)}


def test_nothing_written_enables_only_what_is_alone_of_its_kind():
    assert names({}) == {"broker.paper", "execution_style.market"}


def test_strategies_are_enabled_by_a_pipeline_of_any_book():
    tree = {
        "application": {"models": {"pipeline": [{"name": "momentum"}]}},
        "books": {"fx": {"broker": "paper_fx", "models": {"pipeline": [{"name": "momentum_fast"}]}}},
        "strategies": {"momentum_fast": {"plugin": "momentum"}},
    }
    assert {"strategy.momentum", "strategy.momentum_fast", "broker.paper_fx"} <= names(tree)
    assert enabled_plugins(tree, ALL)["strategy", "momentum"] == ["momentum", "momentum_fast"]


def test_what_says_enabled_false_is_not_enabled():
    tree = {
        "application": {"models": {"pipeline": [{"name": "momentum"}]}, "broker": "paper"},
        "strategies": {"momentum": {"enabled": False}},
        "brokers": {"paper": {"enabled": False}},
        "alert_transports": {"file": {"enabled": False}},
        "risk_rules": {"price_collar": {"enabled": False}},
    }
    assert names(tree) == {"execution_style.market"}


def test_a_written_table_is_preferred_to_what_is_only_installed():
    tree = {"data_sources": {"files": {"folder": "bars"}}, "allocators": {"equal": {}}}
    assert {"data_source.files", "allocator.equal"} <= names(tree)
    assert select(tree, "data_source", ALL) == "files"


def test_a_choice_that_is_open_enables_nothing_and_is_asked_for():
    assert not {name for name in names({}) if name.startswith("data_source")}
    with pytest.raises(SettingsError) as caught:
        select({}, "data_source", ALL, where="settings.toml")
    text = str(caught.value)
    assert "Nothing says which data source the book 'main' uses, and 2 would do: files, sample." in text
    assert 'application.data = "files"' in text


def test_what_is_selected_wins():
    assert select({"application": {"data": "sample"}, "data_sources": {"files": {}}}, "data_source", ALL) == "sample"
    assert select({"application": {"portfolio": {"allocator": "equal"}}}, "allocator", ALL) == "equal"


def test_a_selected_plugin_that_is_turned_off_is_an_error():
    with pytest.raises(SettingsError, match=r"\[brokers\.paper\] says enabled = false"):
        select({"application": {"broker": "paper"}, "brokers": {"paper": {"enabled": False}}}, "broker", ALL)


def test_no_plugin_of_a_kind_is_an_error_that_says_so():
    with pytest.raises(PluginMissing, match=r"needs a broker\. No broker is installed"):
        select({}, "broker", catalogue())
    with pytest.raises(PluginMissing, match="All installed are turned off: paper"):
        select({"brokers": {"paper": {"enabled": False}}}, "broker", ALL)


def test_a_book_inherits_its_data_source_but_not_the_broker():
    tree = {"application": {"broker": "paper", "data": "sample"}, "books": {"fx": {"broker": "paper_fx"}}}
    assert select(tree, "data_source", ALL, book="fx") == "sample"
    assert select(tree, "broker", ALL, book="fx") == "paper_fx"


def test_rules_are_those_with_a_table_or_those_that_are_listed():
    tables = {"price_collar": {}, "max_order_notional": {}}
    assert {"risk_rule.price_collar", "risk_rule.max_order_notional"} <= names({"risk_rules": tables})
    listed = names({"risk_rules": tables, "application": {"risk_rules": ["price_collar"]}})
    assert "risk_rule.price_collar" in listed
    assert "risk_rule.max_order_notional" not in listed


@pytest.mark.parametrize(
    "tree",
    [
        {"application": 3},
        {"books": []},
        {"application": {"models": {"pipeline": "x"}}},
        {"application": {"models": {"pipeline": [3, {}]}}},
        {"brokers": {"paper": 1}},
    ],
)
def test_a_listing_survives_settings_of_any_shape(tree):
    assert "execution_style.market" in names(tree)
