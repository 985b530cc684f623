"""Options that every command shares. They may stand before and after the command's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trader.errors import UsageError

if TYPE_CHECKING:
    from trader.settings import Raw, Settings

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS, _SET, _JSON = "trader.settings", "trader.set", "trader.json"


# A context's `meta` is one dictionary for a command and all groups around it.
def _keep_settings(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[_SETTINGS] = value


def _keep_set(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> None:
    context.meta[_SET] = (*context.meta.get(_SET, ()), *values)


def _keep_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[_JSON] = value or context.meta.get(_JSON, False)


def named(_: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The callback of an option that takes a name: an empty one is a variable of a script that is not set, and no word
    for all or for none."""
    if value is not None and not value.strip():
        raise UsageError(f"{option.opts[0]} is empty.", todo="Name one, or leave the option out.")
    return value


def settings_option(command: F) -> F:
    """--settings PATH; ask `settings_path`, `load_settings` or `load_raw`."""
    return click.option(
        "--settings",
        metavar="PATH",
        expose_value=False,
        callback=_keep_settings,
        help="The settings file; else $TRADER_SETTINGS, else ./settings.toml.",
    )(command)


def set_option(command: F) -> F:
    """--set KEY=VALUE, as often as wanted; taken in by `load_settings` and `load_raw`."""
    return click.option(
        "--set",
        metavar="KEY=VALUE",
        multiple=True,
        expose_value=False,
        callback=_keep_set,
        help="Override one setting, such as trading.dry_run=true. May be repeated.",
    )(command)


def json_option(command: F) -> F:
    """--json; ask `wants_json`."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_keep_json, help="Answer in JSON, for programs."
    )(command)


def wants_json(context: click.Context) -> bool:
    """Was --json given, before or after the command's name?"""
    return bool(context.meta.get(_JSON, False))


def overrides(context: click.Context) -> tuple[str, ...]:
    """Every --set, in the order given."""
    return tuple(context.meta.get(_SET, ()))


def settings_path(context: click.Context) -> Path:
    """The settings file that this command works on, absolute. SettingsError if there is none."""
    from trader.settings import find

    return find(context.meta.get(_SETTINGS), os.environ)


def load_settings(context: click.Context) -> Settings:
    """The validated settings."""
    from trader.settings import load

    return load(settings_path(context), overrides=overrides(context))


def load_raw(context: click.Context) -> Raw:
    """The folded settings, checked for shape only: cheap."""
    from trader.settings import raw

    return raw(settings_path(context), overrides=overrides(context))
