"""From a table to clean rows of each symbol: every cell parsed, every row checked, the bad ones refused or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from trader.errors import DataError
from trader.model import Array, Times

from trader_data_files.checks import check_order, check_values, within
from trader_data_files.columns import Roles, roles
from trader_data_files.faults import Fault, Mask, bad_rows, refusal
from trader_data_files.reading import LINE, Table
from trader_data_files.settings import Settings
from trader_data_files.times import Moments, moments

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One symbol's bars of one file, oldest first; arrays (rows,). `label`: what `wall` and `utc` are of a bar."""

    symbol: str
    path: str
    label: Literal["start", "end"] | None
    dates: bool
    """Only dates were said: `utc` is NaT."""
    wall: Times
    utc: Times
    values: Mapping[str, Array]
    """open high low close volume."""
    more: Mapping[str, Array]

    @property
    def time(self) -> Times:
        """What orders them."""
        return self.wall if self.dates else self.utc


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """One file."""

    rows: list[Rows]
    dropped: int
    reason: str
    """Of the first dropped row."""
    ignored: tuple[str, ...]
    """Columns that are neither prices nor numbers."""


def parse(table: Table, settings: Settings) -> Parsed:
    """Raises DataError: a column is missing, the zone, session or label is not known, a row is bad and refused."""
    names = [name for name in table.frame.columns if name != LINE]
    found = roles(names, settings.columns.named(), table.path)
    times = moments(
        table.frame[found.time], settings.timezone, settings.time_format, settings.session is not None, table.path
    )
    label = settings.label or found.label
    values, faults = _numbers(table.frame, found.values)
    more, wrong = _fields(table.frame, found.more)
    symbols, nameless = _symbols(table, found)
    faults = [*times.faults, *faults, *check_values(values), *wrong, *nameless]
    dropping = _Dropping(table, settings.on_bad_rows == "drop")
    good = dropping.keep(faults, np.arange(len(times.wall)))
    if len(good):
        _check_said(times, label, settings, table.path)
    of_each = [
        (symbol, dropping.keep(check_order((times.wall if times.dates else times.utc)[index], found.time), index))
        for symbol, index in _by_symbol(symbols, good)
    ]
    values = within(values)
    rows = [
        Rows(
            symbol,
            table.path,
            label,
            times.dates,
            times.wall[index],
            times.utc[index],
            {name: column[index] for name, column in values.items()},
            {name: column[index] for name, column in more.items()},
        )
        for symbol, index in of_each
        if len(index)
    ]
    if not rows:
        raise DataError(f"No good row is left: {dropping.reason}", where=table.path, todo="Mend the file.")
    text = tuple(name for name in found.more if name not in more)
    return Parsed(rows, dropping.count, dropping.reason, (*found.ignored, *text))


class _Dropping:
    """Refuses the first bad row, or counts and leaves out all of them."""

    def __init__(self, table: Table, drop: bool) -> None:
        self._table, self._drop = table, drop
        self.count, self.reason = 0, ""

    def keep(self, faults: Sequence[Fault], index: NDArray[np.intp]) -> NDArray[np.intp]:
        """Which of the rows `index` are good; the faults' arrays run over `index`."""
        bad = bad_rows(faults, len(index))
        if not bad.any():
            return index
        lines = self._table.frame[LINE]
        error = refusal(faults, len(index), lambda row: self._table.place(int(lines[int(index[row])])))
        if not self._drop:
            raise error
        self.count += int(bad.sum())
        self.reason = self.reason or f"{error.where}: {error.what}"
        return index[~bad]


def _check_said(times: Moments, label: str | None, settings: Settings, path: str) -> None:
    """What the file does not say must be in the settings."""
    if times.dates and settings.session is None:
        raise DataError(
            "The file has dates without a clock time: when does a bar begin and end?",
            where=path,
            todo='Say when the market trades: timezone = "America/New_York" and session = "09:30-16:00"; '
            'for whole days timezone = "UTC" and session = "00:00-24:00".',
        )
    if not times.dates and label is None:
        raise DataError(
            "The file does not say whether a bar's time is its start or its end.",
            where=path,
            todo='Say which: label = "start" or label = "end".',
        )


def _numbers(frame: pl.DataFrame, columns: Mapping[str, str]) -> tuple[dict[str, Array], list[Fault]]:
    """Columns as float64, NaN and a fault where it is no number."""
    values, faults = {}, []
    floats = _floats(frame, list(columns.values()))
    for role, name in columns.items():
        if floats[name].null_count():
            missing = floats[name].is_null().to_numpy()
            faults.append(Fault(missing, name, "a number", frame[name].to_list().__getitem__))
        values[role] = floats[name].to_numpy()
    return values, faults


def _fields(frame: pl.DataFrame, names: Sequence[str]) -> tuple[dict[str, Array], list[Fault]]:
    """The columns of which every value is a number or missing (NaN), as float64; infinite ones are faults."""
    fields, faults = {}, []
    floats = _floats(frame, names)
    for name in names:
        missing = floats[name].null_count()
        if missing > frame[name].null_count() or missing == len(frame):
            continue
        fields[name] = floats[name].to_numpy()
        infinite = np.isinf(fields[name])
        if infinite.any():
            faults.append(Fault(infinite, name, "a finite number", frame[name].to_list().__getitem__))
    return fields, faults


def _floats(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Those columns as Float64, null where it is no number."""
    import polars as pl

    def number(name: str) -> pl.Expr:
        if frame.schema[name] == pl.String:
            return pl.col(name).str.strip_chars().cast(pl.Float64, strict=False)
        if frame.schema[name].is_numeric():
            return pl.col(name).cast(pl.Float64, strict=False)
        return pl.repeat(None, pl.len(), dtype=pl.Float64).alias(name)

    return frame.select(number(name) for name in names)


def _symbols(table: Table, found: Roles) -> tuple[NDArray[np.object_] | str, list[Fault]]:
    """The file's name without its ending, or a symbol for each row."""
    import polars as pl

    if found.symbol is None:
        return table.stem, []
    column = table.frame[found.symbol].cast(pl.String).str.strip_chars()
    empty: Mask = (column.is_null() | (column == "").fill_null(True)).to_numpy()
    fault = Fault(empty, found.symbol, "a symbol", column.to_list().__getitem__)
    return column.fill_null("").to_numpy().astype(object), [fault] if empty.any() else []


def _by_symbol(symbols: NDArray[np.object_] | str, rows: NDArray[np.intp]) -> list[tuple[str, NDArray[np.intp]]]:
    """Each symbol's rows, in the order of the file."""
    if isinstance(symbols, str):
        return [(symbols, rows)]
    names, which = np.unique(symbols[rows].astype(str), return_inverse=True)
    order = np.argsort(which, kind="stable")
    cuts = np.searchsorted(which[order], np.arange(1, len(names)))
    return [(str(name), part) for name, part in zip(names, np.split(rows[order], cuts), strict=True)]
