"""What reading commands share: the database, its books and cycles, and whether a session runs.

The settings are read for shape only: a mistake in a strategy's table does not hide what is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from trader.cli.options import load_raw, load_settings, wants_json
from trader.cli.output import answer_json
from trader.errors import Refused, StoreError, UsageError
from trader.store import DATABASE

if TYPE_CHECKING:
    from trader.store.database import Store

F = TypeVar("F", bound=Callable[..., Any])
Facts: TypeAlias = dict[str, Any]

LAST = 20
NOTHING = "Nothing has run here yet.   start: trader run"

book_option: Callable[[F], F] = click.option("--book", metavar="NAME", help="Only this book.")
last_option: Callable[[F], F] = click.option(
    "--last",
    type=click.IntRange(1),
    metavar="N",
    help=f"The newest N; people are shown {LAST} without it, programs all.",
)


# ---- the database --------------------------------------------------------------------------------------------------
def database(context: click.Context) -> Path:
    """The file that sessions of these settings write to; it may not exist."""
    raw = load_raw(context)
    folder = raw.get("application", "state_dir", default="var")
    if not isinstance(folder, str) or not folder:
        return load_settings(context).state_dir / DATABASE  # says what is wrong with it
    return raw.path.parent / Path(folder).expanduser() / DATABASE


@contextmanager
def opened(context: click.Context) -> Iterator[Store | None]:
    """The store, for reading beside a running session; None where nothing was ever run."""
    path = database(context)
    if not path.exists():
        yield None
        return
    from trader.store.database import open_store

    store = open_store(path, read_only=True)
    try:
        yield store
    finally:
        store.close()


def nothing(context: click.Context, value: Any) -> None:
    """The answer where nothing was ever run: a sentence, or `value` for programs."""
    answer_json(value) if wants_json(context) else click.echo(NOTHING)


def running(path: Path) -> tuple[bool | None, int | None]:
    """Whether a session holds the lock of this database (None: this user may not ask), and its process if known."""
    from trader.store.lock import InstanceLock

    lock = path.with_name(path.name + ".lock")
    if not lock.exists():
        return False, None
    try:
        InstanceLock(lock).acquire().release()
    except Refused:
        text = lock.read_bytes()[:20].decode("ascii", "replace").strip()
        return True, int(text) if text.isdecimal() else None
    except StoreError:
        return None, None
    return False, None


# ---- books and cycles ----------------------------------------------------------------------------------------------
def books(store: Store, name: str | None = None) -> list[Facts]:
    """The rows of `reading.books`, main first; one only if named. UsageError for a name that nobody has."""
    from trader.store import reading

    found = sorted(reading.books(store), key=lambda each: (each["name"] != "main", each["name"]))
    if name is None or not found:
        return found
    named = [each for each in found if each["name"] == name]
    if not named:
        names = ", ".join(each["name"] for each in found)
        raise UsageError(f"There is no book '{name}'.", todo=f"Books are: {names}.")
    return named


def find_cycle(store: Store, book: str, which: str | None) -> Facts:
    """One cycle, whole, by its number, its id or the beginning of its id (a day); the newest without any."""
    from trader.store import reading

    found = reading.cycle(store, book, int(which) if which and which.isdecimal() and len(which) < 10 else which)
    if found is not None:
        return found
    every = reading.cycles(store, book)
    if not every:
        raise UsageError(f"Book '{book}' has decided nothing yet.", todo="Start: trader run")
    begun = [each for each in every if which and each["cycle_id"].startswith(which)]
    if not begun:
        raise UsageError(
            f"Book '{book}' has no cycle {which}.",
            todo=f"It has {every[0]['number']} to {every[-1]['number']} "
            f"({every[0]['cycle_id']} to {every[-1]['cycle_id']}): trader decisions",
        )
    if len(begun) > 1:
        raise UsageError(f"{len(begun)} cycles begin with {which}.", todo=f"Write more of it: {begun[0]['cycle_id']}")
    return find_cycle(store, book, begun[0]["cycle_id"])


def of_symbol(rows: Iterable[Facts], symbol: str | None) -> list[Facts]:
    """The rows of a symbol, whatever the case it was written in; all without one."""
    if symbol is None:
        return list(rows)
    return [row for row in rows if row["symbol"].casefold() == symbol.casefold()]


def newest(rows: list[Facts], last: int | None, *, everything: bool) -> list[Facts]:
    """What is shown of a list: the last `last`, else `everything` or the last `LAST`."""
    if last is None and everything:
        return rows
    return rows[-(last or LAST) :]
