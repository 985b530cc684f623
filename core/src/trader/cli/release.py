"""trader release, trader pause"""

from __future__ import annotations

import click

from trader.cli.asking import ask, tell, timeout_option
from trader.cli.options import json_option, set_option, settings_option
from trader.errors import UsageError


@click.command()
@click.argument("scope", metavar="[BOOK|STRATEGY]", required=False)
@timeout_option()
@settings_option
@set_option
@json_option
@click.pass_context
def release(context: click.Context, scope: str | None, timeout: float) -> None:
    """Let a session that was started with --hold trade; or BOOK or STRATEGY that was paused.

    A halt is not lifted by this: trader rearm.
    """
    if scope is not None and not scope.strip():  # a variable of a script that is not set
        raise UsageError("The scope is empty.", todo="Name what was paused; without any scope it is what --hold held.")
    need = "there is nothing to release"
    tell(context, ask(context, "release", {"scope": scope or ""}, timeout=timeout, need=need), "trader status")


@click.command()
@click.argument("scope", metavar="BOOK|STRATEGY")
@timeout_option()
@settings_option
@set_option
@json_option
@click.pass_context
def pause(context: click.Context, scope: str, timeout: float) -> None:
    """Let a running session decide nothing for BOOK, or ask STRATEGY nothing, until `trader release`.

    What works at the venue goes on working and is booked; what is held is kept. A pause outlives a restart.
    """
    need = "there is nothing to pause"
    tell(context, ask(context, "pause", {"scope": scope}, timeout=timeout, need=need), "trader status")
