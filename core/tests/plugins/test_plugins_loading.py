"""A plugin is imported, checked, and makes its object; what is wrong is said as who, where, expected, was."""

from __future__ import annotations

import re

import pytest
from trader.errors import BadAnswer, PluginBroken, PluginConflict, PluginIncompatible, SettingsError
from trader.plugins import Observers, catalogue, describe_fault, load, options_of, provide
from trader.plugins.watching import observer_hooks

WHO = "Plugin 'rising' (my-rising 0.3.2, strategy)"


def faulty(strategy: str, old: str, new: str) -> str:
    assert old in strategy
    return strategy.replace(old, new)


def refused(made, source, error=PluginBroken, **rest) -> str:
    with pytest.raises(error) as caught:
        made(source, **rest)
    text = str(caught.value)
    assert text.startswith(WHO), text
    return text


@pytest.mark.parametrize("option", ["timeout: float = 5.0", "patience: float = Field(5.0, alias='timeout')"])
def test_an_option_whose_key_is_the_cores_own_is_refused_not_left_at_its_default(made, strategy, option):
    source = faulty(strategy, "from pydantic import BaseModel", "from pydantic import BaseModel, Field")
    text = refused(made, faulty(source, 'extra="forbid"):', f'extra="forbid"):\n    {option}'))
    assert "have an option 'timeout'" in text and "enabled, plugin, connection, isolation, timeout" in text


def test_a_good_plugin_makes_its_object_with_its_options(made):
    one = made(options={"fast": 7})
    assert (one.instance, one.plugin.name, one.object.fast) == ("rising", "rising", 7)
    assert one.has == {"Strategy"}
    assert dict(one.observers) == {}


def test_loading_makes_nothing_and_knows_the_options(installed, strategy):
    loaded = load(installed(strategy + "\nmade = []\n"))
    assert loaded.settings.model_fields.keys() == {"fast"}
    assert options_of(loaded, {"fast": 2}, instance="rising").fast == 2


# ---- import --------------------------------------------------------------------------------------------------------
def test_F87_a_missing_dependency_at_import_is_named(made, strategy):
    text = refused(made, "import surely_not_there\n" + strategy)
    assert "It needs 'surely_not_there', which is not installed." in text
    assert "(my_rising.py, line 1)" in text
    assert "trader plugins disable strategy.rising" in text
    assert "pip install" not in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("raise SystemExit(3)", "SystemExit: 3 (my_rising.py, line 1)"),
        ("raise AssertionError('no')", "AssertionError: no (my_rising.py, line 1)"),
        ("1 / 0", "ZeroDivisionError: division by zero (my_rising.py, line 1)"),
        ("def broken(:", "SyntaxError: invalid syntax (my_rising.py, line 1)"),
    ],
)
def test_F78_what_an_import_raises_is_told_and_goes_no_further(made, line, words):
    text = refused(made, line)
    assert "Importing 'my_rising' raised:" in text
    assert words in text
    assert "Expected an import without effects" in text


def test_an_entry_point_to_a_submodule_that_is_not_there_is_told(install, strategy):
    install(points={"trader.strategies": {"rising": "my_rising.gone"}})
    with pytest.raises(PluginBroken) as caught:
        load(catalogue().get("strategy", "rising"))
    assert "Its entry point names the module 'my_rising.gone', and there is none." in str(caught.value)


def test_F88_a_namesake_module_earlier_on_the_path_is_not_taken(install, strategy, tmp_path, monkeypatch):
    install(files={"my_rising.py": strategy})
    other = tmp_path / "working_folder"
    other.mkdir()
    (other / "my_rising.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.syspath_prepend(other)
    with pytest.raises(PluginBroken) as caught:
        load(catalogue().get("strategy", "rising"))
    text = str(caught.value)
    assert "Another module of its name would be imported" in text
    assert re.search(r"Expected .*site.*my_rising\.py, was .*working_folder.*my_rising\.py", text)


def test_F88_a_damaged_list_of_files_is_told_and_nothing_is_imported(installed, site):
    plugin = installed("raise AssertionError('imported')")
    (site / "my_rising-0.3.2.dist-info" / "RECORD").write_bytes(b"\xff\xfe")
    with pytest.raises(PluginBroken, match="The list of its files cannot be read"):
        load(plugin)


def test_F88_a_name_from_two_distributions_is_not_loaded(install):
    points = {"trader.strategies": {"rising": "my_rising"}}
    install("a-first", points=points)
    install("b-last", points=points)
    with pytest.raises(PluginConflict, match="a-first 0\\.3\\.2 and b-last 0\\.3\\.2"):
        load(catalogue().named("rising")[0])


def test_F87_another_api_is_not_loaded(install, strategy):
    install(
        files={"my_rising/__init__.py": "raise SystemExit", "my_rising/plugin.toml": "[strategy.rising]\napi = 2\n"}
    )
    with pytest.raises(PluginIncompatible) as caught:
        load(catalogue().get("strategy", "rising"))
    assert "It was written for plugin API 2; expected API 1." in str(caught.value)


def test_a_service_says_that_it_cannot_be_loaded(install, strategy):
    install(files={"my_rising.py": strategy}, points={"trader.services": {"rising": "my_rising"}})
    with pytest.raises(PluginBroken, match="Services cannot be loaded"):
        load(catalogue().get("service", "rising"))


# ---- hook and Settings ---------------------------------------------------------------------------------------------
def test_a_module_without_a_hook_is_told_what_was_expected(made, strategy):
    text = refused(made, faulty(strategy, "def provide_strategy", "def _hidden").replace("@hookimpl\n", ""))
    assert "Expected one @hookimpl function provide_strategy(settings, env) in my_rising; was none." in text


def test_a_hook_without_its_mark_is_told_so(made, strategy):
    assert "provide_strategy is there but lacks @hookimpl" in refused(made, faulty(strategy, "@hookimpl\n", ""))


def test_a_misspelt_hook_is_told_the_right_name_and_its_line(made, strategy):
    text = refused(made, faulty(strategy, "provide_strategy", "provide_stratgy"))
    assert "There is no hook 'provide_stratgy' (my_rising.py, line" in text
    assert "Did you mean 'provide_strategy'?" in text


def test_the_hook_of_another_kind_is_told(made, strategy):
    text = refused(made, faulty(strategy, "provide_strategy", "provide_broker"))
    assert "Expected one @hookimpl function provide_strategy(settings, env) in my_rising; was provide_broker." in text


def test_a_hook_with_a_wrong_argument_is_told_the_right_ones(made, strategy):
    text = refused(made, faulty(strategy, "(settings, env)", "(settings, environment)"))
    assert "provide_strategy(settings, environment) asks for 'environment'" in text
    assert "Expected provide_strategy(settings, env)." in text


def test_a_hook_may_take_fewer_arguments(made, strategy):
    assert made(faulty(strategy, "(settings, env)", "(settings)")).object.fast == 5


def test_more_than_one_hook_in_a_module_is_refused(made, strategy):
    text = refused(made, strategy + "\n@hookimpl\ndef provide_broker(settings, env):\n    pass\n")
    assert "Expected provide_strategy as the only hook of my_rising; was also provide_broker." in text


@pytest.mark.parametrize(
    ("old", "new"), [("\ndef provide", "\nasync def provide"), ("@hookimpl\n", "@hookimpl(wrapper=True)\n")]
)
def test_a_hook_that_is_no_plain_function_is_refused(made, strategy, old, new):
    source = faulty(strategy, old, new)
    if "wrapper" in new:
        source = source.replace("return Rising(settings)", "return (yield)")
    assert "must be a plain function" in refused(made, source)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("class Settings(", "class Options(", "was None"),
        ('(BaseModel, extra="forbid")', "", "was <class 'my_rising.Settings'>"),
        (', extra="forbid"', "", "was extra='ignore'"),
        ('extra="forbid"', 'extra="allow"', "was extra='allow'"),
    ],
)
def test_settings_must_be_a_pydantic_model_that_refuses_unknown_keys(made, strategy, old, new, words):
    text = refused(made, faulty(strategy, old, new))
    assert 'class Settings(BaseModel, extra="forbid")' in text
    assert words in text


def test_a_misspelt_option_says_file_line_key_and_the_nearest(made):
    with pytest.raises(SettingsError) as caught:
        made(options={"fsat": 3})
    text = str(caught.value)
    assert text.startswith("settings.toml:7  strategies.rising.fsat")
    assert "'fast'" in text


def test_an_option_of_the_wrong_type_says_expected_and_was(made):
    with pytest.raises(SettingsError, match=r"Expected a whole number, was \"many\"") as caught:
        made(options={"fast": "many"})
    assert str(caught.value).startswith("settings.toml:7  strategies.rising.fast")


# ---- the object ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", ["KeyError('no such symbol')", "SystemExit('no such symbol')"])
def test_F78_what_the_plugins_own_settings_raise_is_told_with_its_line(made, strategy, error):
    # only a ValueError is pydantic's to explain; a SystemExit ended the program without a word
    check = f"    def model_post_init(self, _context):\n        raise {error}\n"
    text = refused(made, faulty(strategy, "    fast: int = 5\n", "    fast: int = 5\n" + check))
    assert "Its Settings raised:" in text
    assert re.search(r"no such symbol'? \(my_rising\.py, line \d+\)", text)


def test_a_module_that_holds_a_lazy_object_is_loaded(made, strategy):
    lazy = (
        "class Lazy:\n    def __getattr__(self, name): raise RuntimeError('outside of a request')\nrequest = Lazy()\n"
    )
    assert made(lazy + strategy).has == {"Strategy"}


def test_F78_what_provide_raises_is_told_with_its_line(made, strategy):
    text = refused(made, faulty(strategy, "    return Rising(settings)", "    raise SystemExit('bye')"))
    assert "It raised in provide_strategy(settings, env):" in text
    assert re.search(r"SystemExit: bye \(my_rising\.py, line \d+\)", text)
    assert "provide_strategy runs once at start and does no network" in text


def test_F78_endless_recursion_in_provide_is_told(made, strategy):
    text = refused(made, faulty(strategy, "    return Rising(settings)", "    return provide_strategy(settings, env)"))
    assert "RecursionError" in text


def test_a_settings_error_from_provide_is_passed_on_as_it_is(made, strategy):
    source = faulty(
        strategy,
        "    return Rising(settings)",
        "    from trader.errors import SettingsError\n    raise SettingsError('There is no secret A_KEY.')",
    )
    with pytest.raises(SettingsError, match=r"^There is no secret A_KEY\.$"):
        made(source)


def test_provide_that_returns_nothing_is_told_what_was_expected(made, strategy):
    text = refused(made, faulty(strategy, "return Rising(settings)", "Rising(settings)"), BadAnswer)
    assert "provide_strategy returned nothing; expected an object that does what trader.protocols.Strategy says" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("def score", "def skore", "score(history) is missing"),
        ("    lookback = 20\n", "", "lookback is missing"),
        ("lookback = 20", "lookback = 'many'", "lookback: expected int, was 'many'"),
        ("score(self, history)", "score(self)", "score: expected score(history), was score()"),
        (
            "score(self, history)",
            "score(self, history, more)",
            "score: expected score(history), was score(history, more)",
        ),
        ("    def score", "    async def score", "score is a coroutine; plugins are synchronous"),
        ("    def score(self, history):\n        return history", "    score = 3", "score: expected a method"),
    ],
)
def test_an_object_of_the_wrong_shape_is_told_what_is_missing(made, strategy, old, new, words):
    text = refused(made, faulty(strategy, old, new), BadAnswer)
    assert "provide_strategy returned a Rising, which is no Strategy:" in text
    assert words in text
    assert "Expected what trader.protocols.Strategy says." in text


RULE = """
from pydantic import BaseModel
from trader.hookspecs import hookimpl

class Settings(BaseModel, extra="forbid"):
    pass

class Rule:
    {body}

@hookimpl
def provide_risk_rule():
    return Rule()
"""


@pytest.mark.parametrize(
    ("body", "has"),
    [
        ("guards = 'all'\n    def check(self, plan, book): return ()", {"RiskRule"}),
        ("def limit(self, targets, book): return targets", {"PortfolioRule"}),
        (
            (
                "guards = 'increasing'\n    def check(self, plan, book): return ()\n"
                "    def assess(self, book): return ()\n    def limit(self, targets, book): return targets"
            ),
            {"RiskRule", "PortfolioRule", "HasAssess"},
        ),
    ],
)
def test_a_risk_rule_refuses_or_shrinks_or_both(made, body, has):
    one = made(RULE.replace("{body}", body), kind="risk_rule", plural="risk_rules")
    assert one.has == has


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("pass", "no RiskRule and no PortfolioRule"),
        ("guards = 'some'\n    def check(self, plan, book): return ()", "was 'some'"),
    ],
)
def test_a_risk_rule_that_is_neither_is_told(made, body, words):
    with pytest.raises(BadAnswer) as caught:
        made(RULE.replace("{body}", body), kind="risk_rule", plural="risk_rules")
    assert words in str(caught.value)


def test_optional_protocols_are_found_by_their_methods(made, strategy):
    source = faulty(
        strategy,
        "    def score(",
        "    references = ('SPY',)\n    def exits(self, history, positions): return ()\n"
        "    def save(self): return b''\n    def load(self, state): pass\n    def score(",
    )
    assert made(source).has == {"Strategy", "HasReferences", "HasExits", "HasState"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("    def save(self): return b''\n", "has save of trader.protocols.HasState"),
        ("    def exits(self, history): return ()\n", "exits: expected exits(history, positions), was exits(history)"),
        ("    references = ['SPY']\n", "references: expected tuple[str, ...], was ['SPY']"),
    ],
)
def test_half_an_optional_protocol_is_refused(made, strategy, line, words):
    assert words in refused(made, faulty(strategy, "    def score(", line + "    def score("), BadAnswer)


@pytest.mark.parametrize(
    "lines",
    [
        "@property\n    def lookback(self): raise RuntimeError('not connected')",
        "@property\n    def save(self): raise RuntimeError('not connected')",
        "@property\n    def on_fill(self): raise RuntimeError('not connected')",
        "@property\n    def timeframes(self): raise SystemExit('not connected')",
    ],
)
def test_F78_an_object_that_raises_when_it_is_looked_at_is_told_with_its_line(made, strategy, lines):
    old = "    lookback = 20\n" if "lookback" in lines else "    def score("
    text = refused(made, faulty(strategy, old, f"    {lines}\n" + old.replace("    lookback = 20\n", "")))
    assert "What provide_strategy returned raised when it was looked at:" in text
    assert re.search(r"not connected \(my_rising\.py, line \d+\)", text)


# ---- observers -----------------------------------------------------------------------------------------------------
def watching(strategy: str, *methods: str) -> str:
    return faulty(strategy, "    def score(", "".join(f"    {line}\n" for line in methods) + "    def score(")


def test_an_observer_takes_what_it_wants_of_the_arguments(made, strategy):
    one = made(watching(strategy, "seen = []", "def on_session_start(self, mode): self.seen.append(mode)"))
    observers = Observers([one], lambda *fault: pytest.fail(str(fault)))
    observers.notify("on_session_start", session="s1", mode="paper", at=None)
    assert one.object.seen == ["paper"]
    assert observers.wanted("on_session_start")
    assert not observers.wanted("on_fill")


def test_an_unknown_hook_is_never_notified(made):
    with pytest.raises(KeyError):
        Observers([made()], lambda *_: None).notify("on_fil")


@pytest.mark.parametrize("hook", sorted(observer_hooks()))
@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), RecursionError(), GeneratorExit()]
)
def test_F78_an_observer_that_raises_is_counted_and_the_rest_run(made, strategy, hook, error):
    def throw(self):
        raise error

    good = made(watching(strategy, "seen = []", f"def {hook}(self, **what): self.seen.append(what)"))
    bad = type(good)("bad", good.plugin, good.object, good.has, {hook: throw.__get__(good.object)})
    told = []
    observers = Observers([bad, good, bad], lambda *fault: told.append(fault))
    arguments = dict.fromkeys(observer_hooks()[hook], "something")
    observers.notify(hook, **arguments)
    assert good.object.seen == [arguments]
    assert observers.faults == {("bad", hook): 2}
    assert told == [(bad, hook, error)] * 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("def on_fill(self, fil): pass", "on_fill(fil) asks for 'fil', which that observer is not given."),
        ("def on_fill(self, fill, /): pass", "on_fill(fill, /) takes 'fill' by its place; observers are given names."),
        ("async def on_fill(self, fill): pass", "on_fill must be a plain method, was a coroutine."),
        ("on_fill = 3", "on_fill must be a plain method, was 3."),
        ("def on_fills(self, fill): pass", "Did you mean 'on_fill'?"),
    ],
)
def test_a_faulty_observer_is_found_when_it_is_loaded(made, strategy, line, words):
    assert words in refused(made, watching(strategy, line))


def test_a_client_librarys_own_callback_is_no_observer(made, strategy):
    assert dict(made(watching(strategy, "def on_message(self, text): pass")).observers) == {}


# ---- words ---------------------------------------------------------------------------------------------------------
def test_a_fault_in_a_hot_call_names_plugin_call_moment_error_and_line(made, strategy):
    one = made(faulty(strategy, "        return history", "        return [0, 1][14]"))
    try:
        one.object.score(None)
    except IndexError as error:
        text = describe_fault(one, "score(history)", error, "in cycle 2013-02-28")
    assert re.fullmatch(
        re.escape(WHO) + r" raised in score\(history\) in cycle 2013-02-28:\n"
        r"  IndexError: list index out of range \(my_rising\.py, line \d+\)",
        text,
    )


def test_a_note_on_an_error_does_not_stand_for_the_error(made):
    error = IndexError("index 14 is out of bounds")
    error.add_note("while reading the second line")
    assert "IndexError: index 14 is out of bounds" in describe_fault(made(), "score(history)", error)


def test_a_second_instance_is_told_by_its_own_name(installed, strategy):
    plugin = installed(faulty(strategy, "return Rising(settings)", "raise ValueError('x')"))
    with pytest.raises(PluginBroken, match=r"^Plugin 'rising' \(my-rising 0\.3\.2, strategy\), as 'rising_two'"):
        provide(plugin, {}, None, instance="rising_two", origin="settings.toml:9")
