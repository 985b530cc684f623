"""trader stop"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trader.cli.asking import asked, sentence, writing
from trader.cli.options import json_option, load_raw, set_option, settings_option, wants_json
from trader.cli.output import answer_json, clean, counted
from trader.cli.state import Facts, database, opened, running
from trader.errors import Refused, Unreachable

if TYPE_CHECKING:
    from trader.store.database import Store

POLL_SECONDS = 0.1
MARGIN_SECONDS = 30.0
"""The usual wait: application.shutdown.grace, and this for the step that it is in and for letting go."""


@click.command()
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Wait so long for its end; else application.shutdown.grace and 30 seconds.",
)
@settings_option
@set_option
@json_option
@click.pass_context
def stop(context: click.Context, timeout: float | None) -> None:
    """Ask the running session to end after the step that it is in, and wait until it has ended.

    Where none runs there is nothing to do, and that is said. What it does with working orders and positions:
    application.shutdown in the settings. `trader kill` does not wait for anybody.
    """
    if timeout is None:
        grace = load_raw(context).get("application", "shutdown", "grace", default=30.0)
        timeout = MARGIN_SECONDS + (grace if isinstance(grace, int | float) else 30.0)
    told: Facts = {"stopped": False, "session": None, "exit_reason": None, "seconds": None}
    told |= {"open_orders": 0, "positions": 0}
    with opened(context) as store:
        if store is not None:
            if running(store).alive is not False:
                try:
                    told |= {"stopped": True, "seconds": _stop(context, store, timeout)}
                except KeyboardInterrupt:
                    click.echo("Nobody waits for its end. The request is stored: it obeys when it can.", err=True)
                    raise
            told |= _left(store)
    answer_json(told) if wants_json(context) else _say(told)


def _stop(context: click.Context, store: Store, timeout: float) -> float:
    """Ask, and wait until nobody holds the lock; how long that took, in seconds."""
    from trader.store import commands

    clock = store.clock
    began = clock.monotonic()
    with writing(database(context)) as writer:
        done = asked(writer, "stop", {}, timeout, until=lambda: running(store).alive is False)
        while (runs := running(store)).alive is not False:
            if done.state == "refused":  # it was starting, and did not listen yet
                raise Refused(f"The session ({runs}) refused: {sentence(done)}.", todo="It runs on: trader status")
            if clock.monotonic() - began >= timeout:
                what = "has not ended" if done.state == "done" else "did not answer"
                raise Unreachable(
                    f"The session ({runs}) {what} within {timeout:g} s. The request is stored: it obeys when it can.",
                    todo="Wait longer: trader stop --timeout 300. Or halt everything without it: trader kill",
                )
            clock.sleep(POLL_SECONDS)
        if commands.look(writer, done.id).state == "waiting":  # the next session must not obey it
            commands.answer(writer, done.id, "it ended before it was asked", refused=True)
    return clock.monotonic() - began


def _left(store: Store) -> Facts:
    """How the newest session ended, and what it left at the venue."""
    from trader.cli.orders import unresolved
    from trader.store import reading

    sessions = reading.sessions(store)
    last: Facts = sessions[-1] if sessions else {}
    return {
        "session": last.get("id"),
        "exit_reason": last.get("exit_reason"),
        "open_orders": len(reading.orders(store, None, *unresolved())),
        "positions": sum(1 for each in reading.holdings(store) if each["quantity"]),
    }


def _say(told: Facts) -> None:
    if told["stopped"]:
        reason = f" ({clean(told['exit_reason'])})" if told["exit_reason"] else " without a word"
        click.echo(f"The session ended{reason} after {told['seconds']:.1f} s.")
    else:
        click.echo("No session runs here: there is nothing to stop.")
    left = [
        counted(told[name], noun) for name, noun in (("open_orders", "open order"), ("positions", "position"))
        if told[name]
    ]  # fmt: skip
    if left:
        click.echo(f"Left at the venue: {', '.join(left)}.   see: trader orders --open, trader positions")
    else:
        click.echo("Nothing was left at the venue: no open order, no position.")
