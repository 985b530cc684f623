"""trader reconcile"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from trader.cli.asking import ask, tell, timeout_option
from trader.cli.options import json_option, named, set_option, settings_option, wants_json
from trader.cli.output import NONE, answer_json, clean, counted, facts, short, table
from trader.cli.state import Facts, book_option
from trader.errors import Unreachable


@click.command()
@book_option
@click.option(
    "--adopt",
    metavar="SYMBOL",
    callback=named,
    help='Book what the venue says of SYMBOL (or of "cash") as an adjustment.',
)
@timeout_option(60.0)
@settings_option
@set_option
@json_option
@click.pass_context
def reconcile(context: click.Context, book: str | None, adopt: str | None, timeout: float) -> None:
    """Let the running session compare its journal with the venue now, and say where they differ.

    What the venue did and the journal lacks (fills, ends of orders) is booked by this. A difference of positions or
    cash stays, and blocks new risk in its symbol, until it is explained or adopted. It compares by itself too:
    application.reconcile.interval_seconds.

    Exit code 7: a venue did not answer all that was asked.
    """
    args = {"book": book, "adopt": adopt}
    done = ask(context, "reconcile", args, timeout=timeout, need="nobody can ask the venue")
    found = _decoded(done.answer)
    if found is None:  # a sentence
        return tell(context, done, "trader status")
    if wants_json(context):
        answer_json(found)
    else:
        _say(found)
    if any(each.get("unavailable") for each in found.values()):
        context.exit(Unreachable.exit_code)
    return None


def _decoded(answer: str | None) -> dict[str, Facts] | None:
    try:
        found = json.loads(answer or "")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


# ---- for people ----------------------------------------------------------------------------------------------------
def _say(found: dict[str, Facts]) -> None:
    differences = 0
    for name, told in found.items():
        differences += len(told.get("differences", []))
        click.echo(f"book {clean(name)}: {_verdict(told)}")
        lines = list(_lines(told))
        if lines:
            click.echo(facts(lines))
        if told.get("differences"):
            click.echo(_table(told["differences"]))
    if differences:
        click.echo("see where it comes from: trader fills; take the venue's word: trader reconcile --adopt SYMBOL")
    else:
        click.echo("what is held?   trader positions")


def _verdict(told: Facts) -> str:
    if told.get("unavailable"):
        return "not all could be asked, so nothing is said about what was not"
    if told.get("differences"):
        return f"{counted(len(told['differences']), 'difference')} between journal and venue"
    return "journal and venue agree"


def _lines(told: Facts) -> Iterator[tuple[str, str]]:
    for text in told.get("unavailable", []):
        yield "no answer", text
    if told.get("fills"):
        yield "booked now", f"{counted(told['fills'], 'fill')} that the journal lacked"
    for order in told.get("orders", []):
        was = f"was {order['was']}, " if order.get("was") else ""
        why = f": {order['reason']}" if order.get("reason") else ""
        yield (
            "order",
            f"{short(order['client_id'])} {order.get('symbol', '')}".rstrip() + f" {was}is {order['is']}{why}",
        )
    if told.get("unresolved"):
        names = ", ".join(short(each) for each in told["unresolved"])
        yield "not known yet", f"{counted(len(told['unresolved']), 'order')} may or may not be at the venue: {names}"
    for each in told.get("blocked", []):
        scope = "everything" if each["scope"] == "*" else each["scope"]
        level = f" ({each['level']})" if each.get("level") else ""
        since = f" since {_since(each)}" if each.get("since") else ""
        yield "blocked", f"{scope}{level}{since}: {each['reason']}"


def _table(differences: list[Facts]) -> str:
    head = ("WHAT", "SYMBOL", ">EXPECTED", ">FOUND", "SINCE (UTC)")
    rows = [
        (each["what"], _text(each["symbol"]), _text(each["expected"]), _text(each["found"]), _since(each))
        for each in differences
    ]
    return table(head, rows)


def _since(each: Facts) -> str:
    """To the minute: 2026-11-21 10:02."""
    return str(each.get("since") or NONE).replace("T", " ")[:16]


def _text(value: Any) -> str:
    return NONE if value is None else str(value)
