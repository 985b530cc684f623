"""The figures in docs/reference/reliability.md: such that do not depend on the machine."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from simulation.campaign import Tally
from simulation.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
NAME = "docs/reference/reliability.md"
PAGE = ROOT / NAME
BEGIN, END = "<!-- figures: written by scripts/simulate --full --record -->", "<!-- end of figures -->"


@dataclass(slots=True)
class Figures:
    """What one run of the script found. `mutants`: name -> (seeds that found it, seeds played)."""

    tally: Tally | None = None
    mutants: dict[str, tuple[int, int]] = field(default_factory=dict)
    cases: int = 0
    failed_cases: int = 0


def commit() -> str:
    """The commit, and whether files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        name = git("rev-parse", "--short=12", "HEAD")
        # The page itself is what a recording changes.
        changed = git("status", "--porcelain", "--", ".", f":!{NAME}")
    except OSError:
        return "unknown"
    return f"{name} with changes" if name and changed else name or "unknown"


def record(figures: Figures, page: Path = PAGE) -> None:
    """Replace the page's figures by these. ValueError if it has no place for them."""
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise ValueError(f"{page.name} must have one line {BEGIN!r} and, after it, one line {END!r}")
    head, rest = text.split(BEGIN)
    block = "\n\n".join([BEGIN, *tables(figures), END])
    page.write_text(head + block + rest.split(END)[1], encoding="utf-8", newline="\n")


def tables(figures: Figures) -> list[str]:
    """The facts, and a table of the planted bugs."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    facts = [f"* commit: {commit()}", f"* python: {python}"]
    if figures.tally is not None:
        tally = figures.tally
        facts += [
            f"* seeded histories: {tally.seeds:,}",
            f"* virtual time: {tally.hours:,.1f} hours",
            f"* crashes: {tally.crashes:,}; starts of the program: {tally.starts:,}",
            f"* orders sent: {tally.sends:,}; fills: {tally.fills:,}",
            f"* violations: {tally.violations}",
        ]
    if figures.cases:
        facts.append(f"* cases of one order: {figures.cases}; with violations: {figures.failed_cases}")
    found = {name: hits for name, (hits, _) in figures.mutants.items()}
    if found:
        facts.append(f"* planted bugs: {len(found)}; found: {sum(hits > 0 for hits in found.values())}")
    rows = ["| planted bug | what it does | found by |", "|---|---|---|"]
    rows += [
        f"| {name} | {MUTANTS[name].what} | {hits} of {played} |" for name, (hits, played) in figures.mutants.items()
    ]
    return ["\n".join(facts), *(["\n".join(rows)] if found else [])]
