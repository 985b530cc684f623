"""trader why SYMBOL|ORDER"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trader.cli.options import json_option, named, set_option, settings_option, wants_json
from trader.cli.output import answer_json, short, when
from trader.cli.state import Facts, book_option, book_part, books, find_cycle, nothing, opened
from trader.errors import UsageError, storable

if TYPE_CHECKING:
    from trader.store.database import Store


@click.command()
@click.argument("what", metavar="SYMBOL|ORDER")
@click.option(
    "--cycle", metavar="N", callback=named, help="Another cycle than the newest: its number, its id or its day."
)
@book_option
@settings_option
@set_option
@json_option
@click.pass_context
def why(context: click.Context, what: str, cycle: str | None, book: str | None) -> None:
    """Why a symbol was traded or not, stage by stage; or what became of an order (enough of its id to find it)."""
    with opened(context) as store:
        found = books(store, book) if store is not None else []
        if store is None or not found:
            return nothing(context, None)
        where = _where(store, found, what)
        if where is None:
            return _tell_order(context, store, _order(store, found, what), cycle)
        return _tell_symbol(context, store, where, cycle)


# ---- what is meant -------------------------------------------------------------------------------------------------
def _where(store: Store, found: list[Facts], word: str) -> tuple[str, str] | None:
    """(book, symbol) if the word is a symbol that a book looks at, or traded; None if it is not."""
    every = [(each["name"], symbol) for each in found for symbol in _symbols(store, each["name"])]
    meant = [pair for pair in every if pair[1] == word]
    meant = meant or [pair for pair in every if pair[1].casefold() == word.casefold()]
    if len(meant) > 1:
        names = ", ".join(name for name, _ in meant)
        raise UsageError(f"{word} is looked at in {len(meant)} books.", todo=f"Name one with --book: {names}.")
    return meant[0] if meant else None


def _symbols(store: Store, book: str) -> list[str]:
    from trader.store import reading

    last = reading.cycle(store, book)
    looked_at = ((last and last["decision"]) or {}).get("symbols", [])
    return sorted({*looked_at, *(each["symbol"] for each in reading.holdings(store, book))})


def _order(store: Store, found: list[Facts], word: str) -> Facts:
    """The order whose id begins with the word; UsageError if there is none."""
    from difflib import get_close_matches

    from trader.store import reading

    wanted = storable(word)
    order = reading.order(store, wanted)
    if order is not None and order["book"] in {each["name"] for each in found}:
        return order
    if wanted and any((fill["client_id"] or "").startswith(wanted) for fill in reading.fills(store)):
        raise UsageError(
            f"Order '{word}' was sent before the last cold start: no command shows it any more, only its executions.",
            todo="See: trader fills",
        )
    symbols = sorted({symbol for each in found for symbol in _symbols(store, each["name"])})
    near = get_close_matches(word.upper(), symbols, 3, 0.5)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    known = ", ".join(symbols[:20]) + (f" and {len(symbols) - 20} more" if len(symbols) > 20 else "")
    raise UsageError(
        f"There is no symbol and no order '{word}'.{guess}", todo=f"Symbols are: {known}. Orders: trader orders"
    )


# ---- answers -------------------------------------------------------------------------------------------------------
def _tell_symbol(context: click.Context, store: Store, where: tuple[str, str], which: str | None) -> None:
    from trader.store import reading

    book, symbol = where
    cycle = find_cycle(store, book, which)
    if symbol not in (cycle["decision"] or {}).get("symbols", ()):
        latest = reading.latest_cycle_touching(store, symbol, book) if which is None else None
        if latest is None:
            raise UsageError(f"Cycle {cycle['number']} did not look at {symbol}.", todo="See: trader decisions")
        cycle = latest
    told = _explained(store, cycle, symbol)
    before = _traded_before(store, told)
    if wants_json(context):
        return answer_json(_for_programs(told) | {"last_traded": before and _brief(before)})
    from trader.cli.why_view import headline, outcome, stages

    click.echo(headline(told))
    click.echo(stages(told))
    part = _book_part(store, book)
    ours = [row for row in told["orders"] if row["state"] != "denied"] or told["orders"]
    if before is not None and not before["cycle"]:
        click.echo(f"last traded by a person, {when(before['at'])}: {outcome(before)}")
        click.echo(f"how was that?   trader why {short(before['orders'][0]['client_id'])}")
    elif before is not None:
        click.echo(f"last traded in cycle {before['cycle']}, {when(before['at'])}: {outcome(before)}")
        click.echo(f"why was that?   trader why {symbol} --cycle {before['cycle']}{part}")
    elif ours:
        click.echo(f"what became of the order?   trader why {short(ours[-1]['client_id'])}")
    else:
        click.echo("It was not traded before.")
        click.echo(f"the whole decision:   trader decisions {told['cycle']}{part}")
    return None


def _tell_order(context: click.Context, store: Store, order: Facts, which: str | None) -> None:
    if which is not None:
        raise UsageError("--cycle goes with a symbol; an order has its own cycle.")
    if order["cycle_number"] == 0:
        return _tell_by_hand(context, order)
    told = _explained(store, find_cycle(store, order["book"], order["cycle_id"]), order["symbol"])
    if wants_json(context):
        return answer_json(_order_json(order) | {"events": order["events"], "why": _for_programs(told)})
    from trader.cli.why_view import headline, life, order_head, stages

    click.echo(order_head(order))
    click.echo(life(order))
    click.echo()
    click.echo(headline(told))
    click.echo(stages(told))
    part = _book_part(store, order["book"])
    click.echo(f"the whole decision:   trader decisions {told['cycle']}{part}")
    return None


def _tell_by_hand(context: click.Context, order: Facts) -> None:
    """An order that no cycle decided."""
    if wants_json(context):
        return answer_json(_order_json(order) | {"events": order["events"], "why": None})
    from trader.cli.why_view import life, order_head

    click.echo(order_head(order))
    click.echo(life(order))
    click.echo()
    click.echo('A person asked for it: trader close, or application.shutdown.positions = "close".')
    return None


def _book_part(store: Store, book: str) -> str:
    return book_part(book, several=len(books(store)) > 1)


def _explained(store: Store, cycle: Facts, symbol: str) -> Facts:
    """The explanation, its orders with their fills."""
    from trader.cli.explain import explain
    from trader.store import reading

    told = explain(cycle, symbol)
    for row in told["orders"]:
        whole = reading.order(store, row["client_id"]) if row["state"] != "denied" else None
        row["fills"] = whole["fills"] if whole else []
    return told


def _traded_before(store: Store, told: Facts) -> Facts | None:
    """The last cycle before this one whose order traded the symbol, if this one did not; cycle 0 is an order of a
    person."""
    from trader.store import reading

    if any(row["filled"] or row["open"] for row in told["orders"]):
        return None
    earlier = (fill for fill in reading.fills(store, told["book"], told["symbol"]) if fill["time"] <= told["at"])
    for fill in reversed(list(earlier)):
        order = reading.order(store, fill["client_id"]) if fill["client_id"] else None
        if order is not None and order["cycle_number"] == 0:
            nothing_decided = {"quantity": None, "target": None, "stopped_by": None}
            return nothing_decided | {
                "cycle": 0, "cycle_id": order["cycle_id"], "at": fill["time"], "orders": [order]
            }  # fmt: skip
        if order is not None and order["cycle_number"] < told["cycle"]:
            cycle = find_cycle(store, told["book"], order["cycle_id"])
            return _explained(store, cycle, told["symbol"])
    return None


# ---- for programs --------------------------------------------------------------------------------------------------
def _for_programs(told: Facts) -> Facts:
    return told | {"orders": [_order_json(row) for row in told["orders"]]}


def _order_json(row: Facts) -> Facts:
    from trader.cli.fills import fill
    from trader.cli.orders import order

    return order(row) | {"fills": [fill(each) for each in row["fills"]]}


def _brief(told: Facts) -> Facts:
    return {name: told[name] for name in ("cycle", "cycle_id", "at")} | {
        "client_order_ids": [row["client_id"] for row in told["orders"] if row["filled"]]
    }
