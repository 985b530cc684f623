"""trader db check | upgrade"""

from __future__ import annotations

from pathlib import Path

import click

from trader.cli.asking import writing
from trader.cli.options import json_option, set_option, settings_option, wants_json
from trader.cli.output import answer_json, facts
from trader.cli.state import Facts, Runs, database, locked, look, nothing, opened, place_of, running
from trader.errors import Refused, StoreError


@click.group()
def db() -> None:
    """Check the database, bring it to this version."""


@db.command()
@settings_option
@set_option
@json_option
@click.pass_context
def check(context: click.Context) -> None:
    """Say whether the database can be read, is undamaged, and has this version's schema.

    A SQLite file is read through, every page. What is written in it: trader journal verify.
    """
    from trader.store.schema import REVISION

    with opened(context) as store:
        if store is None:
            return nothing(context, None)
        told: Facts = {"database": store.where, "revision": REVISION, "size": None, "running": running(store).alive}
        if store.path is not None:
            told["size"] = store.path.stat().st_size
            with store.reading() as connection:
                found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
            if found != "ok":
                raise StoreError(
                    f"The database is damaged: {' '.join(str(found).split())}",
                    where=store.where,
                    todo="Copy the state folder aside, check the disk, and restore a backup.",
                )
    if wants_json(context):
        return answer_json(told)
    size = "" if told["size"] is None else f", {told['size'] / 1_000_000:,.1f} MB"
    click.echo(facts([("database", told["database"] + size), ("schema", f"revision {REVISION}")], indent=0))
    click.echo("It is sound.   what is written in it?   trader journal verify")
    return None


@db.command()
@settings_option
@set_option
@json_option
@click.pass_context
def upgrade(context: click.Context) -> None:
    """Bring the schema to this version: all steps, or none. `trader run` does the same at its start.

    Copy the state folder before: an older trader does not read what a newer one made.
    """
    from trader.store.schema import REVISION

    target = database(context)
    try:
        store = look(target)
    except StoreError as problem:
        if "trader db upgrade" not in (problem.todo or ""):
            raise
    else:
        if store is None:
            return nothing(context, None)
        store.close()
        return _tell(context, REVISION, done=False)
    runs = _held(target)
    if runs.alive:
        raise Refused(f"A session runs on it ({runs}).", where=place_of(target), todo="End it first: trader stop")
    with writing(target):
        pass
    return _tell(context, REVISION, done=True)


def _held(target: str | Path) -> Runs:
    """Whether a session runs on a database of another revision, which is not opened for it."""
    if isinstance(target, Path):
        return locked(target)
    from trader.clock import SystemClock
    from trader.store import connect
    from trader.store.database import Store

    url = connect.target_of(target)
    engines = connect.readers(url, read_only=True, busy_seconds=5.0), connect.writers(url, busy_seconds=5.0)
    store = Store(*engines, None, SystemClock(), read_only=True)
    try:
        return running(store)
    finally:
        store.close()


def _tell(context: click.Context, revision: str, *, done: bool) -> None:
    if wants_json(context):
        answer_json({"revision": revision, "upgraded": done})
    elif done:
        click.echo(f"The database is at revision {revision} now.   check it: trader db check")
    else:
        click.echo(f"The database is at revision {revision} already: there is nothing to upgrade.")
