"""trader rearm"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trader.cli.asking import asked, sentence, timeout_option, who, withdrawn, writing
from trader.cli.options import json_option, set_option, settings_option, wants_json
from trader.cli.output import answer_json, clean, counted, facts, when
from trader.cli.state import Facts, database, look, running, state_folder
from trader.errors import Refused, StoreError, Unreachable, UsageError, storable
from trader.safety.stop import FILE, lift_stop, read_stop

if TYPE_CHECKING:
    from trader.store.blocks import Block
    from trader.store.database import Store

EVERYTHING = "*"


@click.command()
@click.argument("scope", metavar="[BOOK|SYMBOL|BOOK/SYMBOL]", required=False)
@click.option("--reason", required=True, metavar="TEXT", help="What was found, and why it may trade again: it is kept.")
@timeout_option()
@settings_option
@set_option
@json_option
@click.pass_context
def rearm(context: click.Context, scope: str | None, reason: str, timeout: float) -> None:
    """Lift the kill switch; or, if one is named, what halts BOOK or SYMBOL.

    Only a person does this: look first why it halted (trader status). It needs no running session; a running one is
    told, and its answer waited for. A pause is not lifted by this: trader release.
    """
    if not reason.strip():
        raise UsageError("--reason is empty.", todo="Say in a few words why it may trade again.")
    if scope is not None and not scope.strip():  # a variable of a script that is not set
        raise UsageError("The scope is empty.", todo="Name what to lift; without any scope it is the kill switch.")
    scope, reason = scope or "", storable(reason)
    folder, target = state_folder(context), database(context)
    file, answer = read_stop(folder), None
    before, after = [], []
    store = look(target)  # a database that another version made is told here, before anything is lifted
    try:
        if store is not None:
            before = _standing(store)
            if running(store).alive is False:
                _lift(context, before, scope, reason)
            else:
                answer = _ask(context, store, scope, reason, timeout)
            after = _standing(store)
        if answer is None and not scope:
            _remove(folder)  # last: as long as anything of it stands, it is halted
    finally:
        if store is not None:
            store.close()
    left = {each.id for each in after}
    told: Facts = {
        "scope": scope or EVERYTHING,
        "lifted": [_block(each) for each in before if each.id not in left],
        "file": file is not None and read_stop(folder) is None,
        "answer": answer,
        "standing": [_block(each) for each in after],
        "file_stands": read_stop(folder) is not None,
    }
    answer_json(told) if wants_json(context) else _say(told)


def _remove(folder: Path) -> None:
    try:
        lift_stop(folder)
    except OSError as problem:
        raise StoreError(
            f"The file {FILE} cannot be removed, it halts everything still: {problem.strerror or problem}.",
            where=str(folder / FILE),
            todo="Remove it by hand, or set the rights of the folder; then rearm again.",
        ) from None


def _standing(store: Store) -> list[Block]:
    from trader.store import blocks

    return blocks.standing(store)


def meant(scope: str, standing: Iterable[Block]) -> list[Block]:
    """The halts that a scope names: the kill switch without one; a pause is none."""
    wanted = scope or EVERYTHING
    return [
        each
        for each in standing
        if each.level != "pause" and (each.scope == wanted or (scope and each.scope.partition("/")[2] == scope))
    ]


def _lift(context: click.Context, standing: list[Block], scope: str, reason: str) -> None:
    from trader.store import blocks

    found = meant(scope, standing)
    if found:
        with writing(database(context)) as store:
            for each in found:
                level: blocks.Level = "halt" if each.level == "halt" else "reduce"
                blocks.lift(store, each.scope, by=who(), reason=reason, level=level)


def _ask(context: click.Context, store: Store, scope: str, reason: str, timeout: float) -> str:
    """Let the session lift it: what it has in memory counts too."""
    with writing(database(context)) as writer:
        done = withdrawn(writer, asked(writer, "rearm", {"scope": scope, "reason": reason}, timeout))
    if done.state == "waiting":
        raise Unreachable(
            f"The session ({running(store)}) did not answer within {timeout:g} s: nothing is lifted yet.",
            todo="The request is withdrawn. Wait longer (--timeout SECONDS); if it hangs, end it and rearm without it.",
        )
    if done.state == "refused":
        raise Refused(f"The session refused: {sentence(done)}. Nothing was lifted.")
    return sentence(done)


def _block(each: Block) -> Facts:
    return {"scope": each.scope, "level": each.level, "reason": each.reason, "since": each.since}


# ---- for people ----------------------------------------------------------------------------------------------------
def _say(told: Facts) -> None:
    lifted = [
        (_name(each), f"lifted; it stood since {when(each['since'])} UTC: {each['reason']}") for each in told["lifted"]
    ]
    if told["file"]:
        lifted.append(("file STOP", "removed"))
    if lifted:
        click.echo(facts(lifted, indent=0))
    else:
        what = (
            "the kill switch is not latched" if told["scope"] == EVERYTHING else f"nothing halts {clean(told['scope'])}"
        )
        click.echo(f"There is nothing to lift: {what}.")
    if told["answer"]:
        click.echo(f"The session answered: {told['answer']}.")
    stands = [
        (_name(each), f"{each['level']} since {when(each['since'])} UTC: {each['reason']}") for each in told["standing"]
    ]
    if told["file_stands"]:
        stands.append(("file STOP", "it halts everything"))
    if not stands:
        click.echo("Nothing halts any more.   see: trader status")
        return
    click.echo(f"{counted(len(stands), 'block')} still standing:")
    click.echo(facts(stands))
    click.echo('lift one: trader rearm SCOPE --reason "..."; a pause: trader release')


def _name(each: Facts) -> str:
    return "kill switch" if each["scope"] == EVERYTHING and each["level"] == "halt" else str(each["scope"])
