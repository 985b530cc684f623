"""trader decisions [NUMBER|CYCLE_ID]"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from trader.cli.options import json_option, set_option, settings_option, wants_json
from trader.cli.output import (
    NONE,
    answer_json,
    by_book,
    clean,
    exact,
    facts,
    money,
    number,
    percent,
    price,
    quantity,
    short,
    shown,
    table,
    when,
)
from trader.cli.state import LAST, Facts, book_option, book_part, books, find_cycle, last_option, nothing, opened

if TYPE_CHECKING:
    from trader.store.database import Store


@click.command()
@click.argument("which", required=False, metavar="[NUMBER|CYCLE_ID]")
@book_option
@last_option
@settings_option
@set_option
@json_option
@click.pass_context
def decisions(context: click.Context, which: str | None, book: str | None, last: int | None) -> None:
    """The decision diary: every cycle, oldest first; or one of them, whole (a number, an id, or its day)."""
    with opened(context) as store:
        found = books(store, book) if store is not None else []
        if store is None or not found:
            return nothing(context, None if which else [])
        if which is not None:
            cycle = find_cycle(store, found[0]["name"], which)
            part = book_part(cycle["book"], several=len(books(store)) > 1)
            return answer_json(_whole(cycle)) if wants_json(context) else _show(cycle, part)
        if last is None and not wants_json(context):
            last = LAST
        rows = [row for each in found for row in _diary(store, each["name"], last)]
    rows.sort(key=lambda row: row["at"])
    total = sum(each["number"] or 0 for each in found)
    if wants_json(context):
        return answer_json(rows[-last:] if last else rows)
    if not rows:
        click.echo("Nothing was decided yet.   start: trader run")
        return None
    return _list(rows[-(last or LAST) :], total, several=len(found) > 1)


# ---- the list ------------------------------------------------------------------------------------------------------
def _diary(store: Store, book: str, last: int | None) -> list[Facts]:
    """The newest `last` cycles of a book with what stands in their Decisions, oldest first."""
    import msgspec
    from sqlalchemy import func, select

    from trader.store.schema import cycle, epoch

    columns = (cycle.c.book, cycle.c.number, cycle.c.cycle_id, cycle.c.at, cycle.c.equity, cycle.c.cash)
    newest = select(func.max(epoch.c.number)).scalar_subquery()
    decided = (cycle.c.epoch == newest, cycle.c.book == book, cycle.c.number > 0)  # 0: what a person did by hand
    statement = select(*columns, cycle.c.decision).where(*decided)
    decode = msgspec.json.Decoder(_outline()).decode
    with store.reading() as connection:
        rows = connection.execute(statement.order_by(cycle.c.seq.desc()).limit(last)).mappings()
        return [_line(dict(row), decode(row["decision"] or b"{}")) for row in rows][::-1]


def _outline() -> Any:
    """What the list needs of a Decision; the rest is not decoded."""
    import msgspec

    raw = list[msgspec.Raw]
    fields: list[Any] = [(name, raw, []) for name in ("orders", "denied", "cancels", "faults")]
    return msgspec.defstruct("Outline", [*fields, ("notes", list[str], [])])


def _line(row: Facts, outline: Any) -> Facts:
    row.pop("decision")
    return row | {
        "orders": len(outline.orders),
        "refusals": len(outline.denied),
        "cancels": len(outline.cancels),
        "faults": len(outline.faults),
        "notes": outline.notes,
    }


def _list(rows: list[Facts], total: int, *, several: bool) -> None:
    head = (">CYCLE", "DECIDED (UTC)", ">EQUITY", ">CASH", ">ORDERS", ">REFUSED", ">FAULTS", "NOTES")
    lines = [
        (
            str(row["number"]),
            when(row["at"]),
            money(row["equity"]),
            money(row["cash"]),
            str(row["orders"] or NONE),
            str(row["refusals"] or NONE),
            str(row["faults"] or NONE),
            "; ".join(row["notes"]),
        )
        for row in rows
    ]
    click.echo(by_book(head, lines, [row["book"] for row in rows], several=several))
    one = f"{rows[-1]['number']}{_part(rows[-1])}"
    click.echo(shown(len(rows), total, "cycle") + f"   one of them whole:   trader decisions {one}")


# ---- one of them ---------------------------------------------------------------------------------------------------
def _whole(cycle: Facts) -> Facts:
    from trader.cli.orders import order

    return {
        "book": cycle["book"],
        "number": cycle["number"],
        "cycle_id": cycle["cycle_id"],
        "at": cycle["at"],
        "equity": cycle["equity"],
        "cash": cycle["cash"],
        "decision": (cycle["decision"] or {}) | {"at": cycle["at"]},
        "orders": [order(row) for row in cycle["orders"]],
    }


def _show(cycle: Facts, part: str) -> None:
    decision = cycle["decision"] or {}
    head = f"{when(cycle['at'])} UTC  cycle {cycle['number']}, book {cycle['book']}: "
    click.echo(clean(head + f"equity {money(cycle['equity'])}, cash {money(cycle['cash'])}"))
    if not decision:
        return
    click.echo(facts(_how(decision)))
    click.echo()
    click.echo(_symbols(decision))
    if cycle["orders"]:
        click.echo()
        click.echo(_orders(cycle))
    rest = facts(_events(decision))
    if rest:
        click.echo()
        click.echo(rest)
    click.echo()
    click.echo(f"one symbol, stage by stage:   trader why {_example(cycle)} --cycle {cycle['number']}{part}")


def _part(cycle: Facts) -> str:
    return "" if cycle["book"] == "main" else f" --book {cycle['book']}"


def _example(cycle: Facts) -> str:
    ordered = [row["symbol"] for row in cycle["orders"]]
    return str((ordered or cycle["decision"]["symbols"] or ["SYMBOL"])[0])


def _how(decision: Facts) -> list[tuple[str, str]]:
    """The way it was decided: each stage with its statistics, then the allocator and the balancer."""
    lines = []
    for stage in decision["stages"]:
        told = stage["statistics"]
        text = f"saw {told['seen']}, kept {told['kept']}, dropped {told['dropped']}, no opinion on {told['no_opinion']}"
        if not stage["weights"]:
            text += f", mean score {number(told['mean_score'])}, threshold {stage['threshold']:g}"
        lines.append((stage["name"], text))
    target = decision["shrunk"][-1]["target"] if decision["shrunk"] else decision["target"]
    invested = sum(abs(weight) for weight in target or [] if weight is not None)
    lines.append(("allocator", f"{decision['allocator'] or 'not asked'}, targets sum to {percent(invested)}"))
    lines += [("portfolio rule", f"{step['rule']} shrank targets") for step in decision["shrunk"]]
    lines.append(("balancer", decision["balancer"]))
    return lines


def _symbols(decision: Facts) -> str:
    target = decision["shrunk"][-1]["target"] if decision["shrunk"] else decision["target"]
    blank: list[None] = [None] * len(decision["symbols"])
    columns = (
        decision["symbols"], decision["price"], decision["quantity"], decision["weight"],
        decision["score"] or blank, target or blank, decision["verdict"],
    )  # fmt: skip
    rows = [
        (
            symbol,
            price(exact(mark)),
            quantity(exact(units)) if units else NONE,
            percent(weight) if weight else NONE,
            NONE if score is None else f"{score:.2f}",
            percent(goal),
            verdict,
        )
        for symbol, mark, units, weight, score, goal, verdict in zip(*columns, strict=True)
    ]
    return table(("SYMBOL", ">MARK", ">HELD", ">WEIGHT", ">SCORE", ">TARGET", "VERDICT"), rows)


def _orders(cycle: Facts) -> str:
    from trader.cli.orders import kind_of

    limits = {each["client_id"]: each["refusal"] for each in cycle["decision"]["denied"]}
    rows = []
    for row in cycle["orders"]:
        refusal = limits.get(row["client_id"])
        reason = row["reason"]
        if refusal is not None:
            reason = f"{refusal['rule']} {number(refusal['value'])} of {number(refusal['limit'])}"
        units, done = quantity(row["quantity"]), quantity(row["filled"]) if row["filled"] else NONE
        which = (short(row["client_id"]), row["symbol"], row["side"])
        rows.append((*which, units, kind_of(row), done, row["state"], reason))
    return table(("ORDER", "SYMBOL", "SIDE", ">QUANTITY", "TYPE", ">FILLED", "STATE", "REASON"), rows)


def _events(decision: Facts) -> list[tuple[str, str]]:
    lines = []
    for each in decision["exits"]:
        stop = "now" if each["stop"] is None else f"with a stop at {number(each['stop'])}"
        lines.append(("exit", f"{each['symbol']}: {each['reason']} ({each['by']}), {percent(each['fraction'])} {stop}"))
    lines += [("cancel", f"{short(each['client_id'])} of {each['symbol']}") for each in decision["cancels"]]
    for each in decision["trimmed"]:
        wished, planned = quantity(exact(each["wished"])), quantity(exact(each["planned"]))
        lines.append(("trimmed", f"{each['symbol']}: cash reaches for {planned} of {wished}"))
    for each in decision["faults"]:
        lines.append(("fault", f"{each['plugin']}.{each['method']} failed: {each['error']}; {each['outcome']}"))
    return lines + [("note", note) for note in decision["notes"]]
