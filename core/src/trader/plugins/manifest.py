"""plugin.toml: what a plugin says about itself, read without importing it.

It lies inside the top-level package, one table for each kind and name:

    [broker.alpaca]
    api = 1
    summary = "Stocks and crypto at Alpaca"
    capabilities = { needs_bars = false, concurrency = 4 }
    [broker.alpaca.permissions]
    submits_orders = true
    secrets = ["ALPACA_API_KEY", "ALPACA_SECRET_KEY"]
    hosts = ["paper-api.alpaca.markets"]
    [broker.alpaca.conformance]
    emulator = "alpaca"
    symbol = "AAPL"
"""

from __future__ import annotations

import importlib.util
import math
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trader.plugins.kinds import KINDS, Kind

FILE = "plugin.toml"
TABLE_KEYS = ("api", "summary", "capabilities", "permissions", "conformance")
PERMISSION_KEYS = ("submits_orders", "secrets", "hosts")
ID_POLICIES = ("forever", "open_only", "none")


def _truth(value: object) -> bool:
    return isinstance(value, bool)


def _seconds(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf  # type: ignore[operator]


def _words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


READ_BY_THE_CORE: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "concurrency": (lambda value: type(value) is int and value >= 1, "a whole number from 1 on"),
    "delay_seconds": (_seconds, "seconds from 0 on"),
    "embedded": (_truth, "true or false"),
    "horizon_seconds": (_seconds, "seconds from 0 on"),
    "id_policy": (lambda value: value in ID_POLICIES, f"one of {', '.join(ID_POLICIES)}"),
    "late_arrival_bounded": (_truth, "true or false"),
    "needs_bars": (_truth, "true or false"),
    "recorded": (_truth, "true or false"),
    "sells_fund_buys": (_truth, "true or false"),
    "time_in_force": (_words, "a list of names"),
    "watch_seconds": (_seconds, "seconds from 0 on"),
}
"""Capabilities that decide how orders are treated: what each must be. All others are the plugin's own."""


class Permissions(NamedTuple):
    """What a plugin asks for. Without a manifest: nothing."""

    submits_orders: bool = False
    secrets: tuple[str, ...] = ()
    """Names, never values: "ALPACA_API_KEY"."""
    hosts: tuple[str, ...] = ()
    """Network hosts it talks to."""


NOTHING_ASKED = Permissions()


class Entry(NamedTuple):
    """One table of a manifest."""

    api: int
    summary: str
    capabilities: Mapping[str, Any]
    permissions: Permissions
    conformance: Mapping[str, Any]


class Fault(Exception):
    """Something in a manifest is not as it must be; the text says where, what was expected, what it was."""


class Location(NamedTuple):
    """Where a top-level module lies."""

    folders: tuple[Path, ...]
    """Of a package; empty for a module of one file."""
    file: Path | None


def locate(module: str) -> Location | None:
    """Where the top-level name of `module` lies, or None. Imports nothing."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    folders = tuple(Path(folder) for folder in spec.submodule_search_locations or ())
    return Location(folders, Path(spec.origin) if spec.has_location and spec.origin else None)


def find(place: Location) -> Path | None:
    """The manifest of the package that lies there, or None."""
    return next((folder / FILE for folder in place.folders if (folder / FILE).is_file()), None)


def read(path: Path) -> Mapping[str, Any]:
    """The manifest as tables.

    Raises:
        Fault: it cannot be read, is not TOML, or has a table for a kind that does not exist.
    """
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise Fault(f"{FILE} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Fault(f"{FILE} is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # also a number of 5,000 digits, and brackets without end
        raise Fault(f"{FILE} is not valid TOML: {error}") from error
    for word, tables in document.items():
        if word not in KINDS:
            raise Fault(f"{FILE} has a table [{word}]; expected one of {', '.join(KINDS)}")
        if not isinstance(tables, dict):
            raise Fault(f"{FILE}: {word} must hold a table for each name, such as [{word}.my_name]; was {tables!r}")
    return document


def entry(document: Mapping[str, Any], kind: Kind, name: str) -> Entry:
    """The table of one plugin, checked.

    Raises:
        Fault: it is not there, has an unknown key, lacks `api`, or has a value of the wrong type.
    """
    where = f"{kind.word}.{name}"
    table = document.get(kind.word, {}).get(name)
    if table is None:
        there = [f"[{word}.{other}]" for word, tables in document.items() for other in tables]
        raise Fault(f"{FILE} has no table [{where}]; it has {', '.join(there) or 'none'}")
    _known(table, TABLE_KEYS, where)
    if "api" not in table:
        raise Fault(f"{FILE} [{where}] lacks api, the version of the plugin API it was written for, such as api = 1")
    permissions = _typed(table, "permissions", dict, "a table", where, {})
    within = f"{where}.permissions"
    _known(permissions, PERMISSION_KEYS, within)
    capabilities = _typed(table, "capabilities", dict, "a table", where, {})
    for key, (fits, expected) in READ_BY_THE_CORE.items():
        if key in capabilities and not fits(capabilities[key]):
            raise Fault(f"{FILE} [{where}.capabilities] {key}: expected {expected}, was {capabilities[key]!r}")
    return Entry(
        api=_typed(table, "api", int, "a whole number", where, 0),
        summary=_typed(table, "summary", str, "a line of text", where, ""),
        capabilities=capabilities,
        permissions=Permissions(
            submits_orders=_typed(permissions, "submits_orders", bool, "true or false", within, False),
            secrets=_names(permissions, "secrets", within),
            hosts=_names(permissions, "hosts", within),
        ),
        conformance=_typed(table, "conformance", dict, "a table", where, {}),
    )


def _known(table: object, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(table, dict):
        raise Fault(f"{FILE} [{where}] must be a table, was {table!r}")
    for key in table:
        if key not in keys:
            raise Fault(f"{FILE} [{where}] has an unknown key {key!r}; expected one of {', '.join(keys)}")


def _typed(table: Mapping[str, Any], key: str, kind: type, expected: str, where: str, default: Any) -> Any:
    value = table.get(key, default)
    if type(value) is not kind:
        raise Fault(f"{FILE} [{where}] {key}: expected {expected}, was {value!r}")
    return value


def _names(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = _typed(table, key, list, "a list of names", where, [])
    if not all(isinstance(value, str) and value for value in values):
        raise Fault(f"{FILE} [{where}] {key}: expected a list of names, was {values!r}")
    return tuple(values)
