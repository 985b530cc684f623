"""The results in docs/reference/benchmarks.md, and the words about the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from _bench.programs import ROOT, Failed
from _bench.result import Result

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- results: written by scripts/bench --record -->", "<!-- end of results -->"
HEADS = ("benchmark", "what", "measured", "compared to", "ratio", "target", "")


def machine() -> dict[str, str]:
    """Where this was measured, without a date and without the machine's name."""
    return {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "commit": _commit(),
    }


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        # The page itself is what a recording changes.
        changed = git("status", "--porcelain", "--", ".", f":!{PAGE.relative_to(ROOT).as_posix()}")
    except OSError:
        return "unknown"
    return f"{commit} with changes" if commit and changed else commit or "unknown"


def record(results: Sequence[Result], page: Path = PAGE) -> None:
    """Replace the page's results by these."""
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise Failed(f"{page.name} must have one line {BEGIN!r} and, after it, one line {END!r}")
    head, rest = text.split(BEGIN)
    block = "\n\n".join([BEGIN, facts(), table(results), END])
    page.write_text(head + block + rest.split(END)[1], encoding="utf-8", newline="\n")


def facts() -> str:
    return "\n".join(f"* {name}: {value}" for name, value in machine().items())


def table(results: Sequence[Result]) -> str:
    rows = [HEADS, *(result.cells() for result in results)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(HEADS), *lines[1:]])
