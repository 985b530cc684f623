"""The layers, lowest first: settings.toml, settings.local.toml, .env, the environment, --set. Folded into one tree.

Tables fold key by key; scalars and lists replace. Only variables `TRADER_<A>__<B>` are settings.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trader.errors import SettingsError
from trader.settings.check import KINDS, check, show
from trader.settings.faults import Key, dotted, raise_all
from trader.settings.lines import lines_of
from trader.settings.text import display, parse, read_text

__all__ = ["KINDS", "Raw", "find", "fold", "raw"]

PREFIX = "TRADER_"


@dataclass(frozen=True, slots=True)
class Raw:
    """The folded settings as plain tables, before any model has seen them."""

    path: Path
    """settings.toml, absolute."""
    tree: dict[str, Any]
    origins: Mapping[Key, str] = field(repr=False)
    """Where each key was last set: "settings.toml:41", "environment TRADER_TRADING__MODE", "--set trading.mode"."""

    def origin(self, key: Sequence[str | int]) -> str:
        """The place of a key; of a table that no document has a head for, its first key's; else the table around it."""
        path = tuple(key)
        if path not in self.origins:
            inside = next((known for known in self.origins if known[: len(path)] == path), None)
            path = inside or path
        while path:
            if path in self.origins:
                return self.origins[path]
            path = path[:-1]
        return display(self.path)

    def where(self, key: Sequence[str | int]) -> str:
        """The first line of an error: "settings.toml:41  application.broker"."""
        value = self.get(*key)
        name = dotted(tuple(key))
        return f"{self.origin(key)}  {f'[{name}]' if isinstance(value, dict) else name}"

    def get(self, *key: str | int, default: Any = None) -> Any:
        """The value at a key; `default` where nothing is written."""
        value: Any = self.tree
        for part in key:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return default
        return value


@dataclass(frozen=True, slots=True)
class Layer:
    tree: dict[str, Any]
    origins: Mapping[Key, str]
    name: str

    def origin(self, key: Key) -> str:
        while key and key not in self.origins:
            key = key[:-1]
        return self.origins.get(key, self.name)

    def where(self, key: Key) -> str:
        return f"{self.origin(key)}  {dotted(key)}"


def find(explicit: str | Path | None, environ: Mapping[str, str]) -> Path:
    """--settings, else $TRADER_SETTINGS, else ./settings.toml; absolute. SettingsError if it is not a file."""
    if explicit is not None and not str(explicit).strip():  # a variable of a script that is not set
        raise SettingsError("It is empty.", where="--settings", todo="Name a file, or leave the option out.")
    named = explicit or environ.get("TRADER_SETTINGS")
    source = "--settings" if explicit else "TRADER_SETTINGS"
    path = Path(named or "settings.toml")
    try:
        path = path.expanduser()
        there = path.exists()
    except (OSError, RuntimeError) as error:  # a folder that is closed to us, a name too long; a home nobody knows
        raise SettingsError(
            f"It cannot be looked up: {getattr(error, 'strerror', None) or str(error).rstrip('.')}.",
            where=f"{path!s:.200}",
            todo=f"It was named by {source}." if named else None,
        ) from None
    if not there and not named:
        raise SettingsError(
            f"There is no settings.toml in {Path.cwd()}.",
            todo="Run `trader init` to make one, or name another with --settings PATH or TRADER_SETTINGS.",
        )
    if not there:
        raise SettingsError(
            "There is no such file.", where=str(path), todo=f"It was named by {source}. Run `trader init` to make one."
        )
    if path.is_dir():
        raise SettingsError(
            "Expected a file, was a folder.", where=str(path), todo=f"Write {path / 'settings.toml'} if that is meant."
        )
    return Path(path).absolute()


def raw(path: str | Path, *, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Raw:
    """Reads, checks and folds all layers. `overrides` are KEY=VALUE; `environ` is os.environ unless given."""
    path = Path(path).absolute()
    layers = [_file(path)]
    local = path.with_name("settings.local.toml")
    if local != path and os.path.lexists(local):
        layers.append(_file(local))
    faults: list[SettingsError] = []
    layers += _dotenv(path.with_name(".env"), faults)
    layers += _environment(os.environ if environ is None else environ, faults)
    layers += _overrides(overrides, faults)
    for layer in layers:
        faults += check(layer.tree, layer.where)
    raise_all(faults)
    tree: dict[str, Any] = {}
    origins: dict[Key, str] = {}
    for layer in layers:
        faults += _fold_layer(tree, origins, layer)
    raise_all(faults)
    return Raw(path, tree, origins)


def fold(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables key by key; scalars and lists replace."""
    folded = dict(below)
    for name, value in above.items():
        under = folded.get(name)
        folded[name] = fold(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return folded


def _fold_layer(tree: dict[str, Any], origins: dict[Key, str], layer: Layer) -> list[SettingsError]:
    """Folds `layer` into `tree` in place; a table and a value cannot take each other's place."""
    faults = []
    for key, value in _leaves(layer.tree, ()):
        target: Any = tree
        for part in key[:-1]:
            target = target.setdefault(part, {}) if isinstance(target, dict) else None
        name = key[-1]
        if not isinstance(target, dict) or (
            name in target and isinstance(target[name], dict) != isinstance(value, dict)
        ):
            faults.append(
                SettingsError(
                    f"{show(value)} would take the place of a table, or a table that of a value, of a layer below.",
                    where=layer.where(key),
                    todo="Set the single keys of the table.",
                )
            )
            continue
        if name in target and isinstance(value, dict):  # an empty table over a table: nothing changes
            continue
        target[name] = value
        for old in [path for path in origins if path[: len(key)] == key]:
            del origins[old]
        origins[key] = layer.origin(key)
    origins.update(layer.origins)
    return faults


def _leaves(tree: Mapping[str, Any], key: Key) -> Iterator[tuple[Key, Any]]:
    """Every value that is no table, and every empty table."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*key, name))
        else:
            yield (*key, name), dict(value) if isinstance(value, Mapping) else value


def _file(path: Path) -> Layer:
    text = read_text(path)
    name = display(path)
    tree = parse(text, path)
    if not tree:
        raise SettingsError(
            "The file is empty: nothing but blanks and comments.",
            where=name,
            todo="Restore it, or delete it and run `trader init`."
            if path.name == "settings.toml"
            else "Fill it or delete it.",
        )
    return Layer(tree, {key: f"{name}:{line}" for key, line in lines_of(text).items()}, name)


def _dotenv(path: Path, faults: list[SettingsError]) -> list[Layer]:
    if not os.path.lexists(path):
        return []
    text = read_text(path)
    if PREFIX not in text.upper():  # secrets only: not ours to parse
        return []
    import io

    from dotenv.parser import parse_stream

    found: dict[str, tuple[str, str]] = {}
    for binding in parse_stream(io.StringIO(text)):
        place = f"{display(path)}:{binding.original.line}"
        if binding.error and PREFIX in binding.original.string.upper():
            faults.append(SettingsError("This line cannot be read.", where=place, todo="Write NAME=value."))
        elif binding.key is not None and _is_setting(binding.key):
            found[binding.key] = (binding.value or "", f"{place} {binding.key}")
    return _variables(found, faults)


def _environment(environ: Mapping[str, str], faults: list[SettingsError]) -> list[Layer]:
    found = {name: (text, f"environment {name}") for name, text in sorted(environ.items()) if _is_setting(name)}
    return _variables(found, faults)


def _is_setting(variable: str) -> bool:
    return variable.upper().startswith(PREFIX) and "__" in variable


def _variables(found: Mapping[str, tuple[str, str]], faults: list[SettingsError]) -> list[Layer]:
    """Each variable as a layer of its own; values are cast as dynaconf casts them: TOML, or else text."""
    layers = []
    for name, (text, place) in found.items():
        key: Key = tuple(name[len(PREFIX) :].lower().split("__"))
        fault = _variable_fault(name, key, text, place)
        if fault is not None:
            faults.append(fault)
            continue
        from dynaconf.utils.parse_conf import parse_with_toml  # reads no DYNACONF_* variable

        try:
            layers.append(_layer(key, parse_with_toml(text), place))
        except (ValueError, RecursionError):  # a number of 5,000 digits; brackets without end
            faults.append(SettingsError("The value cannot be read.", where=place, todo="Write it as in TOML."))
    return layers


def _variable_fault(name: str, key: Key, text: str, place: str) -> SettingsError | None:
    if name != name.upper() or not all(key):
        todo = f"Write {name.upper()}." if all(key) else "Write TRADER_TABLE__KEY."
        return SettingsError("The name is not written as settings are.", where=place, todo=todo)
    if text.lstrip().startswith("@"):  # before casting: some of dynaconf's markers run code
        return SettingsError("A value that begins with '@' is refused.", where=place, todo="Write the value itself.")
    return _one_line(text, place)


def _overrides(overrides: Sequence[str], faults: list[SettingsError]) -> list[Layer]:
    layers = []
    for override in overrides:
        name, equals, text = override.partition("=")
        key: Key = tuple(name.strip().split("."))
        place = f"--set {name.strip()}"
        if not equals or not text.strip() or len(key) < 2 or not all(key):
            faults.append(SettingsError(f"Expected KEY=VALUE, was {show(override)}.", where="--set", todo=_SET_EXAMPLE))
        elif fault := _one_line(text, place):
            faults.append(fault)
        else:
            try:
                layers.append(_layer(key, tomllib.loads(f"v = {text}")["v"], place))
            except (ValueError, RecursionError):
                if text.strip()[0] in "[{\"'":
                    faults.append(
                        SettingsError(f"{show(text)} is not a complete TOML value.", where=place, todo=_SET_EXAMPLE)
                    )
                else:
                    layers.append(_layer(key, text.strip(), place))
    return layers


_SET_EXAMPLE = "For example: --set application.schedule.interval_seconds=30"


def _one_line(text: str, place: str) -> SettingsError | None:
    if "\n" in text or "\r" in text or "\0" in text:
        return SettingsError("The value has more than one line.", where=place, todo="Write it on one line.")
    return None


def _layer(key: Key, value: Any, place: str) -> Layer:
    tree: Any = value
    for part in reversed(key):
        tree = {part: tree}
    return Layer(tree, {key: place}, place)
