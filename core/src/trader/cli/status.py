"""trader status"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from trader.cli.options import json_option, load_raw, set_option, settings_option, wants_json
from trader.cli.output import NONE, answer_json, facts, money, percent, table, when
from trader.cli.state import NOTHING, Facts, Runs, books, database, opened, place_of, running, state_folder
from trader.safety.stop import read_stop

if TYPE_CHECKING:
    from trader.safety.stop import Trip
    from trader.store.database import Store

EVERYTHING = "*"
NO = "none runs; "
REARM = 'when the cause is mended:   trader rearm --reason "..."'


@click.command()
@settings_option
@set_option
@json_option
@click.pass_context
def status(context: click.Context) -> None:
    """Whether a session runs, where every book stands, and what is halted or paused."""
    trading = load_raw(context).get("trading", default={})
    told: Facts = {
        "mode": trading.get("mode", "paper"),
        "dry_run": trading.get("dry_run", False),
        "database": place_of(database(context)),
        "running": False,
        "starts_or_ends": None,
        "session": None,
        "held": False,
        "kill_switch": None,
        "died_in_a_row": 0,
        "books": [],
        "blocks": [],
    }
    with opened(context) as store:
        if store is not None:
            told |= _told(store)
    told["kill_switch"] = _kill_switch(read_stop(state_folder(context)), told["blocks"])
    if wants_json(context):
        answer_json(told)
    else:
        _say(told)


def _told(store: Store) -> Facts:
    from trader.store import blocks, reading
    from trader.store.runs import died_in_a_row

    now = running(store)  # first: a session that ends between the two has not died
    sessions = reading.sessions(store)
    last = _session(sessions[-1], now) if sessions else None
    runs = last is not None and last["state"] == "running"
    standing = [
        {"scope": each.scope, "level": each.level, "reason": each.reason, "since": each.since}
        for each in blocks.standing(store)
    ]
    return {
        "running": runs,
        "starts_or_ends": str(now) if now.alive and not runs else None,
        "session": last,
        "held": runs and any(_holds(each) for each in standing),
        "died_in_a_row": died_in_a_row(store) if last is not None and last["state"] == "died" else 0,
        "books": [_book(store, each) for each in books(store)],
        "blocks": standing,
    }


def _holds(block: Facts) -> bool:
    """The session was started with --hold and not released yet."""
    return (block["scope"], block["level"]) == ("session", "pause")


def _halts(block: Facts) -> bool:
    """The kill switch, as the database has it."""
    return (block["scope"], block["level"]) == (EVERYTHING, "halt")


def _kill_switch(trip: Trip | None, blocks: list[Facts]) -> Facts | None:
    """Why everything is halted: the file STOP, or the oldest block of it; None if nothing is."""
    stored = next((each for each in blocks if _halts(each)), None)
    if trip is not None:
        since = trip.at or (stored and stored["since"])
        return {"reason": trip.reason, "by": trip.by, "since": since, "file": True, "stored": stored is not None}
    if stored is not None:
        return {"reason": stored["reason"], "by": None, "since": stored["since"], "file": False, "stored": True}
    return None


def _session(row: Facts, now: Runs) -> Facts:
    """The newest session. One without an end runs if the lock is held; otherwise it died. Where the end is known and
    the lock is held, this one still ends or the next starts: it has no row before its brokers have answered."""
    runs = Runs(False) if row["stopped_at"] is not None else now
    ended = "stopped" if row["stopped_at"] is not None else "died"
    return {
        "id": row["id"],
        "state": "running" if runs.alive else "unknown" if runs.alive is None else ended,
        "process": runs.process,
        "host": runs.host,
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


# ---- for people ----------------------------------------------------------------------------------------------------
def _say(told: Facts) -> None:
    lines = [("mode", str(told["mode"]) + (", dry run" if told["dry_run"] else ""))]
    session = told["session"]
    if told["starts_or_ends"] is not None:
        lines.append(("session", f"one starts or ends: {told['starts_or_ends']}"))
    if session is not None:
        text = _session_text(session, held=told["held"])
        lines.append(("session", text) if told["starts_or_ends"] is None else ("newest", text.removeprefix(NO)))
    lines += list(_stops(told))
    for each in told["books"]:
        lines += [("fault", f"book {each['book']}, last cycle: {fault}") for fault in each["faults"]]
        lines += [("note", f"book {each['book']}, last cycle: {note}") for note in each["notes"]]
    click.echo(facts(lines, indent=0))
    if session is None:
        idle = told["starts_or_ends"] is None and told["kill_switch"] is None
        click.echo(NOTHING if idle else _next(told))
        return
    if told["books"]:
        click.echo()
        click.echo(_table(told["books"]))
    click.echo()
    click.echo(_next(told))


def _stops(told: Facts) -> Iterator[tuple[str, str]]:
    """What keeps the session from trading, and since when."""
    switch = told["kill_switch"]
    if switch is not None:
        by = f" ({switch['by']})" if switch["by"] else ""
        since = f" since {when(switch['since'])} UTC" if switch["since"] else ""
        lacks = "" if switch["file"] else "; the file STOP is not there, the database has it"
        yield "HALTED", f"everything, by the kill switch{since}: {switch['reason']}{by}{lacks}"
    words = {"halt": "halted", "reduce": "reduce only", "pause": "paused"}
    for each in told["blocks"]:
        if not _halts(each) and not _holds(each):
            yield (
                words.get(each["level"], each["level"]),
                f"{each['scope']} since {when(each['since'])} UTC: {each['reason']}",
            )
    if told["died_in_a_row"] > 1:
        yield "died", f"the last {told['died_in_a_row']} sessions died before they decided anything"


def _session_text(session: Facts, *, held: bool) -> str:
    begun = f"{session['id']} ({session['mode']}), started {when(session['started_at'])} UTC"
    if session["state"] == "running":
        where = str(Runs(True, session["process"], session["host"]))
        return ("runs and is held, it decides nothing: " if held else "runs: ") + f"{begun}, {where}"
    if session["state"] == "unknown":
        return f"runs or died, this user may not look at its lock: {begun}"
    if session["state"] == "died":
        return f"died without a word: {begun}. Nothing stored is lost; the next start resolves what was under way."
    ended = f"{session['id']} ({session['mode']}) ended {when(session['stopped_at'])} UTC"
    return f"{NO}{ended}: {session['exit_reason']}"


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
    if told["kill_switch"] is not None:
        return REARM
    if told["starts_or_ends"] is not None:
        return "look again:   trader status"
    if told["held"]:
        return "let it trade:   trader release"
    if any(each["open_orders"] for each in told["books"]) and session["state"] == "running":
        return "what is on its way?   trader orders --open"
    if session["state"] == "running":
        return "what is held?   trader positions"
    if session["exit_reason"] == "end of data":
        return "the data was played to its end; begin again:   trader run --fresh"
    return "go on:   trader run"
