"""What reading commands share: the database, its books and cycles, and whether a session runs.

The settings are read for shape only: a mistake in a strategy's table does not hide what is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import click

from trader.cli.options import load_raw, load_settings, named, wants_json
from trader.cli.output import answer_json
from trader.errors import Refused, StoreError, UsageError, storable
from trader.store import database_of

if TYPE_CHECKING:
    from trader.store.database import Store

F = TypeVar("F", bound=Callable[..., Any])
Facts: TypeAlias = dict[str, Any]

LAST = 20
NOTHING = "Nothing has run here yet.   start: trader run"

book_option: Callable[[F], F] = click.option("--book", metavar="NAME", callback=named, help="Only this book.")
last_option: Callable[[F], F] = click.option(
    "--last",
    type=click.IntRange(1),
    metavar="N",
    help=f"The newest N; people are shown {LAST} without it, programs all.",
)


# ---- the database --------------------------------------------------------------------------------------------------
def state_folder(context: click.Context) -> Path:
    """The folder of all state; it may not exist."""
    raw = load_raw(context)
    folder = raw.get("application", "state_dir", default="var")
    if not isinstance(folder, str) or not folder:
        return load_settings(context).state_dir  # says what is wrong with it
    return raw.path.parent / Path(folder).expanduser()


def database(context: click.Context) -> str | Path:
    """What sessions of these settings write to, as `open_store` takes it: the SQLite file, which may not exist, or
    the URL of another database."""
    raw = load_raw(context)
    url = raw.get("application", "database")
    if url is not None and not isinstance(url, str):
        load_settings(context)  # says what is wrong with it
    return database_of(url, raw.path.parent, state_folder(context))


def place_of(target: str | Path) -> str:
    """A database in messages, without a password."""
    if isinstance(target, Path):
        return str(target)
    from trader.store.connect import target_of

    return target_of(target).render_as_string(hide_password=True)


@contextmanager
def opened(context: click.Context) -> Iterator[Store | None]:
    """The store, for reading beside a running session; None where nothing was ever run."""
    target = database(context)
    store = look(target)
    try:
        yield store
    finally:
        if store is not None:
            store.close()


def look(target: str | Path) -> Store | None:
    """Open for reading; None where no trader database is. StoreError where it cannot be read."""
    if isinstance(target, Path) and not target.exists():
        return None
    from trader.store.database import open_store

    try:
        return open_store(target, read_only=True)
    except StoreError as problem:
        if problem.todo == "`trader run` makes one.":  # it is there, and empty: a server's, or one in the making
            return None
        raise


def nothing(context: click.Context, value: Any) -> None:
    """The answer where nothing was ever run: a sentence, or `value` for programs."""
    answer_json(value) if wants_json(context) else click.echo(NOTHING)


class Runs(NamedTuple):
    """Whether a session runs (`alive` None: this user may not ask), and where, as far as that is known."""

    alive: bool | None
    process: int | None = None
    host: str = ""
    """Only where the database is reached from other machines too."""

    def __str__(self) -> str:
        """process 4711, process 4711 on HOST."""
        text = f"process {self.process}" if self.process else "its process is not known"
        return f"{text} on {self.host}" if self.host else text


def running(store: Store) -> Runs:
    """Whether a session holds the lock of this database, or its lease."""
    return _leased(store) if store.path is None else locked(store.path)


def locked(database: Path) -> Runs:
    """The same of a SQLite file that need not be opened for it."""
    from trader.store.lock import InstanceLock

    lock = database.with_name(database.name + ".lock")
    if not lock.exists():
        return Runs(False)
    try:
        InstanceLock(lock).look()
    except Refused:
        text = lock.read_bytes()[:20].decode("ascii", "replace").strip()
        return Runs(True, int(text) if text.isdecimal() else None)
    except StoreError:
        return Runs(None)
    return Runs(False)


def _leased(store: Store) -> Runs:
    from trader.store.lease import holder

    owner = holder(store)
    if owner is None:
        return Runs(False)
    host, _, process = owner.partition(" ")[0].rpartition(":")
    return Runs(True, int(process) if process.isdecimal() else None, host)


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


def book_part(book: str, *, several: bool) -> str:
    """What a command needs to find the book again; two may look at one symbol."""
    return f" --book {book}" if several else ""


def find_cycle(store: Store, book: str, which: str | None) -> Facts:
    """One cycle, whole, by its number, its id or the beginning of its id (a day); the newest without any."""
    from trader.store import reading

    which = which and storable(which)
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
