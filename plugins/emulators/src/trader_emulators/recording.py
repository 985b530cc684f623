"""The closes of an installed data source, as the prices that an emulated venue walks along."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from trader.env import World
from trader.errors import DataError, SettingsError, Unreachable
from trader.model import Array, Bars, Unavailable
from trader.plugins import catalogue, provide
from trader.settings import PluginTable, find, load

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def closes(
    source: str, timeframe: str, symbols: Sequence[str] = (), *, settings: str | Path | None = None
) -> dict[str, list[float]]:
    """Canonical symbol -> its closes, oldest first, all of the same length; `symbols`: () for all that it has.

    The source is set up as the settings file has it, by default where there is none. A bar that is missing repeats the
    close before it. PluginError, SettingsError, DataError, Unreachable.
    """
    table, root = _table(source, settings)
    plugin = catalogue().get("data_source", table.plugin, where=table.origin or None)
    with tempfile.TemporaryDirectory(prefix="trader-emulate-") as state:
        world = World(root, Path(state))
        door = world.door(source, distribution=plugin.distribution, secrets=plugin.permissions.secrets)
        made = provide(plugin, table.options, door, instance=source, origin=table.origin)
        try:
            bars = _bars(made.object, timeframe, symbols, world.clock.now())
        finally:
            made.object.close()
            world.close()
    if isinstance(bars, Unavailable):
        raise Unreachable(f"It has no {timeframe} bars: {bars.reason}", where=made.label)
    return _paths(bars, made.label)


def _bars(source: Any, timeframe: str, symbols: Sequence[str], now: datetime) -> Bars | Unavailable:
    closed: Unavailable | None = source.open()
    wanted: Sequence[str] | Unavailable = closed or symbols or source.symbols()
    if isinstance(wanted, Unavailable):
        return wanted
    bars: Bars | Unavailable = source.bars(list(wanted), timeframe, BEGINNING, now)
    return bars


def _table(source: str, settings: str | Path | None) -> tuple[PluginTable, Path]:
    """How the source is set up, and the folder that its paths begin in."""
    try:
        path = find(settings, os.environ)
    except SettingsError:
        if settings or os.environ.get("TRADER_SETTINGS"):
            raise
        return PluginTable("data_sources", source, source), Path.cwd()
    document = load(path)
    return document.table("data_sources", source), document.root


def _paths(bars: Bars, label: str) -> dict[str, list[float]]:
    """Each symbol's closes without holes."""
    if bars.missing:
        raise DataError(f"It has no bars of {', '.join(bars.missing)}.", where=label)
    if len(bars) == 0:
        raise DataError("It has no bars at all.", where=label)
    paths = {symbol: _filled(bars.close[:, column]) for column, symbol in enumerate(bars.symbols)}
    empty = [symbol for symbol, path in paths.items() if not path]
    if empty:
        raise DataError(f"It has no closes of {', '.join(empty)}.", where=label)
    return paths


def _filled(close: Array) -> list[float]:
    """A close that is missing is the one before it; before the first there is the first."""
    good = (close > 0) & (close < np.inf)
    if not good.any():
        return []
    row = np.maximum.accumulate(np.where(good, np.arange(len(close)), -1))
    return [float(price) for price in close[np.where(row < 0, int(np.argmax(good)), row)]]
