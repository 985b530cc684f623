"""How other processes ask a running session for something: the wish is stored, the session answers it there."""

from __future__ import annotations

import getpass
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trader.cli.options import wants_json
from trader.cli.output import WIDTH, answer_json, clean
from trader.cli.state import database, look, place_of, running
from trader.errors import Refused, StoreError, Unreachable, storable

if TYPE_CHECKING:
    from trader.store.commands import Command
    from trader.store.database import Store

F = TypeVar("F", bound=Callable[..., Any])

POLL_SECONDS = 0.1


def timeout_option(seconds: float = 10.0) -> Callable[[F], F]:
    """--timeout SECONDS."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0),
        default=seconds,
        show_default=True,
        metavar="SECONDS",
        help="Wait so long for the answer.",
    )


def ask(context: click.Context, kind: str, args: Mapping[str, Any], *, timeout: float, need: str) -> Command:
    """Store a wish for the running session and wait for its answer.

    `need` is what cannot be without a session: "there is nothing to release".
    Errors: Refused where no session runs, or where it refuses; Unreachable if it does not answer in time.
    """
    target = database(context)
    store = look(target)  # a database that another version made is told here, before anything is written
    try:
        idle = store is None or running(store).alive is False
    finally:
        if store is not None:
            store.close()
    if idle:
        raise Refused(f"No session runs here: {need}.", where=place_of(target), todo="Start one: trader run --hold")
    with writing(target) as store:
        done = withdrawn(store, asked(store, kind, args, timeout))
    if done.state == "waiting":
        raise Unreachable(
            f"The session did not answer within {timeout:g} s. {WITHDRAWN}",
            todo="Look again: trader status. Wait longer: --timeout SECONDS.",
        )
    if done.state == "refused":
        raise Refused(f"The session refused: {sentence(done)}.")
    return done


WITHDRAWN = "The request is withdrawn; what was begun of it may still happen."


def withdrawn(store: Store, done: Command) -> Command:
    """Take a wish back that nobody answered: a session must not obey it an hour later, or the next one. Answered in
    that very moment, it stays. StoreError: it could not be taken back."""
    from trader.store import commands

    if done.state == "waiting":
        try:
            commands.answer(store, done.id, "withdrawn: nobody answered in time", refused=True)
        except StoreError as problem:
            with suppress(StoreError):
                done = commands.look(store, done.id)
            if done.state == "waiting":
                raise StoreError(
                    f"Nobody answered in time, and the request could not be withdrawn: {problem.what}",
                    where=problem.where,
                    todo="It stands: a session that runs may obey it later. What came of it: trader status",
                ) from None
    return done


@contextmanager
def writing(target: str | Path) -> Iterator[Store]:
    """A database that is there, for what operators write: wishes and blocks."""
    from trader.store.database import open_store

    store = open_store(target, create=False, check=False)
    try:
        yield store
    finally:
        store.close()


def asked(
    store: Store, kind: str, args: Mapping[str, Any], timeout: float, until: Callable[[], bool] | None = None
) -> Command:
    """Store a wish and look for its answer so long, or until that is true; `state` is still waiting if none came.
    Interrupted, it is withdrawn, unless it is waited for `until`: whoever wants an end wants it later too."""
    from trader.store import commands

    clock = store.clock
    known = {name: storable(value) if isinstance(value, str) else value for name, value in args.items()}
    number = commands.ask(store, kind, known, by=who())
    end = clock.monotonic() + timeout
    try:
        while (command := commands.look(store, number)).state == "waiting" and clock.monotonic() < end:
            if until is not None and until():
                break
            clock.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        if until is None:
            withdrawn(store, commands.look(store, number))
        raise
    return command


def tell(context: click.Context, done: Command, see: str) -> None:
    """The session's answer; `see` is the command that most people want next."""
    if wants_json(context):
        answer_json({"command": done.id, "state": done.state, "answer": done.answer, "answered_at": done.answered_at})
    else:
        text = f"The session answered: {sentence(done)}."
        fits = len(text) + len(see) + 8 <= WIDTH
        click.echo(f"{text}   see: {see}" if fits else "\n".join([*textwrap.wrap(text, WIDTH), f"see: {see}"]))


def sentence(done: Command) -> str:
    """The answer, without its full stop; on one line whatever a venue said."""
    return clean(done.answer or "").rstrip(".")


def who() -> str:
    """The user's name, for the record."""
    try:
        return storable(getpass.getuser())
    except (OSError, KeyError):  # a user without a name
        return "unknown"
