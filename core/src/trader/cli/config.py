"""trader config check | show | schema"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from trader.cli.options import json_option, load_raw, load_settings, set_option, settings_option, wants_json

if TYPE_CHECKING:
    from trader.settings import Settings


@click.group()
def config() -> None:
    """Check and show the settings."""


@config.command()
@settings_option
@set_option
@json_option
@click.pass_context
def check(context: click.Context) -> None:
    """Say whether the settings are valid, and what each book resolves to."""
    settings = load_settings(context)
    books = {name: _book(settings, name) for name in settings.book_names}
    if wants_json(context):
        click.echo(json.dumps(_checked(settings, books), indent=2))
        return
    click.echo(f"The settings are valid: {settings.path}")
    click.echo(f"mode     {settings.trading.mode}{', dry run' if settings.trading.dry_run else ''}")
    click.echo(f"state    {settings.state_dir}")
    for name, book in books.items():
        click.echo(f"\nbook {name}")
        for label, text in book.items():
            click.echo(f"  {label:<10} {_said(text)}")
    click.echo("\nEach plugin's own options are checked when it is loaded. Next: trader run --once")


@config.command()
@settings_option
@set_option
@json_option
@click.pass_context
def show(context: click.Context) -> None:
    """Print every setting that is written, and where it was set last."""
    raw = load_raw(context)
    rows = [(_dotted(key), value, raw.origin(key)) for key, value in _leaves(raw.tree, ())]
    if wants_json(context):
        listed = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        click.echo(json.dumps({"path": str(raw.path), "settings": listed}, indent=2, default=str))
        return
    from trader.settings.check import show as as_toml

    texts = [(f"{key} = {as_toml(value)}", origin) for key, value, origin in rows]
    width = min(max((len(text) for text, _ in texts), default=0), 70)
    for text, origin in texts:
        click.echo(f"{text:<{width}}   {origin}")
    click.echo("\nAll other settings have their defaults: trader config schema")


@config.command()
@json_option
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors and programs."""
    from trader.settings import Settings

    click.echo(json.dumps(Settings.model_json_schema(), indent=2))


def _book(settings: Settings, name: str) -> dict[str, Any]:
    """What one book resolves to. Errors: as at a start, where nothing says what it uses or that is turned off."""
    from trader.plugins.catalogue import catalogue
    from trader.plugins.selection import EXCLUSIVE, select

    tree, installed, where = settings.raw.tree, catalogue(), settings.path.name
    chosen = {kind: select(tree, kind, installed, book=name, where=where) for kind in EXCLUSIVE}
    book = settings.book(name)
    coverage = book.coverage
    covered: Any = {"static": list(coverage.symbols), "pattern": coverage.pattern, "broker": coverage.watchlist}
    enabled = [name for name, table in settings.tables("risk_rules").items() if table.enabled]
    return {
        "broker": chosen["broker"],
        "data": chosen["data_source"],
        "timeframe": coverage.timeframe,
        "source": coverage.source,
        "covers": covered[coverage.source],
        "pipeline": [stage.name for stage in book.models.pipeline],
        "allocator": chosen["allocator"],
        "execution": chosen["execution_style"],
        "balancer": book.portfolio.balancer,
        "rules": enabled if book.risk_rules is None else list(book.risk_rules),
        "trigger": book.schedule.trigger if book.schedule.run_forever else "once",
    }


def _checked(settings: Settings, books: dict[str, Any]) -> dict[str, Any]:
    return {
        "valid": True,
        "path": str(settings.path),
        "state_dir": str(settings.state_dir),
        "mode": settings.trading.mode,
        "dry_run": settings.trading.dry_run,
        "books": books,
    }


def _said(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value) if value else "nothing"
    return str(value)


def _leaves(tree: Mapping[str, Any], key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*key, name))
        else:
            yield (*key, name), value


def _dotted(key: tuple[str, ...]) -> str:
    return ".".join(key)
