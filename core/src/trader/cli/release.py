"""trader release"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trader.cli.options import json_option, set_option, settings_option, wants_json
from trader.cli.output import answer_json
from trader.cli.state import database, opened, running
from trader.errors import Refused, Unreachable

if TYPE_CHECKING:
    from trader.store.commands import Command

POLL_SECONDS = 0.1


@click.command()
@click.option(
    "--timeout", type=click.FloatRange(0), default=10.0, show_default=True, metavar="SECONDS", help="Wait so long."
)
@settings_option
@set_option
@json_option
@click.pass_context
def release(context: click.Context, timeout: float) -> None:
    """Let a session that was started with --hold trade."""
    path = database(context)
    with opened(context) as store:  # a database that another version made is told here, before anything is written
        runs = store is not None and running(path)[0]
    if not runs:
        raise Refused(
            "No session runs here: there is nothing to release.", where=str(path), todo="Start one: trader run --hold"
        )
    done = _asked(path, timeout)
    if done.state == "refused":
        raise Refused(f"The session refused: {done.answer}.")
    if wants_json(context):
        answer_json({"command": done.id, "state": done.state, "answer": done.answer, "answered_at": done.answered_at})
        return
    click.echo(f"The session answered: {done.answer}.   see: trader status")


def _asked(path: Path, timeout: float) -> Command:
    """Store the wish, wait for the session's answer. Unreachable if it does not come in time."""
    from trader.clock import SystemClock
    from trader.store import commands
    from trader.store.database import open_store

    clock = SystemClock()
    store = open_store(path, create=False, check=False, clock=clock)
    try:
        number = commands.ask(store, "release", {}, by=_who())
        until = clock.monotonic() + timeout
        while (command := commands.look(store, number)).state == "waiting":
            if clock.monotonic() >= until:
                raise Unreachable(
                    f"The session did not answer within {timeout:g} s. The request is stored: it obeys when it can.",
                    todo="Look again: trader status",
                )
            clock.sleep(POLL_SECONDS)
        return command
    finally:
        store.close()


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return "unknown"
