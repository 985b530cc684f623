"""All pages, and what is stale."""

from __future__ import annotations

import sys
from collections.abc import Callable
from posixpath import normpath

from _docs import brokers, contracts, faults, options, program
from _docs.sources import ROOT

FOLDER = ROOT / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": program.commands,
    "settings.md": options.settings,
    "hooks.md": contracts.hooks,
    "protocols.md": contracts.protocols,
    "manifest.md": contracts.manifest,
    "brokers.md": brokers.brokers,
    "events.md": program.events,
    "order-states.md": program.states,
    "../explanation/faults.md": faults.page,
}
"""Below FOLDER."""


def stale() -> list[str]:
    """Names of pages that are not what the code says now."""
    found = []
    for name, make in PAGES.items():
        path = FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != make():
            found.append(name)
    return found


def write() -> list[str]:
    """Write what is stale; the names of these pages."""
    names = stale()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8", newline="\n")
    return names


def main(arguments: list[str]) -> int:
    """0, or 1 where `--check` finds a stale page."""
    if arguments not in ([], ["--check"]):
        print("usage: scripts/docs [--check]", file=sys.stderr)
        return 2
    check = bool(arguments)
    names = stale() if check else write()
    for name in names:
        print(normpath(f"docs/reference/{name}"), "is stale: run scripts/docs" if check else "written")
    if not names:
        print(f"{len(PAGES)} pages are fresh")
    return 1 if check and names else 0
