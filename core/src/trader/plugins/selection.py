"""Which installed plugins the settings name. Pure: plain tables and a catalogue in, names out.

A name here is an instance, the name of a table: `[brokers.alpaca_ira] plugin = "alpaca"` is the instance `alpaca_ira`
of the plugin `alpaca`. Listings and the session decide by these same functions what runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trader.errors import PluginMissing, SettingsError
from trader.plugins.catalogue import Catalogue
from trader.plugins.kinds import KINDS

EXCLUSIVE = {"broker": "broker", "data_source": "data", "allocator": "allocator", "execution_style": "execution"}
"""Kinds of which a book uses exactly one, and the key of the book that names it."""


def books(tree: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every book by its name, `main` first. A book has from `application` what it does not say itself, but for the
    broker: an account belongs to one book."""
    main = _table(tree, "application")
    shared = {key: value for key, value in main.items() if key != "broker"}
    return {"main": main, **{name: _fold(shared, book) for name, book in _table(tree, "books").items()}}


def plugin_of(tree: Mapping[str, Any], kind: str, instance: str) -> str:
    """The installed plugin that an instance is made from: the key `plugin` of its table, else its own name."""
    return str(_instance(tree, kind, instance).get("plugin") or instance)


def disabled(tree: Mapping[str, Any], kind: str, instance: str) -> bool:
    """Its table says `enabled = false`."""
    return _instance(tree, kind, instance).get("enabled") is False


def candidates(tree: Mapping[str, Any], kind: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Instances that would do if nothing is selected: those with a table, else all that is installed."""
    written = tuple(name for name in _table(tree, KINDS[kind].plural) if not disabled(tree, kind, name))
    return written or tuple(name for name in catalogue.names(kind) if not disabled(tree, kind, name))


def select(
    tree: Mapping[str, Any], kind: str, catalogue: Catalogue, *, book: str = "main", where: str | None = None
) -> str:
    """The one instance of an exclusive kind that a book uses. `where` heads the error: the settings file.

    Raises:
        SettingsError: nothing is named and more than one would do, or what is named is turned off.
        PluginMissing: nothing is named and nothing would do.
    """
    people, plural, key = KINDS[kind].people, KINDS[kind].plural, EXCLUSIVE[kind]
    table = "application" if book == "main" else f"books.{book}"
    named = _named(books(tree)[book], kind)
    if named and disabled(tree, kind, named):
        raise SettingsError(
            f"The book {book!r} uses the {people} {named!r}, but [{plural}.{named}] says enabled = false.",
            where=where,
            todo=f"Turn it on (trader plugins enable {named}), or name another in {table}.{key}.",
        )
    if named:
        return named
    would_do = candidates(tree, kind, catalogue)
    if len(would_do) == 1:
        return would_do[0]
    if would_do:
        raise SettingsError(
            f"Nothing says which {people} the book {book!r} uses, and {len(would_do)} would do: {', '.join(would_do)}.",
            where=where,
            todo=f'Name one: {table}.{key} = "{would_do[0]}".',
        )
    installed = catalogue.names(kind)
    state = f"All installed are turned off: {', '.join(installed)}." if installed else f"No {people} is installed."
    raise PluginMissing(f"The book {book!r} needs a {people}. {state}", where=where, todo="See: trader plugins list")


def enabled_names(tree: Mapping[str, Any], catalogue: Catalogue) -> set[tuple[str, str]]:
    """(kind, instance) of everything that a session with these settings would start, installed or not."""
    return {(kind, name) for book in books(tree).values() for kind, name in _used(tree, book, catalogue)}


def enabled_plugins(tree: Mapping[str, Any], catalogue: Catalogue) -> dict[tuple[str, str], list[str]]:
    """(kind, plugin) -> its enabled instances, sorted: what a listing shows."""
    found: dict[tuple[str, str], list[str]] = {}
    for kind, name in sorted(enabled_names(tree, catalogue)):
        found.setdefault((kind, plugin_of(tree, kind, name)), []).append(name)
    return found


def pipeline(book: Mapping[str, Any]) -> tuple[str, ...]:
    """The strategies of a book, by instance, in their order."""
    stages = _table(book, "models").get("pipeline")
    names = (stage.get("name") if isinstance(stage, Mapping) else stage for stage in _list(stages))
    return tuple(name for name in names if isinstance(name, str))


def _used(tree: Mapping[str, Any], book: Mapping[str, Any], catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """What one book starts. Where a choice is open nothing is enabled: the session will ask for it."""
    used = [("strategy", name) for name in pipeline(book)]
    for kind in EXCLUSIVE:
        named = _named(book, kind)
        would_do = (named,) if named else candidates(tree, kind, catalogue)
        used += [(kind, name) for name in would_do if len(would_do) == 1]
    listed = book.get("risk_rules")
    rules = _table(tree, "risk_rules") if listed is None else _list(listed)
    used += [("risk_rule", name) for name in rules if isinstance(name, str)]
    used += [(kind, name) for kind in ("alert_transport", "service") for name in _table(tree, KINDS[kind].plural)]
    return (pair for pair in used if not disabled(tree, *pair))


def _named(book: Mapping[str, Any], kind: str) -> str | None:
    named = book.get(EXCLUSIVE[kind])
    if not named and kind == "allocator":
        named = _table(book, "portfolio").get("allocator")
    return named if isinstance(named, str) and named else None


# What is not a table is read as an empty one: a listing must work on settings that a session would refuse.
def _table(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = tree.get(key)
    return value if isinstance(value, Mapping) else {}


def _instance(tree: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    return _table(_table(tree, KINDS[kind].plural), name)


def _list(value: object) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


def _fold(below: Mapping[str, Any], above: object) -> Mapping[str, Any]:
    folded = dict(below)
    for key, value in above.items() if isinstance(above, Mapping) else ():
        under = folded.get(key)
        folded[key] = _fold(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return folded
