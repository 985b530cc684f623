"""What must hold for every layer before it is folded: plain lower-case keys, no `@`, no secrets, finite numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from trader.errors import SettingsError
from trader.settings.faults import Key, dotted, unknown

KINDS: Mapping[str, str] = {
    "brokers": "broker",
    "strategies": "strategy",
    "risk_rules": "risk rule",
    "alert_transports": "alert transport",
    "data_sources": "data source",
    "allocators": "allocator",
    "execution_styles": "execution style",
    "services": "service",
}
"""The settings table of each kind of plugin, and what people call it."""

TOP = ("application", "trading", "observability", "books", *KINDS)

REMOVED: dict[str, str] = {}
"""Settings that earlier releases had, and what to write now: never given a new meaning, never ignored."""

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_SECRET_KEY = re.compile(
    r"(?:^|_)(?:api_?key|api_?secret|secret|secret_key|token|password|passwd|passphrase|private_key|access_key)\Z"
)
_SECRET_VALUE = re.compile(
    r"-----BEGIN|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bsk-[\w-]{16,}|\bxox[abprs]-[\w-]{10,}|\bAKIA[0-9A-Z]{16}\b"
    r"|\b\d{8,}:[\w-]{30,}|://[^/\s:@]+:[^/\s@]+@"
)
_WORD = re.compile(r"[A-Za-z0-9]{20,}")
_SECRETS_GO = (
    "Secrets do not belong in settings. Put it into the environment (or .env) under the name that the plugin's manifest"
    " gives, into the OS keyring, or into .secrets.toml (readable by you alone); then delete it here and change it at"
    " the venue if this file was ever shared."
)

Where = Callable[[Key], str]


def check(tree: Mapping[str, Any], where: Where) -> list[SettingsError]:
    """All faults of one layer; `where` tells the place of a key for a person."""
    faults = [fault for key, value in _walk(tree, ()) for fault in _check_one(key, value, where)]
    return faults or _check_shape(tree, where)


def _walk(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    if key:
        yield key, value
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _walk(inner, (*key, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, (*key, number))


def _check_one(key: Key, value: Any, where: Where) -> Iterator[SettingsError]:
    name = key[-1]
    if isinstance(name, str) and (fault := _check_name(name, key, where)):
        yield fault
    if isinstance(value, str):
        yield from _check_text(key, value, where)
    elif isinstance(value, float) and not math.isfinite(value):
        yield SettingsError(f"Expected a finite number, was {value}.", where=where(key), todo="Write the number.")
    elif isinstance(value, int) and abs(value) >= 2**63:
        yield SettingsError("This whole number is too large (64 bits are the limit).", where=where(key))


def _check_name(name: str, key: Key, where: Where) -> SettingsError | None:
    """Is the last part of `key` written as keys are?"""
    if name != name.strip():
        return SettingsError(
            f"The key {name!r} has a space at its begin or end.", where=where(key), todo=f"Write {name.strip()!r}."
        )
    if "__" in name:
        return SettingsError(
            f"The key {name!r} has two underscores in a row. They separate levels in environment variables only.",
            where=where(key),
            todo=f"Write {name.replace('__', '.')!r} as a table and a key.",
        )
    inside_options = len(key) > 3 and key[0] in KINDS  # a plugin's own table may be keyed by symbols
    if inside_options or _NAME.match(name):
        return None
    plain = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
    todo = f"Write {plain!r}." if _NAME.match(plain) else None
    return SettingsError(
        f"The key {name!r} is not written as keys are: lower-case letters, digits and single underscores.",
        where=where(key),
        todo=todo,
    )


def _check_text(key: Key, value: str, where: Where) -> Iterator[SettingsError]:
    if value.lstrip().startswith("@"):
        yield SettingsError(
            "A value that begins with '@' is refused: such values can run code or read files.",
            where=where(key),
            todo="Write the value itself.",
        )
    name = next((part for part in reversed(key) if isinstance(part, str)), "")
    if value and _SECRET_KEY.search(name):
        yield SettingsError(f"'{name}' holds a secret in plain text.", where=where(key), todo=_SECRETS_GO)
    elif _SECRET_VALUE.search(value) or any(_looks_random(word) for word in _WORD.findall(value)):
        yield SettingsError(
            f"This text of {len(value)} characters looks like a key or a password.", where=where(key), todo=_SECRETS_GO
        )


def _looks_random(word: str) -> bool:
    """Digits and letters thrown together, as in keys; not as in names, paths or option symbols."""
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in word]
    changes = sum(a != b for a, b in pairwise(kinds))
    return kinds.count("d") >= 2 and len(set(kinds)) >= 2 and changes >= 6


def _check_shape(tree: Mapping[str, Any], where: Where) -> list[SettingsError]:
    faults: list[SettingsError] = []
    for top, table in tree.items():
        if top not in TOP:
            faults.append(unknown(where((top,)), f"There is no settings table '{top}'.", top, TOP))
        elif not isinstance(table, Mapping):
            faults.append(_not_a_table((top,), table, where))
        else:
            nested = top in KINDS or top == "books"
            faults += [
                _not_a_table((top, name), inner, where)
                for name, inner in table.items()
                if nested and not isinstance(inner, Mapping)
            ]
            faults += _removed((top,), table, where)
    return faults


def _removed(key: Key, table: Mapping[str, Any], where: Where) -> Iterator[SettingsError]:
    for name, inner in table.items():
        now = REMOVED.get(dotted((*key, name)))
        if now is not None:
            yield SettingsError(f"The setting '{name}' was removed.", where=where((*key, name)), todo=now)
        if isinstance(inner, Mapping):
            yield from _removed((*key, name), inner, where)


def _not_a_table(key: Key, was: Any, where: Where) -> SettingsError:
    return SettingsError(
        f"Expected a table, was {show(was)}.", where=where(key), todo=f"Write [{dotted(key)}] and its keys below."
    )


def show(value: Any) -> str:
    """A value as it would be written in TOML, short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{name} = {show(inner)}" for name, inner in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(show(inner) for inner in value) + "]"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
