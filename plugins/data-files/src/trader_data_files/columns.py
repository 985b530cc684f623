"""Which column is what. Pure functions over names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from trader.errors import DataError

WORDS = {
    "time": ("time", "timestamp", "ts", "t", "date", "datetime"),
    "start": ("start", "open_time", "opentime", "bar_start"),
    "end": ("end", "close_time", "closetime", "bar_end"),
    "symbol": ("symbol", "ticker"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v"),
}
"""What the columns are called in files people have, in small letters, with _ for a space."""
NEEDED = ("open", "high", "low", "close", "volume")
ADJUSTED = ("adj_close", "adjclose", "adjusted_close", "close_adj")
"""Left out: it is on another scale than open, high and low, and holds dividends that came later."""


class Roles(NamedTuple):
    """The columns of one file."""

    time: str
    label: Literal["start", "end"] | None
    """What the time column's name says the time is."""
    symbol: str | None
    values: Mapping[str, str]
    """open high low close volume -> column."""
    more: tuple[str, ...]
    """Columns that may be fields of their own."""
    ignored: tuple[str, ...]


def roles(names: Sequence[str], configured: Mapping[str, str], where: str) -> Roles:
    """Find each role's column by the names that are `configured`, then by common names.

    Raises:
        DataError: a column is missing, or two could be it.
    """
    for role, name in configured.items():
        if name not in names:
            raise DataError(
                f"Expected a column '{name}' (columns.{role} in the settings); the columns are {listed(names)}.",
                where=where,
                todo=f'Write the name as it stands in the file: columns = {{ {role} = "..." }}.',
            )
    taken = set(configured.values())
    plain = {name: _plain(name) for name in names if name not in taken}
    found = {role: [name for name in plain if plain[name] in words] for role, words in WORDS.items()}
    time, label = _time(found, configured, names, where)
    values = {role: _one(role, found[role], configured, names, where) for role in NEEDED}
    symbol = configured.get("symbol") or (_only(found["symbol"], "symbol", where) if found["symbol"] else None)
    used = {time, symbol, *values.values(), *found["start"], *found["end"]}
    rest = [name for name in names if name not in used]
    ignored = tuple(name for name in rest if _plain(name) in ADJUSTED or name in NEEDED)
    return Roles(time, label, symbol, values, tuple(name for name in rest if name not in ignored), ignored)


def listed(names: Sequence[str]) -> str:
    """For a message; long lists are cut."""
    shown = ", ".join(names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown or "none"


def _plain(name: str) -> str:
    """Small letters, no marks around, _ between words: `<Adj Close>` is `adj_close`."""
    return re.sub(r"[\s.-]+", "_", name.strip().strip("<>").strip().lower())


def _time(
    found: Mapping[str, list[str]], configured: Mapping[str, str], names: Sequence[str], where: str
) -> tuple[str, Literal["start", "end"] | None]:
    if "time" in configured:
        name = _plain(configured["time"])
        return configured["time"], "start" if name in WORDS["start"] else "end" if name in WORDS["end"] else None
    if found["time"]:
        return _only(found["time"], "time", where), None
    if found["start"]:
        return _only(found["start"], "time", where), "start"
    if found["end"]:
        return _only(found["end"], "time", where), "end"
    raise _missing("time", names, where)


def _one(role: str, candidates: Sequence[str], configured: Mapping[str, str], names: Sequence[str], where: str) -> str:
    if role in configured:
        return configured[role]
    if not candidates:
        raise _missing(role, names, where)
    return _only(candidates, role, where)


def _only(candidates: Sequence[str], role: str, where: str) -> str:
    if len(candidates) > 1:
        raise DataError(
            f"Expected one column for {role}, found {listed(candidates)}.",
            where=where,
            todo=f'Say which: columns = {{ {role} = "{candidates[0]}" }}.',
        )
    return candidates[0]


def _missing(role: str, names: Sequence[str], where: str) -> DataError:
    separated_otherwise = len(names) == 1 and re.search(r"[;\t|]", names[0])
    hint = " The values seem to be separated otherwise: set separator." if separated_otherwise else ""
    return DataError(
        f"Expected a column for {role} (one of {', '.join(WORDS[role])}); the columns are {listed(names)}.{hint}",
        where=where,
        todo=f'Name it in the settings if it is called otherwise: columns = {{ {role} = "..." }}.',
    )
