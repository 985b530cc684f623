"""Distributions as their metadata describes them, read without the e-mail parser."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """The part of a distribution's metadata that a listing needs."""

    name: str
    version: str
    summary: str
    requires: tuple[str, ...]


def distributions() -> Iterator[importlib.metadata.Distribution]:
    """Those that may bring a plugin, each once: the first on `sys.path` is the one that an import would find."""
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        try:
            if "trader." not in (distribution.read_text("entry_points.txt") or ""):
                continue
        except UnicodeDecodeError:
            pass  # whoever reads it tells of it
        name = normal(head_of(distribution).name)
        if name not in seen:
            seen.add(name)
            yield distribution


def normal(name: str) -> str:
    """The normal form of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def head_of(distribution: importlib.metadata.Distribution) -> Head:
    """Name and version by hand: `distribution.metadata` parses the whole README as an e-mail."""
    fields: dict[str, str] = {}
    requires: list[str] = []
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except UnicodeDecodeError:
        text = ""
    for line in text.splitlines():
        if not line.strip():
            break
        key, _, value = line.partition(":")
        if key == "Requires-Dist":
            requires.append(value.strip())
        else:
            fields.setdefault(key, value.strip())
    return Head(
        fields.get("Name") or "a distribution without a name",
        fields.get("Version") or "without a version",
        fields.get("Summary", ""),
        tuple(requires),
    )
