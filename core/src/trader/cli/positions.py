"""trader positions"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from trader.cli.options import json_option, set_option, settings_option, wants_json
from trader.cli.output import answer_json, exact, money, percent, price, quantity, table, tidy, when
from trader.cli.state import Facts, book_option, book_part, books, nothing, opened

if TYPE_CHECKING:
    from trader.store.database import Store


@click.command()
@book_option
@settings_option
@set_option
@json_option
@click.pass_context
def positions(context: click.Context, book: str | None) -> None:
    """What is held, and what it is worth at the last cycle's prices."""
    with opened(context) as store:
        if store is None:
            return nothing(context, [])
        found = books(store, book)
        held = {each["name"]: held_by(store, each) for each in found}
        several = len(books(store)) > 1
    if wants_json(context):
        return answer_json([position for listed in held.values() for position in listed])
    if not found:
        return nothing(context, [])
    for each in found:
        _show(each, held[each["name"]])
    first = next((position for listed in held.values() for position in listed), None)
    if first is None:
        click.echo("what was decided?   trader decisions")
    else:
        click.echo(f"why is it held?   trader why {first['symbol']}{book_part(first['book'], several=several)}")
    return None


def held_by(store: Store, book: Facts) -> list[Facts]:
    """The positions of a book (a row of `reading.books`) that are not flat. `mark`, `value`, `weight`, `gain` and
    `unrealized` are of the last cycle; None where it did not know them, or the position is younger."""
    from trader.store import reading

    rows = [row for row in reading.holdings(store, book["name"]) if row["quantity"]]
    if not rows:
        return []
    last = reading.cycle(store, book["name"])
    return [_position(row, last or {}, book["equity"]) for row in rows]


def _position(row: Facts, last: Facts, equity: Decimal | None) -> Facts:
    units, entry = row["quantity"], row["price"]
    mark, multiplier = _valued(row["symbol"], last.get("decision") or {})
    since = last and row["entry_time"] is not None and row["entry_time"] > last["at"]
    if since:  # the mark is older than the entry: it says nothing of what was gained; another position had the weight
        multiplier = None
    value = None if mark is None or multiplier is None else units * mark * multiplier
    gain = None if mark is None or not entry or since else float(mark / entry - 1) * (1 if units > 0 else -1)
    return {
        "book": row["book"],
        "symbol": row["symbol"],
        "quantity": units,
        "price": entry,
        "entry_time": row["entry_time"],
        "mark": mark,
        "value": value,
        "weight": float(value / equity) if value is not None and equity else None,
        "gain": gain,
        "unrealized": None if mark is None or multiplier is None else tidy(units * multiplier * (mark - entry)),
        "realized": tidy(row["realized"]),
    }


def _valued(symbol: str, decision: dict[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """The last mark, and the contract's multiplier, which follows from the weight that the cycle saw. It is not known
    of a position that was opened since."""
    if symbol not in decision.get("symbols", ()):
        return None, None
    column = decision["symbols"].index(symbol)
    mark, units, weight = (decision[name][column] for name in ("price", "quantity", "weight"))
    if not mark or not units or weight is None:
        return exact(mark), None
    return exact(mark), exact(round(weight * decision["equity"] / (units * mark), 6))


def _show(book: Facts, held: list[Facts]) -> None:
    rows = [
        (
            each["symbol"],
            quantity(each["quantity"]),
            price(each["price"]),
            price(each["mark"]),
            money(each["value"]),
            percent(each["weight"]),
            percent(each["gain"], sign=True),
            money(each["unrealized"]),
        )
        for each in held
    ]
    share = float(book["cash"] / book["equity"]) if book["cash"] is not None and book["equity"] else None
    rows.append(("cash", "", "", "", money(book["cash"]), percent(share), "", ""))
    rows.append(("equity", "", "", "", money(book["equity"]), "", "", ""))
    titles = ("SYMBOL", ">QUANTITY", ">ENTRY", ">MARK", ">VALUE", ">WEIGHT", ">GAIN", ">PROFIT")
    seen = f"marks of cycle {book['number']}, {when(book['at'])} UTC" if book["number"] else "nothing decided yet"
    click.echo(f"book {book['name']}, account {book['account']}; {seen}")
    click.echo(table(titles, rows))
    if any(each["value"] is None and each["mark"] is not None for each in held):
        click.echo("What was opened since that cycle is valued by the next one.")
    if any(each["mark"] is None for each in held):
        click.echo("What has no mark had no price in that cycle.")
    if not held:
        click.echo("Nothing is held.")
