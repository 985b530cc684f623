"""trader plugins certify"""

from __future__ import annotations

import os
from decimal import Decimal, InvalidOperation
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
    from trader.plugins.certificate import Case, Certificate

SIGNS = {"passed": "ok  ", "failed": "FAIL", "skipped": "-   "}


def _price(_: click.Context, __: click.Parameter, value: str | None) -> str:
    if value is None:
        return ""
    try:
        price = Decimal(value)
    except InvalidOperation:
        price = Decimal(0)
    if not price.is_finite() or price <= 0:
        raise click.BadParameter(f"expected a price above 0, such as 187.5, was {value!r}.")
    return value


@click.command()
@click.argument("name")
@click.option(
    "--venue", type=click.Choice(["emulator", "paper"]), default="emulator", show_default=True,
    help="Where a broker is asked: at an emulator of its venue (for the broker paper, the simulated venue), or at your"
    " own paper account there, with the keys and the settings table that you have for it. That leaves out what only an"
    " emulator can ask: its certificate is another one, KIND.NAME.paper.json, which live mode does not read.",
)  # fmt: skip
@click.option("--price", metavar="PRICE", callback=_price, help="--venue paper: where the suite's symbol stands now.")
@click.option("--symbol", metavar="SYMBOL", default="", help="--venue paper: instead of the manifest's.")
@settings_option
@set_option
@json_option
@click.pass_context
def certify(context: click.Context, name: str, venue: str, price: str, symbol: str) -> None:
    """Ask NAME (or KIND.NAME) every case of its conformance suite, and write its certificate beside the settings.

    A plugin that is no broker is asked with its settings table. Exit code 3 where a case failed; the certificate says
    so too. Live mode wants a certificate of every broker.
    """
    from trader.cli.plugins import resolve
    from trader.clock import SystemClock

    installed, (folder, tree) = catalogue(), _place(context)
    kind, instance = resolve(name, installed, tree)
    plugin = installed.get(kind, plugin_of(tree, kind, instance))
    _check(plugin, venue, price, symbol)
    try:
        from trader.testing.certify import SUITES, Asking
        from trader.testing.certify import certify as ask
    except ImportError as error:
        raise UsageError(
            f"The testing kit needs what is not installed: {error.name}.",
            todo="Install trader-core with its extra 'testing'.",
        ) from error
    if kind not in SUITES:
        raise UsageError(f"There is no suite for a {KINDS[kind].people}.", where=plugin.label)
    quiet = wants_json(context)
    asking = Asking(_options(tree, kind, instance), folder, price, symbol)
    made = ask(plugin, told=_nothing if quiet else _tell, now=SystemClock().now(), asking=asking)
    path = certificates.write(folder, made)
    if quiet:
        click.echo(path.read_text(encoding="utf-8").rstrip())
    else:
        passed, failed, skipped = (made.count(outcome) for outcome in ("passed", "failed", "skipped"))
        click.echo(f"{plugin.label}: {passed} passed, {failed} failed, {skipped} not asked.   Written: {_near(path)}")
        click.echo(_meaning(made))
    context.exit(0 if made.passed else 3)


def _meaning(made: Certificate) -> str:
    """What follows from a certificate, in a line."""
    label = f"{made.kind}.{made.name}"
    live = " Live mode refuses it." if made.kind == "broker" else ""
    if not made.passed:
        return f"It is not certified.{live}"
    if made.venue == certificates.PAPER:
        return f"Live mode wants what is asked at the emulator too: trader plugins certify {label}"
    return "It is certified, as it is installed now.   Next: trader plugins list"


def _place(context: click.Context) -> tuple[Path, Any]:
    """The folder that certificates lie in, and the settings' tables; without settings: this folder, and none."""
    try:
        path = settings_path(context)
    except SettingsError as error:
        if error.where is None and not os.path.lexists("settings.toml"):
            return Path.cwd(), {}
        raise
    return path.parent, load_raw(context).tree


def _check(plugin: Plugin, venue: str, price: str, symbol: str) -> None:
    """UsageError where the options do not go together."""
    if venue == "emulator" and (price or symbol):
        raise UsageError("--price and --symbol go with --venue paper; an emulator trades what the manifest says.")
    if venue == "emulator":
        return
    if plugin.kind != "broker":
        raise UsageError(f"--venue paper is for brokers; {plugin.name!r} is a {KINDS[plugin.kind].people}.")
    if plugin.capabilities.get("embedded") and (price or symbol):
        raise UsageError(f"{plugin.name!r} lives in this process: there is no account of yours at a venue to be asked.")
    if not plugin.capabilities.get("embedded") and not price:
        raise UsageError("--venue paper needs --price: orders are placed around where the symbol stands now.")


def _options(tree: Any, kind: str, instance: str) -> dict[str, Any]:
    """What stands in its settings table for itself."""
    from trader.settings.document import PluginKeys

    table = tree.get(KINDS[kind].plural, {}).get(instance, {})
    return {key: value for key, value in table.items() if key not in PluginKeys.model_fields}


def _tell(case: Case) -> None:
    click.echo(
        wrapped(f"  {case.number}  {SIGNS[case.outcome]}  ", f"{case.title}{': ' if case.why else ''}{case.why}")
    )


def _nothing(_: Case) -> None:
    pass


def _near(path: Path) -> str:
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)
