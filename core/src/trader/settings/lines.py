"""On which line of a TOML text does each key stand? (tomllib tells values only.)"""

from __future__ import annotations

import re
import tomllib

from trader.settings.faults import Key

_KEY = re.compile(r"""[ \t]*(?:"((?:\\.|[^"\\\n])*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*(\.)?""")
_VALUE = re.compile(
    r'"""(?:\\.|[^\\])*?"""+'  # strings of several lines first: they begin like short ones
    r"|'''.*?'''+"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[{\]}\n]"
    r"""|[^"'#\[{\]}\n]+""",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Key, int]:
    """The line (from 1) of every table header and every key, for a text that tomllib has parsed without error.

    What stands inside an inline table or an array has the line of its key.
    """
    text = text.replace("\r\n", "\n")
    found: dict[Key, int] = {}
    arrays: dict[Key, int] = {}  # arrays of tables: how many so far
    table: Key = ()
    at = 0
    while at < len(text):
        if text[at] in " \t\n":
            at += 1
        elif text[at] == "#":
            at = _end_of_line(text, at)
        elif text[at] == "[":
            double = text.startswith("[[", at)
            line = text.count("\n", 0, at) + 1
            path, _ = _dotted(text, at + (2 if double else 1))
            table = _inside_arrays(path, arrays, last=not double)
            if double:
                arrays[table] = arrays.get(table, 0) + 1
                found.setdefault(table, line)
                table = (*table, arrays[table] - 1)
            _note(found, table, line, depth=len(table))
            at = _end_of_line(text, at)
        else:
            line = text.count("\n", 0, at) + 1
            path, after = _dotted(text, at)
            _note(found, table + path, line, depth=len(path))
            at = _skip_value(text, after + 1)
    return found


def _note(found: dict[Key, int], key: Key, line: int, depth: int) -> None:
    """The key, and the tables that a dotted key makes on the way."""
    for size in range(len(key) - depth + 1, len(key) + 1):
        found.setdefault(key[:size], line)


def _inside_arrays(path: Key, arrays: dict[Key, int], *, last: bool) -> Key:
    """[a.b] after [[a]] speaks of the last a."""
    key: Key = ()
    for number, part in enumerate(path):
        key = (*key, part)
        if key in arrays and (last or number < len(path) - 1):
            key = (*key, arrays[key] - 1)
    return key


def _dotted(text: str, at: int) -> tuple[Key, int]:
    """A dotted key that begins at `at`, and the place after it."""
    parts: list[str] = []
    while match := _KEY.match(text, at):
        basic, literal, bare, dot = match.groups()
        if basic is not None:
            parts.append(tomllib.loads(f'k = "{basic}"')["k"])
        else:
            parts.append(bare if literal is None else literal)
        at = match.end()
        if not dot:
            break
    return tuple(parts), at


def _skip_value(text: str, at: int) -> int:
    """The place of the newline that ends the value which begins at `at`."""
    depth = 0
    while match := _VALUE.match(text, at):
        piece = match.group()
        if piece == "\n" and depth == 0:
            return at
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(piece, 0)
        at = match.end()
    return len(text)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
