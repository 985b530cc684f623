"""trader journal verify"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trader.cli.options import json_option, set_option, settings_option, wants_json
from trader.cli.output import answer_json, counted, facts
from trader.cli.state import Facts, nothing, opened, running, state_folder
from trader.errors import StoreError
from trader.store import MARK

if TYPE_CHECKING:
    from trader.store.database import Store

TRIES = 5
"""A running session may write between two readings: both must have been of the same moment."""


@click.group()
def journal() -> None:
    """Check the journal."""


@journal.command()
@settings_option
@set_option
@json_option
@click.pass_context
def verify(context: click.Context) -> None:
    """Prove that the journal is whole: nothing in it was changed, and playing it again gives what it says is now.

    The hash chain shows a change of the past, the mark beside the database shows a lost end (a restored older copy),
    and the replay shows a state that its events do not make. Exit code 5 where one of them does not hold. It may be
    asked beside a running session.
    """
    with opened(context) as store:
        if store is None:
            return nothing(context, None)
        began = store.clock.monotonic()
        told = _checked(store, state_folder(context) / MARK)
        told["seconds"] = round(store.clock.monotonic() - began, 3)
        where = store.where
    if wants_json(context):
        answer_json(told)
        if not told["whole"]:
            context.exit(StoreError.exit_code)
        return None
    click.echo(facts(_lines(told), indent=0))
    if not told["whole"]:
        raise StoreError(
            "The journal does not hold.\n" + "\n".join(_faults(told)),
            where=where,
            todo="Halt (trader kill), keep a copy of the state folder, and compare with a backup before anything is"
            " traded on it.",
        )
    click.echo("The journal is whole.   what is in it?   trader decisions")
    return None


def _checked(store: Store, mark: Path) -> Facts:
    from trader.store.chain import newest_event, verify_chain
    from trader.store.mark import regressed

    with store.reading() as connection:
        seq, digest = newest_event(connection)
    broken = verify_chain(store)
    told: Facts = {
        "counts": _counts(store),
        "last_event": seq,
        "hash": digest.hex(),
        "broken": broken._asdict() if broken is not None else None,
        "mark": None if not mark.exists() else "lost" if regressed(store, mark) else "reached",
        "regressed": regressed(store, mark),
        "books": [] if broken is not None else [_replayed(store, name) for name in _books(store)],
    }
    books_hold = all(each["agrees"] and not each["illegal"] for each in told["books"])
    return {"whole": broken is None and told["regressed"] is None and books_hold} | told


def _counts(store: Store) -> dict[str, int]:
    from sqlalchemy import func, select

    from trader.store import schema as s

    tables = {"events": s.order_event, "epochs": s.epoch, "cycles": s.cycle, "orders": s.intent, "fills": s.fill}
    tables["cash events"] = s.cash_event
    with store.reading() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(each)).scalar_one()
            for name, each in tables.items()
        }


def _books(store: Store) -> list[str]:
    """Of every epoch."""
    from sqlalchemy import select

    from trader.store.schema import book

    with store.reading() as connection:
        return list(connection.execute(select(book.c.name).distinct().order_by(book.c.name)).scalars())


def _replayed(store: Store, name: str) -> Facts:
    """Whether the events of a book make what is stored of it."""
    from trader.orders.replay import replay, state_hash, stored

    before, left = "", TRIES
    made, kept = replay(store, name), state_hash(stored(store, name))
    while kept not in (before, state_hash(made)) and left and running(store).alive is not False:
        left, before = left - 1, kept
        made, kept = replay(store, name), state_hash(stored(store, name))
    illegal = [f"event {each.seq}, order {each.client_id}: {each.what}" for each in made.illegal]
    return {"book": name, "state": kept, "agrees": state_hash(made) == kept, "illegal": illegal}


# ---- for people ----------------------------------------------------------------------------------------------------
def _lines(told: Facts) -> list[tuple[str, str]]:
    counts = [f"{count:,} {name if count != 1 else name.removesuffix('s')}" for name, count in told["counts"].items()]
    lines = [("journal", f"{', '.join(counts)}; read in {told['seconds']:.1f} s")]
    chain = "holds" if told["broken"] is None else f"BROKEN at event {told['broken']['seq']}"
    lines.append(("chain", f"{chain}; its end is event {told['last_event']}, {told['hash']}"))
    marks = {None: "there is none yet", "reached": "the journal goes on from it", "lost": "LOST"}
    lines.append(("mark", marks[told["mark"]]))
    for each in told["books"]:
        replay = "played again it gives what is stored" if each["agrees"] else "played again it gives something ELSE"
        also = f"; {counted(len(each['illegal']), 'illegal step')}" if each["illegal"] else ""
        lines.append((f"book {each['book']}", f"{replay}{also}, state {each['state']}"))
    return lines


def _faults(told: Facts) -> list[str]:
    found = []
    if told["broken"] is not None:
        kind = f" ({told['broken']['kind']})" if told["broken"]["kind"] else ""
        found.append(f"Event {told['broken']['seq']}{kind}: {told['broken']['what']}.")
    if told["regressed"] is not None:
        found.append(told["regressed"])
    for each in told["books"]:
        if not each["agrees"]:
            found.append(f"Book '{each['book']}': its events do not make the positions, cash and orders stored of it.")
        found += [f"Book '{each['book']}', {text}." for text in each["illegal"][:5]]
    return found
