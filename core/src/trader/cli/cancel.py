"""trader cancel, trader close"""

from __future__ import annotations

import click

from trader.cli.asking import ask, tell, timeout_option
from trader.cli.options import json_option, set_option, settings_option
from trader.cli.output import clean
from trader.cli.state import book_option, opened
from trader.errors import UsageError


@click.command()
@click.argument("order", metavar="ORDER")
@timeout_option(30.0)
@settings_option
@set_option
@json_option
@click.pass_context
def cancel(context: click.Context, order: str, timeout: float) -> None:
    """Let the running session cancel ORDER: enough of its id to find it, or a foreign order's id at the venue.

    A cancel is a wish: the order may fill before it arrives. What became of it: trader why ORDER.
    """
    if not order.strip():  # every order begins like this
        raise UsageError("The order is empty.", todo="See: trader orders --open")
    done = ask(context, "cancel", {"order": order}, timeout=timeout, need="nobody can cancel an order")
    tell(context, done, f"trader why {clean(order)}")


@click.command()
@click.argument("symbol", metavar="SYMBOL")
@book_option
@timeout_option(60.0)
@settings_option
@set_option
@json_option
@click.pass_context
def close(context: click.Context, symbol: str, book: str | None, timeout: float) -> None:
    """Let the running session close what it holds in SYMBOL, by an order that passes every rule and the gate.

    The strategies may buy it again in the next cycle: pause them first (trader pause) if they must not.
    """
    with opened(context) as store:
        if store is not None:
            from trader.store import reading

            held = [str(row["symbol"]) for row in reading.holdings(store, book) if row["quantity"]]
            same = [each for each in held if each.casefold() == symbol.casefold()]
            symbol = symbol if symbol in held or len(set(same)) != 1 else same[0]
    args = {"symbol": symbol, "book": book}
    done = ask(context, "close", args, timeout=timeout, need="nobody can close a position")
    tell(context, done, f"trader orders --symbol {clean(symbol)}")
