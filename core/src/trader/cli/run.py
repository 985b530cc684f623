"""trader run"""

from __future__ import annotations

import json
import sys

import click

from trader.cli.options import json_option, load_settings, set_option, settings_option, wants_json
from trader.cli.output import only_answers
from trader.errors import Refused, UsageError, storable


@click.command()
@click.option("--once", is_flag=True, help="Exactly one cycle (the same as --cycles 1).")
@click.option("--cycles", type=click.IntRange(1), metavar="N", help="At most N cycles a book.")
@click.option("--pace", type=click.FloatRange(0, min_open=True), metavar="N", help="Recorded bars a second.")
@click.option("--fresh", is_flag=True, help="Recorded data only: archive the state and begin at the first bar.")
@click.option(
    "--cold-start",
    "cold",
    is_flag=True,
    help="Open a new epoch of the journal: the old one stays stored, positions, orders and cash come from the venue."
    " Refused unless the account is clean.",
)
@click.option("--adopt", is_flag=True, help="With --cold-start: take over positions and orders that the venue shows.")
@click.option("--cancel-open", is_flag=True, help="With --cold-start: cancel the orders that the venue shows first.")
@click.option(
    "--acknowledge-kill",
    metavar="REASON",
    help="With --cold-start: lift a latched kill switch, and why it may be; it stays latched without this.",
)
@click.option("--warm-start", "warm", is_flag=True, help="Go on where the journal ends (this is the default).")
@click.option("--hold", is_flag=True, help="Start everything and trade nothing until `trader release`.")
@click.option("--live", is_flag=True, help="Allow real money. Refused by this version.")
@settings_option
@set_option
@json_option
@click.pass_context
def run(
    context: click.Context, once: bool, cycles: int | None, pace: float | None, fresh: bool, cold: bool, warm: bool,
    adopt: bool, cancel_open: bool, acknowledge_kill: str | None, hold: bool, live: bool,
) -> None:  # fmt: skip
    """Trade: play cycles until the data ends or you stop it (Ctrl-C).

    Recorded data is played as fast as it decides. A second run goes on after the last decided cycle.
    """
    if once and cycles not in (None, 1):
        raise UsageError("--once is one cycle: it cannot go together with --cycles.")
    _one_start(cold, warm, fresh)
    _only_cold(cold, {"--adopt": adopt, "--cancel-open": cancel_open, "--acknowledge-kill": acknowledge_kill})
    settings = load_settings(context)
    if live:
        raise Refused(
            "Live trading is refused: the guards that it needs are not part of this version.",
            where="--live",
            todo='Run without it; trading.mode = "paper" or "read_only".',
        )
    from trader.cli.screen import Screen
    from trader.session.interrupts import interruptible
    from trader.session.session import Session

    as_json = wants_json(context)
    recorded_screen = sys.stderr.isatty() and not as_json
    with only_answers(as_json), interruptible(), Session(settings, terminal="warning") as session:
        session.start(
            cold_start=cold,
            fresh=fresh,
            hold=hold,
            adopt=adopt,
            cancel_open=cancel_open,
            acknowledge_kill=storable(acknowledge_kill or ""),
        )
        if not session.recorded and not as_json:
            session.show_log("info")
        screen = Screen(session, out=None if as_json else sys.stdout, live=recorded_screen)
        screen.banner()
        with screen:
            summary = session.run(cycles=1 if once else cycles, pace=pace, progress=screen.step)
    if as_json:
        click.echo(json.dumps(summary.as_json(), allow_nan=False))
    else:
        screen.summary(summary)


def _one_start(cold: bool, warm: bool, fresh: bool) -> None:
    if cold and (warm or fresh):
        raise UsageError("--cold-start, --warm-start and --fresh exclude each other.")
    if warm and fresh:
        raise UsageError("--warm-start goes on, --fresh begins again: choose one.")


def _only_cold(cold: bool, given: dict[str, bool | str | None]) -> None:
    """What says how a cold start meets the account makes no sense without one."""
    reason = given["--acknowledge-kill"]
    wrong = [name for name, value in given.items() if value not in (None, False) and not cold]
    if wrong:
        raise UsageError(
            f"{wrong[0]} says how a cold start meets the account: it goes together with --cold-start.",
            todo=f"Write: trader run --cold-start {wrong[0]}",
        )
    if isinstance(reason, str) and not reason.strip():
        raise UsageError("--acknowledge-kill is empty.", todo="Say in a few words why it may trade again.")
