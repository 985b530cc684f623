"""Figures between two lines of a page, and the commit that they were measured on."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def commit(page: Path) -> str:
    """The commit of this tree, and whether files other than the page differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        name = git("rev-parse", "--short=12", "HEAD")
        # The page itself is what a recording changes.
        changed = git("status", "--porcelain", "--", ".", f":!{page.relative_to(ROOT).as_posix()}")
    except OSError:
        return "unknown"
    return f"{name} with changes" if name and changed else name or "unknown"


def python() -> str:
    """The interpreter, in words."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def write_between(page: Path, begin: str, end: str, lines: Sequence[str]) -> None:
    """Replace what stands between the lines `begin` and `end`. ValueError if the page has no one such place."""
    text = page.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        raise ValueError(f"{page.name} must have one line {begin!r} and, after it, one line {end!r}")
    head, rest = text.split(begin)
    whole = "\n".join([head + begin, "", *lines, "", end]) + rest.split(end)[1]
    page.write_text(whole, encoding="utf-8", newline="\n")
