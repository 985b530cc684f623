"""trader plugins certify"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trader.cli.options import json_option, load_raw, set_option, settings_option, settings_path, wants_json
from trader.cli.plugins_view import wrapped
from trader.errors import SettingsError, UsageError
from trader.plugins import certificate as certificates
from trader.plugins.catalogue import Plugin, catalogue
from trader.plugins.kinds import KINDS
from trader.plugins.selection import plugin_of

if TYPE_CHECKING:
    from trader.plugins.certificate import Case

SIGNS = {"passed": "ok  ", "failed": "FAIL", "skipped": "-   "}


@click.command()
@click.argument("name")
@click.option(
    "--venue", type=click.Choice(["emulator", "paper"]), default="emulator", show_default=True,
    help="Where a broker is asked: at an emulator of its venue (for the broker paper, the simulated venue), or at your"
    " own paper account there, with the keys and the settings table that you have for it.",
)  # fmt: skip
@click.option("--price", metavar="PRICE", default="", help="--venue paper: where the suite's symbol stands now.")
@click.option("--symbol", metavar="SYMBOL", default="", help="--venue paper: instead of the manifest's.")
@settings_option
@set_option
@json_option
@click.pass_context
def certify(context: click.Context, name: str, venue: str, price: str, symbol: str) -> None:
    """Ask NAME (or KIND.NAME) every case of its conformance suite, and write its certificate beside the settings.

    Exit code 3 where a case failed; the certificate says so too. Live mode wants a certificate of every broker.
    """
    from trader.cli.plugins import resolve
    from trader.clock import SystemClock

    installed, folder, tree = catalogue(), *_place(context)
    kind, instance = resolve(name, installed, tree)
    plugin = installed.get(kind, plugin_of(tree, kind, instance))
    own = _own(plugin, instance, tree, venue, price)
    try:
        from trader.testing.certify import SUITES
        from trader.testing.certify import certify as ask
    except ImportError as error:
        raise UsageError(
            f"The testing kit needs what is not installed: {error.name}.",
            todo="Install trader-core with its extra 'testing'.",
        ) from error
    if kind not in SUITES:
        raise UsageError(f"There is no suite for a {KINDS[kind].people}.")
    quiet = wants_json(context)
    made = ask(plugin, told=_nothing if quiet else _tell, now=SystemClock().now(), own=own, price=price, symbol=symbol)
    path = certificates.write(folder, made)
    if quiet:
        click.echo(path.read_text(encoding="utf-8").rstrip())
    else:
        passed, failed, skipped = (made.count(outcome) for outcome in ("passed", "failed", "skipped"))
        click.echo(f"{plugin.label}: {passed} passed, {failed} failed, {skipped} not asked.   Written: {_near(path)}")
        if not made.passed:
            click.echo("It is not certified. Live mode refuses it.")
    context.exit(0 if made.passed else 3)


def _place(context: click.Context) -> tuple[Path, Any]:
    """The folder that certificates lie in, and the settings' tables; without settings: this folder, and none."""
    try:
        path = settings_path(context)
    except SettingsError as error:
        if error.where is None and not os.path.lexists("settings.toml"):
            return Path.cwd(), {}
        raise
    return path.parent, load_raw(context).tree


def _own(plugin: Plugin, instance: str, tree: Any, venue: str, price: str) -> str:
    """The settings table for an account at the venue itself, as JSON; empty: an emulator is asked."""
    if venue == "emulator" or plugin.capabilities.get("embedded"):
        return ""
    if plugin.kind != "broker":
        raise UsageError(f"--venue paper is for brokers; {plugin.name!r} is a {KINDS[plugin.kind].people}.")
    if not price:
        raise UsageError("--venue paper needs --price: orders are placed around where the symbol stands now.")
    table = tree.get("brokers", {}).get(instance, {})
    core = ("enabled", "plugin", "connection", "isolation", "timeout")
    return json.dumps({key: value for key, value in table.items() if key not in core}, default=str) or "{}"


def _tell(case: Case) -> None:
    click.echo(
        wrapped(f"  {case.number}  {SIGNS[case.outcome]}  ", f"{case.title}{': ' if case.why else ''}{case.why}")
    )


def _nothing(_: Case) -> None:
    pass


def _near(path: Path) -> str:
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)
