"""Commands that distributions bring: entry points of the group `trader.commands`, each naming a click command.

    [project.entry-points."trader.commands"]
    emulate = "trader_emulators.command:emulate"

Found in the files that an installer leaves, read by hand: importlib.metadata costs as much as all of `trader --help`.
A command's module is imported when it is typed. A command of trader's own is never replaced, and a name that two
distributions bring is nobody's.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trader.errors import PluginBroken, PluginConflict

if TYPE_CHECKING:
    import click

GROUP = "trader.commands"
HOMES = {"emulate": "trader-emulators"}
"""Commands of our own distributions, for whoever types one that is not installed."""
INFO = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


class Brought(NamedTuple):
    """A command as metadata knows it."""

    name: str
    target: str
    """What the entry point names: "trader_emulators.command:emulate"."""
    source: str
    """Who brings it: "trader-emulators 0.1.0"; two: "a 1.0 and b 2.0"."""
    line: str
    """For --help."""
    problem: str | None = None
    """Why it cannot be used, in words."""
    conflict: bool = False

    def load(self) -> click.Command:
        """The command. PluginConflict or PluginBroken, which say what is wrong with it."""
        where = f"Command '{self.name}' ({self.source})"
        if self.problem:
            raise (PluginConflict if self.conflict else PluginBroken)(
                f"It cannot be used: {self.problem}.", where=where
            )
        module, _, attribute = self.target.partition(":")
        try:
            command: object = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise PluginBroken(
                f"Importing {self.target!r} raised {type(error).__name__}: {error}",
                where=where,
                todo="Install what it needs into this environment, or uninstall the distribution.",
            ) from error
        import click

        if not isinstance(command, click.Command):
            raise PluginBroken(f"Expected {self.target!r} to be a click command, was {command!r:.80}.", where=where)
        return command


def brought(own: Collection[str]) -> Mapping[str, Brought]:
    """Every command that somebody brings, by name; `own` are the names of trader's own. Imports none of them."""
    found: dict[str, list[Brought]] = {}
    seen: set[str] = set()
    for folder, points in _distributions():
        distribution, version, summary = _head(folder / INFO[folder.suffix])
        normal = re.sub(r"[-_.]+", "-", distribution).lower()
        if normal in seen:  # the first on sys.path is the one that an import finds
            continue
        seen.add(normal)
        for name, target in points:
            found.setdefault(name, []).append(_read(name, target, f"{distribution} {version}", summary, own))
    return {name: _one(each) for name, each in sorted(found.items())}


def _distributions() -> Iterator[tuple[Path, list[tuple[str, str]]]]:
    """The folder of its metadata, and the (name, target) pairs, of each that brings commands."""
    for place in dict.fromkeys(sys.path):
        try:
            folders = sorted(each for each in Path(place).iterdir() if each.suffix in INFO)
        except OSError:  # a zip file, or not there
            continue
        for folder in folders:
            points = _points(_text(folder / "entry_points.txt"))
            if points:
                yield folder, points


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _points(text: str) -> list[tuple[str, str]]:
    """(name, target) of each entry point of the group."""
    if f"[{GROUP}]" not in text:
        return []
    lines = text.partition(f"[{GROUP}]")[2].partition("\n[")[0].splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith(("#", ";"))]
    return [(name.strip(), target.strip()) for name, _, target in pairs]


def _head(path: Path) -> tuple[str, str, str]:
    """Name, version and summary of a distribution."""
    fields: dict[str, str] = {}
    for line in _text(path).splitlines():
        if not line.strip():
            break
        key, _, value = line.partition(":")
        fields.setdefault(key, value.strip())
    return (
        fields.get("Name") or "a distribution without a name",
        fields.get("Version") or "without a version",
        fields.get("Summary", ""),
    )


def _read(name: str, target: str, source: str, summary: str, own: Collection[str]) -> Brought:
    problem = _problem(name, target, own)
    line = f"Refused: {problem} ({source})." if problem else f"{source.partition(' ')[0]}: {summary or 'a command'}."
    return Brought(name, target, source, line, problem, conflict=name in own)


def _problem(name: str, target: str, own: Collection[str]) -> str | None:
    if name in own:
        return f"{name!r} is a command of trader itself, which stays what it is"
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        return f"its name {name!r} must be lower-case letters and digits, such as 'my-command'"
    module, _, attribute = target.partition(":")
    if not attribute.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        return f"its entry point must name a click command, such as 'my_package.command:run'; was {target!r}"
    return None


def _one(namesakes: list[Brought]) -> Brought:
    first = namesakes[0]
    if len(namesakes) == 1:
        return first
    who = " and ".join(sorted(each.source for each in namesakes))
    problem = f"more than one distribution brings {first.name!r}, {who}; uninstall one of them"
    return Brought(first.name, "", who, f"Refused: {problem}.", problem, conflict=True)
