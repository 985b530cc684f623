"""The results in docs/reference/benchmarks.md, and the words about the machine that they were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from _record import commit, python, write_between

from _bench.programs import ROOT, Failed
from _bench.result import Result

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- results: written by scripts/bench --record -->", "<!-- end of results -->"
HEADS = ("benchmark", "what", "measured", "compared to", "ratio", "target", "")


def machine() -> dict[str, str]:
    """Where this was measured, without a date and without the machine's name."""
    return {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": python(),
        "commit": commit(PAGE),
    }


def record(results: Sequence[Result], page: Path = PAGE) -> None:
    """Replace the page's results by these."""
    try:
        write_between(page, BEGIN, END, [facts(), "", table(results)])
    except ValueError as problem:
        raise Failed(str(problem)) from None


def facts() -> str:
    return "\n".join(f"* {name}: {value}" for name, value in machine().items())


def table(results: Sequence[Result]) -> str:
    rows = [HEADS, *(result.cells() for result in results)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(HEADS), *lines[1:]])
