"""The pages are true: reference pages are fresh, links lead somewhere, commands and settings on a page exist."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import click
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

from _docs import generate, options, reading, sources  # noqa: E402
from trader.cli import trader  # noqa: E402

PAGES = reading.pages()
# Said by the docstring of their class, or by nothing but their name.
PLAIN = {
    "symbols", "timeframe", "open", "high", "low", "close", "volume", "now", "cash", "lookback", "bid", "type",
    "time_in_force",
}  # fmt: skip


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(*languages: str) -> list[Any]:
    found = [(page, block) for page in PAGES for block in reading.blocks(page) if block.language in languages]
    return [pytest.param(page, block, id=f"{name_of(page)}:{block.line}") for page, block in found]


# ---- reference -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", generate.PAGES)
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    written = (generate.FOLDER / name).read_text(encoding="utf-8")
    assert written == generate.PAGES[name](), f"docs/reference/{name} is stale: run scripts/docs"


def test_a_stale_page_is_noticed_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "PAGES", {name: generate.PAGES[name] for name in ("events.md", "manifest.md")})
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "events.md").write_text("# Old\n", encoding="utf-8")
    (tmp_path / "manifest.md").unlink()
    assert generate.main(["--check"]) == 1
    assert "docs/reference/events.md is stale: run scripts/docs" in capsys.readouterr().out
    assert generate.main([]) == 0
    assert generate.stale() == []


def test_every_hook_says_when_it_is_called() -> None:
    from trader import hookspecs

    hooks = [value for value in vars(hookspecs).values() if hasattr(value, "trader_spec")]
    assert len(hooks) > 10
    assert [hook.__name__ for hook in hooks if not (hook.__doc__ or "").strip().endswith(".")] == []


def test_every_member_of_a_protocol_says_what_it_is() -> None:
    found = sources.classes(sources.CORE / "protocols.py")
    silent = [
        f"{each.name}.{member.name}"
        for each in found
        for member in each.members
        if not member.doc and (member.is_method or (member.name not in PLAIN and f"`{member.name}`" not in each.doc))
    ]
    assert silent == []
    # A protocol of one or two methods may leave it to them.
    assert [each.name for each in found if not each.doc and len(each.members) > 2] == []


def test_every_setting_has_a_description_or_a_name_that_is_one() -> None:
    from trader.settings.document import Settings

    rows = [row for name in ("trading", "application", "observability")
            for row in options.rows(Settings.model_fields[name].annotation, name)]  # type: ignore[arg-type]  # fmt: skip
    assert [row[0] for row in rows if not row[3].strip()] == []


def test_settings_that_are_said_to_be_unused_are_unused() -> None:
    used = {
        "observability.host": r"observability\.host\b",
        "observability.port": r"observability\.port\b",
    }
    assert set(used) == options.NOT_READ
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources.modules(sources.CORE))
    assert [name for name, pattern in used.items() if re.search(pattern, text)] == []


def test_the_log_of_a_run_has_no_event_that_the_page_lacks(tmp_path: Path) -> None:
    import json

    from trader.session.session import Session

    shutil.copy(ROOT / "settings.toml", tmp_path)
    Session(tmp_path / "settings.toml").start().run(cycles=160)
    log = (tmp_path / "var" / "logs" / "trader.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines()]
    fields: dict[str, set[str]] = {}
    for event in sources.events():
        fields.setdefault(event.name, set()).update(event.fields)
    assert {"cold_start", "cycle", "fill", "order", "loop_shutdown"} <= {line["event"] for line in lines}
    always = {"event", "level", "timestamp", "session", "book", "plugin"}
    for line in lines:
        assert set(line) - always <= fields[line["event"]], line


# ---- pages -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", [*PAGES, *reading.readmes()], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(reading.broken_links(page)) == []


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading, `code`\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text("[a](there.md#a-heading-code) [b](there.md#b) [c](gone.md) `[d](x.md)`\n", encoding="utf-8")
    assert list(reading.broken_links(page)) == ["there.md#b", "gone.md"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_begins_with_who_it_is_for(page: Path) -> None:
    text = re.sub(r"<!--.*?-->\s*", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    if page.parent.name == "changelog" and page.name != "README.md":
        assert re.match(r"[a-z-]+\b.*:", text), "a fragment begins with its distribution"
    else:
        assert re.match(r"# .+\n\nFor ", text)


def test_every_page_is_reached_from_the_index() -> None:
    reached, waiting = set(), [ROOT / "docs" / "README.md", ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md" and page.is_file():
            reached.add(page)
            waiting += [(page.parent / target.partition("#")[0]).resolve() for target in reading.links(page)]
    fragments = set((ROOT / "docs" / "changelog").glob("*.md"))
    assert set(PAGES) - reached - fragments == set()


# ---- commands --------------------------------------------------------------------------------------------------------
def parse(words: list[str]) -> None:
    """Let click parse a command line of trader, options and arguments, and run nothing."""
    command: click.Command = trader
    context = click.Context(trader, info_name="trader", **trader.context_settings)
    while isinstance(command, click.Group):
        command.parse_args(context, words)
        words = [*context._protected_args, *context.args]
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name, **found.context_settings)
    command.parse_args(context, words)


@pytest.mark.parametrize(("page", "block"), blocks_of("console", "sh"))
def test_a_command_on_a_page_exists(page: Path, block: reading.Block) -> None:
    commands = [step.command.split() for step in reading.steps(block)]
    assert commands
    for words in commands:
        if words[0] == "trader":
            parse(words[1:])
        elif words[0] == "python3":
            script = ROOT / words[1]
            assert script.is_file()
            text = script.read_text(encoding="utf-8")
            assert all(word in text for word in words[2:] if "become" not in text)


@pytest.mark.parametrize("words", [["runn"], ["run", "--onec"], ["plugins", "lits"], ["why"], ["run", "--cycles", "x"]])
def test_a_command_that_does_not_exist_is_noticed(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(words)


@pytest.mark.parametrize(("page", "block"), [each for each in blocks_of("toml") if not each.values[1].title])
def test_settings_on_a_page_are_valid_over_the_usual_ones(page: Path, block: reading.Block, tmp_path: Path) -> None:
    from trader.plugins import catalogue
    from trader.plugins.kinds import KINDS
    from trader.plugins.loading import load as load_plugin
    from trader.plugins.loading import options_of
    from trader.settings import load

    shutil.copy(ROOT / "settings.toml", tmp_path)
    (tmp_path / "settings.local.toml").write_text(block.text, encoding="utf-8")
    settings = load(tmp_path / "settings.toml", environ={})
    checked = 0
    for kind, names in KINDS.items():
        for table in settings.tables(names.plural).values():
            plugin = load_plugin(catalogue().get(kind, table.plugin))
            options_of(plugin, table.options, instance=table.name, raw=settings.raw)
            checked += 1
    assert checked > 5


@pytest.mark.parametrize(("page", "block"), blocks_of("python"))
def test_python_on_a_page_compiles(page: Path, block: reading.Block) -> None:
    text = block.text
    if name_of(page).startswith("docs/reference"):  # signatures
        text = f"from __future__ import annotations\n{text.rstrip()}: ..."
    compile(text, name_of(page), "exec")


def code_of(page: str, word: str) -> dict[str, Any]:
    """Run the Python block of a page that has this word; what it defines."""
    from trader.model import Refusal

    (text,) = (block.text for block in reading.blocks(ROOT / page) if block.language == "python" and word in block.text)
    namespace: dict[str, Any] = {"Refusal": Refusal, "__name__": "a_page"}
    exec(compile(text, page, "exec"), namespace)  # noqa: S102 - our own page
    return namespace


def test_the_strategy_of_the_readme_trades() -> None:
    from trader.testing import random_walk, trade

    page = code_of("README.md", "class Rising")
    strategy = page["provide_strategy"](page["Settings"](), None)
    run = trade(strategy, random_walk(rows=60))
    assert run.fills
    assert len(run.decisions) == 60


def test_the_limit_of_the_how_to_refuses_what_is_too_cheap_and_nothing_else() -> None:
    from trader.testing import bars, trade

    made = code_of("docs/how-to/write-a-plugin.md", "class MaxCheapness")["MaxCheapness"]
    rising = code_of("README.md", "class Rising")
    strategy = rising["Rising"](rising["Settings"](lookback=2))
    prices = bars({"CHEAP": [1.0, 1.1, 1.2, 1.3], "DEAR": [10, 11, 12, 13]})
    run = trade(strategy, prices, rules=[made(5.0)])
    assert {order.symbol for order, _ in run.refused} == {"CHEAP"}
    assert {fill.symbol for fill in run.fills} == {"DEAR"}
