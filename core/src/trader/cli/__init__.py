"""The command line: one small file a command group, imported only when its command is typed.

Distributions may bring commands (`trader.cli.brought`); who types one of trader's own does not pay for the look.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from trader.cli.options import json_option, set_option, settings_option
from trader.errors import TraderError, redacted

if TYPE_CHECKING:
    from trader.cli.brought import Brought

COMMANDS = {
    "init": ("trader.cli.init:init", "Write settings.toml, .env.example and .gitignore into this folder."),
    "plugins": ("trader.cli.plugins:plugins", "List, show, enable and disable plugins."),
    "config": ("trader.cli.config:config", "Check and show the settings."),
    "run": ("trader.cli.run:run", "Trade: play cycles until the data ends or you stop it."),
    "stop": ("trader.cli.stop:stop", "End the running session in order."),
    "kill": ("trader.cli.kill:kill", "Halt everything at once and cancel every order, with or without a session."),
    "rearm": ("trader.cli.rearm:rearm", "Lift the kill switch, or what halts a book or a symbol."),
    "release": ("trader.cli.release:release", "Let a held session trade, or what was paused."),
    "pause": ("trader.cli.release:pause", "Let a book or a strategy decide nothing until it is released."),
    "cancel": ("trader.cli.cancel:cancel", "Cancel an order."),
    "close": ("trader.cli.cancel:close", "Close what is held in a symbol."),
    "reconcile": ("trader.cli.reconcile:reconcile", "Compare the journal with the venue now."),
    "status": ("trader.cli.status:status", "Where every book stands."),
    "positions": ("trader.cli.positions:positions", "What is held."),
    "orders": ("trader.cli.orders:orders", "Every order and what became of it."),
    "fills": ("trader.cli.fills:fills", "Every execution."),
    "decisions": ("trader.cli.decisions:decisions", "The decision diary."),
    "why": ("trader.cli.why:why", "Why a symbol was traded or not, or what became of an order."),
    "journal": ("trader.cli.journal:journal", "Prove that the journal is whole."),
    "db": ("trader.cli.db:db", "Check the database, bring it to this version."),
}
"""Name -> (where it lives, its line in --help): the list costs no import of any of them."""


class Commands(click.Group):
    """A group that imports a command when it is typed."""

    def list_commands(self, _: click.Context) -> list[str]:
        return [*COMMANDS, *(name for name, each in _brought().items() if not each.problem)]

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            found = _brought().get(cmd_name)
            return None if found is None else found.load()
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-") and name not in _brought():
            raise click.UsageError(_no_such(name), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as gone:
            if ctx.invoked_subcommand == "run":  # its screen minds no reader that went: this was another pipe
                raise
            raise _NobodyReadsError from gone  # click itself would end the program with 1 for it

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        others = _brought()
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, each.line) for name, each in others.items()])


def _brought() -> Mapping[str, Brought]:
    from trader.cli.brought import brought

    return brought(COMMANDS)


def _no_such(name: str) -> str:
    from difflib import get_close_matches

    from trader.cli.brought import HOMES

    if name in HOMES:
        return f"The command '{name}' comes with {HOMES[name]}, which is not installed. Run: pip install {HOMES[name]}"
    close = get_close_matches(name, [*COMMANDS, *_brought()], 1)
    guess = f" Did you mean '{close[0]}'?" if close else ""
    return f"There is no command '{name}'.{guess} See: trader --help"


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from trader import __version__

        click.echo(f"trader {__version__}")
        context.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 unexpected, 2 settings or command line, 3 plugin, 4 data, 5 database, 6 refused,"
    " 7 unreachable, 130 interrupted.",
)
@settings_option
@set_option
@json_option
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="The version.")
def trader() -> None:
    """Run trading strategies against brokers, unattended. Paper by default."""


class _NobodyReadsError(Exception):
    """The reader of a pipe went away: `trader orders | head`."""


def main(args: list[str] | None = None) -> None:
    """The program `trader`. Faults of the user's input end as one paragraph and an exit code, never as a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a sign that the terminal has not ends no answer
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: Any = trader.main(args, prog_name="trader", standalone_mode=False)
    except TraderError as error:
        _explain(str(error))
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = 130
    except _NobodyReadsError:
        from trader.cli.output import unread

        unread()
        code = 0
    except Exception:  # noqa: BLE001 - the last line of defence
        code = _fault_of_ours()
    sys.exit(code if isinstance(code, int) else 0)


def _explain(text: str) -> None:
    click.echo(redacted(text), err=True)


def _fault_of_ours() -> int:
    """What nobody foresaw: the traceback goes to a file, the person gets a sentence."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="trader-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(redacted(traceback.format_exc()))
    error = sys.exception()
    _explain(
        f"This is a fault of trader, not of yours: {type(error).__name__}: {error}\n"
        f"  The journal is intact. The details are in {file.name}; please report them."
    )
    return 1
