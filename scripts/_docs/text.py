"""Pieces of Markdown."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence


def page(title: str, source: str, lead: str, *parts: str) -> str:
    """A whole page. `source`: what it is made from; `lead`: who it is for and what they can do after it."""
    head = f"<!-- Written by scripts/docs from {source}. Change that, not this page. -->"
    return "\n\n".join([head, f"# {title}", lead, *(part for part in parts if part)]).rstrip() + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; "" if it has no rows. Line ends and `|` in cells are made harmless."""
    lines = ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *lines])


def cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")


def code(value: str) -> str:
    return f"`{value}`" if value else ""


def block(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: indented parts become code blocks."""
    lines: list[str] = []
    inside = False
    for line in inspect.cleandoc(docstring or "").splitlines():
        if line.startswith("    ") and not inside:
            lines += ["```text"]
            inside = True
        elif inside and line and not line.startswith("    "):
            while not lines[-1]:
                lines.pop()
            lines += ["```", ""]
            inside = False
        lines.append(line[4:] if inside else line)
    return "\n".join([*lines, "```"] if inside else lines).strip()
