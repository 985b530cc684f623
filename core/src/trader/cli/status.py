"""trader status"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trader.cli.options import json_option, load_raw, set_option, settings_option, wants_json
from trader.cli.output import NONE, answer_json, facts, money, percent, table, when
from trader.cli.state import NOTHING, Facts, books, database, opened, running

if TYPE_CHECKING:
    from trader.store.database import Store


@click.command()
@settings_option
@set_option
@json_option
@click.pass_context
def status(context: click.Context) -> None:
    """Whether a session runs, where every book stands, and what is halted."""
    path = database(context)
    trading = load_raw(context).get("trading", default={})
    told: Facts = {
        "mode": trading.get("mode", "paper"),
        "dry_run": trading.get("dry_run", False),
        "database": str(path),
        "running": False,
        "session": None,
        "books": [],
        "blocks": [],
    }
    with opened(context) as store:
        if store is not None:
            told |= _told(store, path)
    if wants_json(context):
        answer_json(told)
    else:
        _say(told)


def _told(store: Store, path: Path) -> Facts:
    from trader.store import reading

    sessions = reading.sessions(store)
    last = _session(sessions[-1], path) if sessions else None
    return {
        "running": last is not None and last["state"] == "running",
        "session": last,
        "books": [_book(store, each) for each in books(store)],
        "blocks": _blocks(store),
    }


def _session(row: Facts, path: Path) -> Facts:
    """The newest session. One without an end runs if its lock is held; otherwise it died. The lock is not looked at
    where the end is known."""
    alive, process = (False, None) if row["stopped_at"] is not None else running(path)
    ended = "stopped" if row["stopped_at"] is not None else "died"
    return {
        "id": row["id"],
        "state": "running" if alive else "unknown" if alive is None else ended,
        "process": process,
        "mode": row["mode"],
        "version": row["version"],
        "started_at": row["started_at"],
        "stopped_at": row["stopped_at"],
        "exit_reason": row["exit_reason"],
    }


def _book(store: Store, row: Facts) -> Facts:
    from trader.cli.orders import unresolved
    from trader.store import reading

    last = reading.cycle(store, row["name"])
    decision = (last and last["decision"]) or {}
    return {
        "book": row["name"],
        "venue": row["venue"],
        "account": row["account"],
        "cycles": row["number"] or 0,
        "last_cycle": row["cycle_id"],
        "at": row["at"],
        "cash": row["cash"],
        "equity": row["equity"],
        "peak_equity": row["peak_equity"],
        "drawdown": _drawdown(row),
        "positions": sum(1 for each in reading.holdings(store, row["name"]) if each["quantity"]),
        "open_orders": len(reading.orders(store, row["name"], *unresolved())),
        "faults": [f"{each['plugin']}.{each['method']}: {each['error']}" for each in decision.get("faults", [])],
        "notes": list(decision.get("notes", [])),
    }


def _drawdown(row: Facts) -> float | None:
    """Share of the peak that is lost now."""
    peak, equity = row["peak_equity"], row["equity"]
    return float(1 - equity / peak) if peak and equity is not None else None


def _blocks(store: Store) -> list[Facts]:
    from sqlalchemy import select

    from trader.store.schema import block

    standing = select(block.c.scope, block.c.reason, block.c.since).where(block.c.lifted_at.is_(None))
    with store.reading() as connection:
        return [dict(row) for row in connection.execute(standing.order_by(block.c.id)).mappings()]


# ---- for people ----------------------------------------------------------------------------------------------------
def _say(told: Facts) -> None:
    lines = [("mode", str(told["mode"]) + (", dry run" if told["dry_run"] else ""))]
    session = told["session"]
    if session is None:
        click.echo(facts(lines, indent=0))
        click.echo(NOTHING)
        return
    lines.append(("session", _session_text(session)))
    lines += [("halted", f"{each['scope']} since {when(each['since'])}: {each['reason']}") for each in told["blocks"]]
    for each in told["books"]:
        lines += [("fault", f"book {each['book']}, last cycle: {fault}") for fault in each["faults"]]
        lines += [("note", f"book {each['book']}, last cycle: {note}") for note in each["notes"]]
    click.echo(facts(lines, indent=0))
    if told["books"]:
        click.echo()
        click.echo(_table(told["books"]))
    click.echo()
    click.echo(_next(told))


def _session_text(session: Facts) -> str:
    begun = f"{session['id']} ({session['mode']}), started {when(session['started_at'])} UTC"
    if session["state"] == "running":
        return f"runs: {begun}" + (f", process {session['process']}" if session["process"] else "")
    if session["state"] == "unknown":
        return f"runs or died, this user may not look at its lock: {begun}"
    if session["state"] == "died":
        return f"died without a word: {begun}. Nothing stored is lost; the next start resolves what was under way."
    ended = f"{session['id']} ({session['mode']}) ended {when(session['stopped_at'])} UTC"
    return f"none runs; {ended}: {session['exit_reason']}"


def _table(books: list[Facts]) -> str:
    head = ("BOOK", "ACCOUNT", ">CYCLES", "LAST (UTC)", ">CASH", ">EQUITY", ">FROM PEAK", ">HELD", ">OPEN ORDERS")
    rows = [
        (
            each["book"],
            each["account"],
            f"{each['cycles']:,}",
            when(each["at"]),
            money(each["cash"]),
            money(each["equity"]),
            NONE if each["drawdown"] is None else percent(-each["drawdown"]),
            str(each["positions"]),
            str(each["open_orders"]),
        )
        for each in books
    ]
    return table(head, rows)


def _next(told: Facts) -> str:
    session = told["session"]
    if any(each["open_orders"] for each in told["books"]) and session["state"] == "running":
        return "what is on its way?   trader orders --open"
    if session["state"] == "running":
        return "what is held?   trader positions"
    if session["exit_reason"] == "end of data":
        return "the data was played to its end; begin again:   trader run --fresh"
    return "go on:   trader run"
