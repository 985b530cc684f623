"""The page of faults: the catalogue by its numbers, and the tests that name them."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from _docs.sources import ROOT
from _docs.text import page as whole
from _docs.text import table

CATALOGUE = Path(__file__).with_name("faults.toml")
FOLDERS = ("core/tests", "tests", "brokers/*/tests", "strategies/*/tests", "plugins/*/tests")
NAMED = re.compile(r"test((?:_F\d+)+)_(\w+)")


class Group(NamedTuple):
    """Faults of one kind: number -> what goes wrong."""

    title: str
    faults: dict[str, str]


class Shown(NamedTuple):
    """A test and the numbers that its name has."""

    path: Path
    name: str
    numbers: tuple[str, ...]
    says: str
    """What happens, from its docstring; where it has none, from its name."""


def groups() -> list[Group]:
    """The catalogue, in its order. ValueError where a number stands twice."""
    found = [Group(**one) for one in tomllib.loads(CATALOGUE.read_text("utf-8"))["groups"]]
    numbers = [number for group in found for number in group.faults]
    twice = {number for number in numbers if numbers.count(number) > 1}
    if twice:
        raise ValueError(f"{CATALOGUE.name} has these numbers twice: {', '.join(sorted(twice))}")
    return found


def named(root: Path = ROOT) -> list[Shown]:
    """Every test with a number in its name, by file and then in the order of the file."""
    paths = {path for folder in FOLDERS for top in root.glob(folder) for path in top.rglob("test_*.py")}
    return [test for path in sorted(paths) for test in _tests_of(path)]


def _tests_of(path: Path) -> Iterator[Shown]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (match := NAMED.fullmatch(node.name)):
            words = match[2].replace("_", " ")
            said = (ast.get_docstring(node) or f"{words[0].upper()}{words[1:]}.").split("\n\n")[0]
            yield Shown(path, node.name, tuple(match[1].strip("_").split("_")), said)


def page() -> str:
    """The page."""
    by_number: dict[str, list[Shown]] = defaultdict(list)
    for test in named():
        for number in test.numbers:
            by_number[number].append(test)
    parts, later = [], []
    for group in groups():
        rows = [row for number, fault in group.faults.items() for row in _rows(number, fault, by_number[number])]
        if rows:
            parts += [f"## {group.title}", table(("number", "fault", "what happens", "test"), rows)]
        missing = [f"* {number}: {fault}" for number, fault in group.faults.items() if not by_number[number]]
        later += [f"{group.title}:\n\n" + "\n".join(missing)] if missing else []
    text = tomllib.loads(CATALOGUE.read_text("utf-8"))
    return whole(
        "Faults", "scripts/_docs/faults.toml and the tests that name a fault", text["lead"].strip(),
        text["introduction"].strip(), *parts, "## Later", text["later"].strip(), *later,
    )  # fmt: skip


def _rows(number: str, fault: str, shown: list[Shown]) -> Iterator[tuple[str, str, str, str]]:
    """One row a test; the number and the fault stand in the first."""
    for place, test in enumerate(sorted(shown, key=lambda one: "faults" not in one.path.parts)):
        link = f"[{test.path.name}](../../{test.path.relative_to(ROOT).as_posix()})"
        yield (number if place == 0 else "", fault if place == 0 else "", test.says, f"{link} `{test.name}`")
