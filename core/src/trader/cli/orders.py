"""trader orders"""

from __future__ import annotations

import click

from trader.cli.options import json_option, named, set_option, settings_option, wants_json
from trader.cli.output import answer_json, by_book, price, quantity, short, shown, when
from trader.cli.state import Facts, book_option, books, last_option, newest, nothing, of_symbol, opened


@click.command()
@book_option
@click.option("--open", "only_open", is_flag=True, help="Only orders that are not done.")
@click.option("--symbol", metavar="SYMBOL", callback=named, help="Only this symbol.")
@last_option
@settings_option
@set_option
@json_option
@click.pass_context
def orders(context: click.Context, book: str | None, only_open: bool, symbol: str | None, last: int | None) -> None:
    """Every order and what became of it, oldest first; also those that a rule refused."""
    with opened(context) as store:
        if store is None:
            return nothing(context, [])
        from trader.store import reading

        found = books(store, book)
        rows = of_symbol(reading.orders(store, book, *(unresolved() if only_open else ())), symbol)
    some = newest(rows, last, everything=wants_json(context))
    if wants_json(context):
        return answer_json([order(row) for row in some])
    if not found:
        return nothing(context, [])
    kind = "open order" if only_open else "order"
    about = f" in {symbol}" if symbol else ""
    if not some:
        click.echo(f"There is no {kind}{about}.   what was decided?   trader decisions")
        return None
    click.echo(_table(some, several=len(found) > 1))
    last_id = short(some[-1]["client_id"])
    click.echo(shown(len(some), len(rows), kind) + f"   what became of one?   trader why {last_id}")
    return None


def unresolved() -> list[str]:
    """The states of orders that are not done."""
    from trader.orders.lifecycle import UNRESOLVED

    return sorted(state.value for state in UNRESOLVED)


def order(row: Facts) -> Facts:
    """An order for programs. `mark` is the price it was planned at; `filled` the sum of its booked fills."""
    return {
        "client_order_id": row["client_id"],
        "venue_id": row["venue_id"],
        "book": row["book"],
        "cycle": row["cycle_number"],
        "cycle_id": row["cycle_id"],
        "symbol": row["symbol"],
        "side": row["side"],
        "quantity": row["quantity"],
        "filled": row["filled"],
        "type": row["type"],
        "limit_price": row["limit_price"],
        "stop_price": row["stop_price"],
        "time_in_force": row["time_in_force"],
        "reduce_only": row["reduce_only"],
        "purpose": row["purpose"],
        "mark": row["price"],
        "state": row["state"],
        "open": row["open"],
        "reason": row["reason"],
        "decided_at": row["decided_at"],
        "updated_at": row["at"],
    }


def kind_of(row: Facts) -> str:
    """market, limit 26.80, stop 24.00, stop 24.00 limit 23.90."""
    parts = [f"{name} {price(row[f'{name}_price'])}" for name in ("stop", "limit") if row[f"{name}_price"] is not None]
    return " ".join(parts) or str(row["type"])


def _table(rows: list[Facts], *, several: bool) -> str:
    head = ("ORDER", "DECIDED (UTC)", "SYMBOL", "SIDE", ">QUANTITY", "TYPE", ">FILLED", "STATE", "REASON")
    lines = [
        (
            short(row["client_id"]),
            when(row["decided_at"]),
            row["symbol"],
            row["side"],
            quantity(row["quantity"]),
            kind_of(row),
            quantity(row["filled"]),
            row["state"],
            row["reason"].partition(":")[0] if row["denied"] else row["reason"],
        )
        for row in rows
    ]
    return by_book(head, lines, [row["book"] for row in rows], several=several)
