"""plugins.lock: what was approved, beside the settings. Live mode refuses what is not in it, before importing it.

It pins kind, name, distribution, version, API, permissions, and one hash over all files of the distribution.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from trader.errors import SettingsError
from trader.plugins import manifest
from trader.plugins.catalogue import Plugin
from trader.plugins.manifest import Permissions

FILE = "plugins.lock"
State = Literal["locked", "changed", "unlocked"]

# Written by the installer, different on every machine, and without code:
_INSTALLER = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})


class Locked(NamedTuple):
    """What the lock says of one plugin."""

    kind: str
    name: str
    distribution: str
    version: str
    api: int
    """0 without a manifest."""
    sha256: str
    permissions: Permissions


Lock = Mapping[tuple[str, str], Locked]
"""By (kind, name)."""


def path_beside(settings: Path) -> Path:
    """Where the lock of a settings file lies."""
    return settings.with_name(FILE)


def locked(plugin: Plugin) -> Locked:
    """What a lock would say of a plugin as it is installed now. Reads its files, imports nothing."""
    return Locked(
        plugin.kind,
        plugin.name,
        plugin.distribution,
        plugin.version,
        plugin.api or 0,
        digest(plugin),
        plugin.permissions,
    )


def digest(plugin: Plugin) -> str:
    """sha256 over the names and contents of the plugin's files: all that its distribution records, and all that lies
    in its package. (An editable installation records no sources, a record no file that was added later.)"""
    total = hashlib.sha256()
    for name, path in sorted(_files(plugin).items()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{name}\0{content}\n".encode())
    return total.hexdigest()


def verify(plugin: Plugin, lock: Lock) -> State:
    """Is the plugin, as it is installed now, the one that was locked?"""
    entry = lock.get((plugin.kind, plugin.name))
    if entry is None:
        return "unlocked"
    return "locked" if entry == locked(plugin) else "changed"


def difference(plugin: Plugin, lock: Lock) -> str | None:
    """What changed since it was locked, for a person: "version 0.1.0 -> 0.1.1, files". None if nothing did."""
    entry = lock.get((plugin.kind, plugin.name))
    if entry is None:
        return "not in the lock"
    now = locked(plugin)
    changes = [
        f"{field} {getattr(entry, field)} -> {getattr(now, field)}"
        for field in ("distribution", "version", "api")
        if getattr(entry, field) != getattr(now, field)
    ]
    changes += [word for word in ("permissions",) if entry.permissions != now.permissions]
    changes += ["files"] if entry.sha256 != now.sha256 else []
    return ", ".join(changes) or None


def read(path: Path) -> Lock:
    """The lock; empty if there is no such file.

    Raises:
        SettingsError: it is damaged. A lock that cannot be read approves nothing.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = [_entry(table) for table in document.get("plugin", [])]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"The lock cannot be read: {error}.",
            where=path.name,
            todo="Compare it with your version control, or write it anew: trader plugins lock",
        ) from error
    return {(entry.kind, entry.name): entry for entry in entries}


def write(path: Path, plugins: Iterable[Plugin]) -> Lock:
    """Lock these plugins and no others. The old file stays whole until the new one is complete. SettingsError where
    it cannot be written."""
    entries = sorted(locked(plugin) for plugin in plugins)
    text = "# What was approved to run. Written by `trader plugins lock`; keep it under version control.\n"
    text += "".join("\n" + _table(entry) for entry in entries)
    try:
        write_whole(path, text)
    except OSError as error:
        raise SettingsError(
            f"The lock cannot be written: {error.strerror}.", where=path.name, todo=f"It lies in {path.parent}."
        ) from error
    return {(entry.kind, entry.name): entry for entry in entries}


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all. OSError."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _table(entry: Locked) -> str:
    permissions = entry.permissions
    rows = [
        ("kind", entry.kind),
        ("name", entry.name),
        ("distribution", entry.distribution),
        ("version", entry.version),
        ("api", entry.api),
        ("sha256", entry.sha256),
        ("submits_orders", permissions.submits_orders),
        ("secrets", list(permissions.secrets)),
        ("hosts", list(permissions.hosts)),
    ]
    return "[[plugin]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rows)  # JSON of these is TOML


def _entry(table: Mapping[str, Any]) -> Locked:
    permissions = Permissions(table["submits_orders"], tuple(table["secrets"]), tuple(table["hosts"]))
    kind, name, distribution, version, sha256 = (
        str(table[key]) for key in ("kind", "name", "distribution", "version", "sha256")
    )
    return Locked(kind, name, distribution, version, int(table["api"]), sha256, permissions)


def _files(plugin: Plugin) -> dict[str, Path]:
    """Name within the installation -> file."""
    found = _recorded(plugin.distribution)
    place = manifest.locate(plugin.module)
    for folder in place.folders if place else ():
        for path in folder.rglob("*"):
            if path.is_file():
                found[f"{folder.name}/{path.relative_to(folder).as_posix()}"] = path
    if place and place.file and not place.folders:
        found[place.file.name] = place.file
    return {name: path for name, path in found.items() if not _is_cache(name) and path.is_file()}


def _recorded(distribution: str) -> dict[str, Path]:
    try:
        files = importlib.metadata.distribution(distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    return {
        file.as_posix(): Path(str(file.locate()))
        for file in files
        if ".." not in file.parts and not (file.name in _INSTALLER and file.parts[0].endswith(".dist-info"))
    }


def _is_cache(name: str) -> bool:
    return "__pycache__" in name.split("/") or name.endswith((".pyc", ".pyo"))
