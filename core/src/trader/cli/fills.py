"""trader fills"""

from __future__ import annotations

import click

from trader.cli.options import json_option, named, set_option, settings_option, wants_json
from trader.cli.output import NONE, answer_json, by_book, fees, price, quantity, short, shown, when
from trader.cli.state import Facts, book_option, books, last_option, newest, nothing, of_symbol, opened


@click.command()
@book_option
@click.option("--symbol", metavar="SYMBOL", callback=named, help="Only this symbol.")
@last_option
@settings_option
@set_option
@json_option
@click.pass_context
def fills(context: click.Context, book: str | None, symbol: str | None, last: int | None) -> None:
    """Every execution in the order of booking, of every epoch: what was traded stays traded."""
    with opened(context) as store:
        if store is None:
            return nothing(context, [])
        from trader.store import reading

        booked = reading.fills(store, book)
        names = {row["book"] for row in booked}  # a book that only an older epoch had is one too
        if book is None or not booked:
            names |= {each["name"] for each in books(store, book)}
        rows = of_symbol(booked, symbol)
        some = newest(rows, last, everything=wants_json(context))
        if wants_json(context):
            return answer_json([fill(row) for row in some])
        ours = (row["client_id"] for row in reversed(some) if row["client_id"])
        known = next((each for each in ours if reading.order(store, each) is not None), None)
    if not names:
        return nothing(context, [])
    if not some:
        about = f" in {symbol}" if symbol else ""
        click.echo(f"There is no fill{about}.   what was ordered?   trader orders")
        return None
    click.echo(_table(some, several=len(names) > 1))
    what = f"   why was it ordered?   trader why {short(known)}" if known else "   see: trader orders"
    click.echo(shown(len(some), len(rows), "fill") + what)
    return None


def fill(row: Facts) -> Facts:
    """A fill for programs. `client_order_id` is None for one that no order of ours explains."""
    return {
        "execution_id": row["execution_id"],
        "client_order_id": row["client_id"],
        "venue_id": row["venue_id"],
        "book": row["book"],
        "symbol": row["symbol"],
        "side": row["side"],
        "quantity": row["quantity"],
        "price": row["price"],
        "fee": row["fee"],
        "fee_currency": row["fee_currency"],
        "time": row["time"],
    }


def _table(rows: list[Facts], *, several: bool) -> str:
    head = ("TIME (UTC)", "SYMBOL", "SIDE", ">QUANTITY", ">PRICE", ">FEE", "ORDER", "EXECUTION")
    lines = [
        (
            when(row["time"]),
            row["symbol"],
            row["side"],
            quantity(row["quantity"]),
            price(row["price"]),
            fees([(row["fee"], row["fee_currency"])]),
            short(row["client_id"] or NONE),
            row["execution_id"],
        )
        for row in rows
    ]
    return by_book(head, lines, [row["book"] for row in rows], several=several)
