"""The figures in docs/reference/reliability.md: such that do not depend on the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from _record import ROOT, commit, python, write_between
from simulation.campaign import Tally
from simulation.mutants import MUTANTS

NAME = "docs/reference/reliability.md"
PAGE = ROOT / NAME
PARTS = ("histories", "cases", "planted bugs")
"""Each is recorded with the commit that it was run on: a whole run takes hours."""


def markers(part: str) -> tuple[str, str]:
    """The lines that a part of the page stands between."""
    return f"<!-- {part}: written by scripts/simulate --record -->", f"<!-- end of {part} -->"


@dataclass(slots=True)
class Figures:
    """What one run of the script found. `mutants`: name -> (seeds that found it, seeds played)."""

    tally: Tally | None = None
    mutants: dict[str, tuple[int, int]] = field(default_factory=dict)
    cases: int = 0
    failed_cases: int = 0


def record(figures: Figures, page: Path = PAGE) -> None:
    """Replace the parts of the page that were run. ValueError if it has no place for one."""
    facts = [f"* commit: {commit(PAGE)}", f"* python: {python()}"]
    for part, lines in parts(figures).items():
        write_between(page, *markers(part), [*facts, *lines])


def parts(figures: Figures) -> dict[str, list[str]]:
    """The lines of each part that was run."""
    found: dict[str, list[str]] = {}
    if figures.tally is not None:
        tally = figures.tally
        found["histories"] = [
            f"* seeded histories: {tally.seeds:,}",
            f"* virtual time: {tally.hours:,.1f} hours",
            f"* crashes: {tally.crashes:,}; starts of the program: {tally.starts:,}",
            f"* orders sent: {tally.sends:,}; fills: {tally.fills:,}",
            f"* violations: {tally.violations}",
        ]
    if figures.cases:
        found["cases"] = [f"* cases of one order: {figures.cases}; with violations: {figures.failed_cases}"]
    if figures.mutants:
        seen = sum(hits > 0 for hits, _ in figures.mutants.values())
        rows = ["", "| planted bug | what it does | found by |", "|---|---|---|"]
        for name, (hits, played) in figures.mutants.items():
            rows.append(f"| {name} | {MUTANTS[name].what} | {hits} of {played} |")
        found["planted bugs"] = [f"* planted bugs: {len(figures.mutants)}; found: {seen}", *rows]
    return found
