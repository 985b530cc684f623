"""trader plugins list | show | enable | disable | lock | certify

Nothing here imports a plugin: what is shown comes from metadata, manifests and the settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trader.cli.certify import certify
from trader.cli.options import json_option, load_raw, set_option, settings_option, settings_path, wants_json
from trader.cli.plugins_view import (
    advice,
    as_facts,
    as_json,
    as_table,
    asks,
    certified,
    details,
    lock_state,
    not_installed,
    record,
    row,
    wrapped,
)
from trader.errors import PluginBroken, PluginIncompatible, PluginMissing, SettingsError, UsageError
from trader.plugins.catalogue import Catalogue, catalogue, close
from trader.plugins.kinds import KINDS, kind_of
from trader.plugins.selection import enabled_names, enabled_plugins, plugin_of

if TYPE_CHECKING:
    from trader.settings import Raw


@click.group()
def plugins() -> None:
    """Show what is installed, turn it on and off."""


@plugins.command("list")
@settings_option
@set_option
@json_option
@click.pass_context
def list_(context: click.Context) -> None:
    """Every installed plugin, whether it is enabled, and what is wrong with it."""
    installed, raw = catalogue(), _raw_if_any(context)
    tree = raw.tree if raw else {}
    used = enabled_plugins(tree, installed) if raw else {}
    if wants_json(context):
        folder = raw.path.parent if raw else Path.cwd()
        click.echo(
            as_json([{**record(plugin, used), "certificate": certified(plugin, folder)} for plugin in installed])
        )
        return
    folder = raw.path.parent if raw else Path.cwd()
    rows = [row(plugin, used, tree, certified(plugin, folder)) for plugin in installed]
    if rows:
        click.echo(as_table([("KIND", "NAME", "VERSION", "FROM", "STATUS", ""), *rows]))
    for fault in (*installed.faults, *not_installed(used, installed)):
        click.echo(fault, err=True)
    enabled = sum(line[4] == "enabled" for line in rows)
    click.echo(f"{len(rows)} installed, {enabled} enabled.   {advice(rows, raw)}")


@plugins.command()
@click.argument("name")
@settings_option
@set_option
@json_option
@click.pass_context
def show(context: click.Context, name: str) -> None:
    """What a plugin says about itself: NAME, or KIND.NAME where names collide."""
    installed, raw = catalogue(), _raw_if_any(context)
    tree = raw.tree if raw else {}
    kind, instance = resolve(name, installed, tree)
    plugin = installed.get(kind, plugin_of(tree, kind, instance))
    used = enabled_plugins(tree, installed) if raw else {}
    approved = lock_state(plugin, raw.path) if raw else "no settings, no lock"
    stands = certified(plugin, raw.path.parent if raw else Path.cwd())
    told = {**record(plugin, used), **details(plugin, instance), "lock": approved, "certificate": stands}
    if wants_json(context):
        click.echo(as_json(told))
        return
    click.echo(as_facts(plugin, told))
    turn = "disable" if told["enabled"] else "enable"
    click.echo(f"turn it {'off' if turn == 'disable' else 'on'}: trader plugins {turn} {name}")


@plugins.command()
@click.argument("name")
@settings_option
@click.pass_context
def enable(context: click.Context, name: str) -> None:
    """Let NAME (or KIND.NAME) run: edits the settings, keeps their comments."""
    from trader.settings.edit import enable as edit

    path, installed, raw = settings_path(context), catalogue(), load_raw(context)
    kind, instance = resolve(name, installed, raw.tree)
    plugin = installed.get(kind, plugin_of(raw.tree, kind, instance))
    if plugin.problem:
        error = PluginIncompatible if plugin.incompatible else PluginBroken
        raise error(f"It cannot be enabled: {plugin.problem}.", where=plugin.label, todo="The settings are unchanged.")
    _say(edit(path, KINDS[kind].plural, instance), instance, "enabled")
    _check_effect(context, installed, kind, instance, wanted=True)
    click.echo("Next: trader config check")


@plugins.command()
@click.argument("name")
@settings_option
@click.pass_context
def disable(context: click.Context, name: str) -> None:
    """Let NAME (or KIND.NAME) not run: edits the settings, keeps their comments."""
    from trader.settings.edit import disable as edit

    path, installed, raw = settings_path(context), catalogue(), load_raw(context)
    kind, instance = resolve(name, installed, raw.tree)
    _say(edit(path, KINDS[kind].plural, instance), instance, "disabled")
    _check_effect(context, installed, kind, instance, wanted=False)
    click.echo("Next: trader plugins list")


@plugins.command()
@settings_option
@set_option
@json_option
@click.pass_context
def lock(context: click.Context) -> None:
    """Approve what is enabled, as it is installed now: writes plugins.lock beside the settings."""
    from trader.plugins import lock as locks

    installed, raw = catalogue(), load_raw(context)
    used = sorted({(kind, plugin_of(raw.tree, kind, name)) for kind, name in enabled_names(raw.tree, installed)})
    chosen = [installed.get(kind, name, where=f"{raw.path.name}: it is enabled") for kind, name in used]
    for plugin in chosen:
        if plugin.problem:
            raise PluginBroken(f"It cannot be locked: {plugin.problem}.", where=plugin.label)
    path = locks.path_beside(raw.path)
    before = locks.read(path)
    changes = {plugin: locks.difference(plugin, before) for plugin in chosen}
    gone = sorted(set(before) - set(used))
    after = locks.write(path, chosen)
    if wants_json(context):
        click.echo(as_json([{**one._asdict(), "permissions": one.permissions._asdict()} for one in after.values()]))
        return
    for plugin, change in changes.items():
        state = "unchanged" if change is None else "new" if "not in the lock" in change else f"changed: {change}"
        click.echo(
            wrapped(f"  {KINDS[plugin.kind].people} {plugin.name} ({plugin.source})  ", f"{state}; {asks(plugin)}")
        )
    for kind, name in gone:
        click.echo(f"  {KINDS[kind].people if kind in KINDS else kind} {name}  removed: it is not enabled")
    click.echo(f"{len(after)} locked in {path.name}. Live mode runs these and no others.   Next: trader plugins list")


plugins.add_command(certify)


# ---- which one is meant --------------------------------------------------------------------------------------------
def resolve(word: str, installed: Catalogue, tree: Mapping[str, Any]) -> tuple[str, str]:
    """(kind, instance) that NAME or KIND.NAME means: installed, or a name in the settings."""
    said, dot, name = word.rpartition(".")
    only = kind_of(said) if dot else None
    if dot and only is None:
        raise UsageError(f"There is no kind of plugin {said!r}.", todo=f"Kinds are: {', '.join(KINDS)}.")
    kinds = [only] if only else list(KINDS.values())
    named = enabled_names(tree, installed)
    found = [
        kind.word
        for kind in kinds
        if name in installed.names(kind.word) or name in tree.get(kind.plural, {}) or (kind.word, name) in named
    ]
    if len(found) > 1:
        full = ", ".join(f"{kind}.{name}" for kind in found)
        raise UsageError(f"{name!r} is the name of {len(found)} plugins.", todo=f"Say which one: {full}.")
    if found:
        return found[0], name
    raise installed.missing(only, name) if only else _missing(name, installed)


def _missing(name: str, installed: Catalogue) -> PluginMissing:
    everything = [plugin.name for plugin in installed]
    near = close(name, everything)
    what = f"There is no plugin {name!r}."
    if near:
        twin = installed.named(near)[0]
        what += f" Did you mean {near!r} ({KINDS[twin.kind].people}, {twin.source})?"
    groups = (f"{kind.people_plural}: {', '.join(installed.names(word))}" for word, kind in KINDS.items())
    lines = "\n  ".join(line for line in groups if not line.endswith(": "))
    return PluginMissing(what, todo=f"Installed:\n  {lines}" if lines else "No plugin is installed.")


def _raw_if_any(context: click.Context) -> Raw | None:
    """The settings, or None where there are none and none were named."""
    try:
        settings_path(context)
    except SettingsError as error:
        if error.where is None and not os.path.lexists("settings.toml"):
            return None
        raise
    return load_raw(context)


def _check_effect(context: click.Context, installed: Catalogue, kind: str, instance: str, *, wanted: bool) -> None:
    """A layer above the file (settings.local.toml, the environment) may say otherwise."""
    raw = load_raw(context)
    if ((kind, instance) in enabled_names(raw.tree, installed)) == wanted:
        return
    origin = raw.origin((KINDS[kind].plural, instance, "enabled"))
    click.echo(f"It is still {'disabled' if wanted else 'enabled'}: another setting decides ({origin}).", err=True)


def _say(changes: Iterable[str], name: str, state: str) -> None:
    click.echo("\n".join(changes) or f"Nothing to change: {name} is {state} already.")
