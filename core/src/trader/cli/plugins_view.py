"""How installed plugins look, for people (a table of 100 columns) and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trader.errors import SettingsError
from trader.plugins.catalogue import Catalogue, Plugin, status
from trader.plugins.kinds import KINDS
from trader.plugins.selection import books, pipeline

if TYPE_CHECKING:
    from trader.settings import Raw

WIDTH = 100
Used = Mapping[tuple[str, str], list[str]]
"""(kind, plugin) -> its enabled instances."""


def record(plugin: Plugin, used: Used) -> dict[str, Any]:
    """One plugin for programs."""
    instances = used.get((plugin.kind, plugin.name), [])
    return {
        "name": plugin.name,
        "kind": plugin.kind,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "api": plugin.api,
        "enabled": bool(instances),
        "status": status(plugin, bool(instances)),
        "summary": plugin.summary,
        "problem": plugin.problem,
        "manifest": plugin.manifest,
        "instances": instances,
    }


def details(plugin: Plugin, instance: str) -> dict[str, Any]:
    """What `show` adds for programs."""
    return {
        "module": plugin.module,
        "settings": f"{KINDS[plugin.kind].plural}.{instance}",
        "capabilities": dict(plugin.capabilities),
        "permissions": plugin.permissions._asdict(),
    }


Row = tuple[str, str, str, str, str, str]


def as_facts(plugin: Plugin, told: Mapping[str, Any]) -> str:
    """One plugin for people; `told` is what programs get."""
    permissions = plugin.permissions
    can = ", ".join(f"{key} = {as_json(value, None)}" for key, value in plugin.capabilities.items())
    facts = {
        "kind": KINDS[plugin.kind].people,
        "status": told["status"] + (f": {plugin.problem}" if plugin.problem else ""),
        "about": plugin.summary or "says nothing",
        "from": f"{plugin.source}, module {plugin.module}",
        "plugin API": "says none (no manifest: paper only)" if plugin.api is None else str(plugin.api),
        "can": can or "says none",
        "may": "submit orders" if permissions.submits_orders else "not submit orders",
        "secrets": ", ".join(permissions.secrets) or "none",
        "hosts": ", ".join(permissions.hosts) or "none",
        "settings": f"[{told['settings']}]",
        "lock": told["lock"],
        "certificate": told["certificate"] or f"none (trader plugins certify {plugin.kind}.{plugin.name})",
    }
    return "\n".join([plugin.name, *(wrapped(f"  {label:<12}", text) for label, text in facts.items())])


def as_json(value: Any, indent: int | None = 2) -> str:
    """For programs. (TOML has dates, JSON has not: they become text.)"""
    import json

    return json.dumps(value, indent=indent, default=str)


def certified(plugin: Plugin, folder: Path) -> str:
    """What its certificate beside the settings says of it; "" where there is none."""
    from trader.plugins import certificate as certificates

    if not certificates.path_of(folder, plugin.kind, plugin.name).exists():
        return ""
    try:
        found = certificates.read(folder, plugin.kind, plugin.name)
    except SettingsError as error:
        return f"not certified: {error.what}"
    wrong = certificates.problem(plugin, found)
    if wrong is not None or found is None:
        return f"not certified: {wrong}"
    at = f" at {found.venue}" if found.venue else ""
    skipped = f", {found.count('skipped')} not asked" if found.count("skipped") else ""
    return f"certified {found.date:%Y-%m-%d}{at}: {found.count('passed')} passed{skipped}"


def row(plugin: Plugin, used: Used, tree: Mapping[str, Any], certificate: str = "") -> Row:
    """One plugin as a row of the table; the last cell says what else there is to know."""
    instances = used.get((plugin.kind, plugin.name), [])
    state = status(plugin, bool(instances))
    notes = [plugin.problem] if plugin.problem else []
    if plugin.kind == "strategy" and not notes:
        notes += _stages(instances, tree)
    elif instances and instances != [plugin.name]:
        notes.append("as " + ", ".join(instances))
    if not plugin.manifest and not plugin.problem:
        notes.append("no manifest: paper only")
    if certificate:
        notes.append(certificate)
    return (
        KINDS[plugin.kind].people,
        plugin.name,
        plugin.version,
        plugin.distribution,
        state,
        "; ".join(filter(None, notes)),
    )


def _stages(instances: Iterable[str], tree: Mapping[str, Any]) -> list[str]:
    """Its places in the pipelines: "pipeline 1", "pipeline 2, 3 of book fx"."""
    found = []
    for book, table in books(tree).items():
        places = [str(number) for number, name in enumerate(pipeline(table), 1) if name in instances]
        if places:
            found.append(f"pipeline {', '.join(places)}" + (f" of book {book}" if book != "main" else ""))
    return found


def as_table(rows: list[Row]) -> str:
    """Columns as wide as they must be, no line over `WIDTH`; the last column is wrapped."""
    limits = (16, 24, 12, 26, 12)
    widths = [min(limit, max(len(row[column]) for row in rows)) for column, limit in enumerate(limits)]
    lines = []
    for row in rows:
        cells = [_cut(text, width).ljust(width) for text, width in zip(row, widths, strict=False)]
        lines.append(wrapped("  ".join(cells) + "  ", row[5]))
    return "\n".join(lines)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def wrapped(head: str, text: str) -> str:
    """A text after its head, continued below where it began; below altogether where little room is left."""
    if len(head) + len(text) <= WIDTH:
        return (head + text).rstrip()
    import textwrap

    narrow = WIDTH - len(head) < 30
    indent = " " * (40 if narrow else len(head))
    lines = textwrap.wrap(text, WIDTH - len(indent), break_on_hyphens=False)
    first = [head.rstrip()] if narrow else [head + lines.pop(0)]
    return "\n".join([*first, *(indent + line for line in lines)])


def not_installed(used: Used, installed: Catalogue) -> list[str]:
    """What the settings enable and nobody brings."""
    lacking = [(kind, name) for kind, name in used if name not in installed.names(kind)]
    return [f"The settings enable the {KINDS[kind].people} {name!r}, which is not installed." for kind, name in lacking]


def advice(rows: list[Row], raw: Raw | None) -> str:
    """The one next command that most people want."""
    if not rows:
        return "Plugins are distributions that are installed beside trader-core."
    if raw is None:
        return "no settings.toml here: trader init"
    return "turn one on: trader plugins enable NAME"


def asks(plugin: Plugin) -> str:
    """What its manifest asks to be allowed."""
    permissions = plugin.permissions
    asks = ["submits orders"] if permissions.submits_orders else []
    asks += [f"secrets {', '.join(permissions.secrets)}"] if permissions.secrets else []
    asks += [f"hosts {', '.join(permissions.hosts)}"] if permissions.hosts else []
    return "; ".join(asks) or "asks for nothing"


def lock_state(plugin: Plugin, settings: Path) -> str:
    """Whether it is the one that was locked."""
    from trader.plugins import lock as locks

    entries = locks.read(locks.path_beside(settings))
    state = locks.verify(plugin, entries)
    return f"changed since it was locked: {locks.difference(plugin, entries)}" if state == "changed" else state
