"""A fresh start on the account that a run left: an empty database, the same venue, its positions taken over."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from trader.session import Session
from trader.settings import load
from trader.store import blocks
from trader.store.database import Store

from .checks.rows import Rows
from .plugins import presence
from .plugins.presence import present
from .process import Process


def rebuilt() -> tuple[dict[str, Decimal], Decimal]:
    """Positions and cash by the journal of a session that knew nothing; of the world whose process ended last.

    The run itself is not touched: nothing is added to its history.
    """
    from .run import _catalogue, _settings

    world = present().world
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rebuilt-", dir=world.folder)))
        _settings(world)  # with the names of today
        shutil.copyfile(world.folder / "settings.toml", folder / "settings.toml")
        stack.callback(setattr, world, "history", world.history)
        stack.callback(setattr, world, "on_event", world.on_event)
        stack.callback(setattr, world, "process", world.process)
        stack.callback(setattr, blocks, "standing", blocks.standing)
        lists: dict[str, Any] = {
            name: list(getattr(world.history, name))
            for name in ("trace", "log", "lives", "alerts", "gate_passes", "errors")
        }
        world.history, world.on_event = replace(world.history, **lists), None
        setattr(blocks, "standing", _none)  # noqa: B010 - the world remembers those of the run's own database
        process = world.process = Process(world, len(world.history.lives))
        stack.callback(process.bury)
        presence.PRESENT[:] = [process]
        outside = replace(world.outside(process), root=folder, state=folder / "var")
        session = Session(load(folder / "settings.toml", environ={}), world=outside, plugins=_catalogue(world.profile))
        session.start(adopt=True)
        rows = Rows(folder / "var" / "trader.db")
        stack.callback(rows.close)
        found = rows.account(), rows.cash() or Decimal(0)
        session.shutdown("looked")
        return found


def _none(_store: Store) -> list[blocks.Block]:
    return []
