"""Reads Markdown pages: their code blocks, their links, their headings. What the tests of the pages stand on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from _docs.sources import ROOT

FENCE = re.compile(r"^( *)```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SECONDS = re.compile(r"\bin \d+\.\d+ s\b")


class Block(NamedTuple):
    """One fenced block."""

    language: str
    title: str
    """The file that it is: ```python title="rsi_dip.py"."""
    text: str
    line: int


class Step(NamedTuple):
    """One command of a console block and what it prints; "..." stands for anything."""

    command: str
    output: str


def pages() -> list[Path]:
    """Every page that people read: at the root and below docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def readmes() -> list[Path]:
    """The README of every member."""
    return sorted([*ROOT.glob("*/*/README.md"), ROOT / "core" / "README.md"])


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, less the indentation that a list gives them."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent, language, title, body = match.groups()
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        found.append(Block(language, title or "", "\n".join(lines) + "\n", text.count("\n", 0, match.start()) + 1))
    return found


def steps(block: Block) -> list[Step]:
    """The commands of a `console` block (behind "$ ") or of a `sh` block (every line), without comments."""
    found: list[Step] = []
    for line in block.text.splitlines():
        if block.language == "sh" or line.startswith("$ "):
            command = line.removeprefix("$ ").partition(" #")[0].strip()
            if command:
                found.append(Step(command, ""))
        elif found:
            found[-1] = Step(found[-1].command, found[-1].output + line + "\n")
    return found


def says(expected: str, actual: str) -> bool:
    """Whether a program printed what a page shows: "..." stands for anything, seconds for any seconds."""
    pattern = re.escape(SECONDS.sub("in 0.0 s", expected.strip())).replace(re.escape("..."), ".*?")
    lines = "\n".join(line.rstrip() for line in SECONDS.sub("in 0.0 s", actual.strip()).splitlines())
    return re.fullmatch(pattern, lines, re.DOTALL) is not None


def prose(page: Path) -> str:
    """A page without its code."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"<!--.*?-->", "", re.sub(r"`[^`\n]*`", "", text), flags=re.DOTALL)


def links(page: Path) -> list[str]:
    """The targets of a page's links that lie in this repository."""
    return [target for target in LINK.findall(prose(page)) if "://" not in target and not target.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of this page may name, as GitHub makes it."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).strip().replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    """Targets that are not there: a file, or a heading in it."""
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            yield target
