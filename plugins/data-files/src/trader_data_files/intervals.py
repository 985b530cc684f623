"""The folder's time frame, and when each bar starts and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from trader.errors import DataError
from trader.model import Times

from trader_data_files import timeframes
from trader_data_files.rows import Rows
from trader_data_files.settings import Settings
from trader_data_files.timeframes import DAY, HOUR
from trader_data_files.times import instants, to_wall

ENOUGH = 10
"""Rows from which on a file must have two bars side by side."""


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """Rows with their interval: arrays (rows,) datetime64[ns] UTC."""

    rows: Rows
    start: Times
    end: Times


def find_timeframe(files: Sequence[Rows], configured: str | None, where: str) -> int:
    """The bars' length in seconds: as configured, else the most common spacing; checked against every file.

    Raises:
        DataError: it cannot be known from so few rows, or a file's rows lie closer or never as close.
    """
    length = timeframes.seconds(configured) if configured else timeframes.spacing(rows.wall for rows in files)
    if length is None:
        raise DataError(
            "No file has two rows, so the length of the bars cannot be found.",
            where=where,
            todo='Say it: timeframe = "1d".',
        )
    for rows in files:
        _check_spacing(rows, length, configured is not None)
    return length


def _check_spacing(rows: Rows, length: int, is_configured: bool) -> None:
    least = timeframes.closest(rows.wall if length >= DAY else rows.time)
    if least is None:
        return
    slack = HOUR if length >= DAY else 0  # days in UTC are an hour short where the clocks are put forward
    if least < length - slack or (least > length + slack and len(rows.wall) >= ENOUGH):
        said = "as set in the settings" if is_configured else "the most common spacing in the folder"
        raise DataError(
            f"Expected bars of {timeframes.name(length)} ({said}), but the closest rows of '{rows.symbol}' are "
            f"{timeframes.name(max(least, 1))} apart.",
            where=rows.path,
            todo="Keep one time frame in a folder, choose its files with pattern, or set timeframe.",
        )


def timed(rows: Rows, length: int, settings: Settings) -> Timed:
    """Start and end of each bar of `length` seconds."""
    if rows.dates:
        start, end = _of_dates(rows, length, settings)
    elif length < DAY or settings.timezone is None:
        start, end = _around(rows.utc, np.timedelta64(length, "s"), rows.label)
    else:
        wall = to_wall(rows.utc, settings.timezone)
        first, last = _around(wall, np.timedelta64(length, "s"), rows.label)
        start = rows.utc if rows.label == "start" else instants(first, settings.timezone)
        end = rows.utc if rows.label == "end" else instants(last, settings.timezone)
    if length >= DAY and rows.label == "start":  # a day that the clocks cut short ends where the next one starts
        end = np.minimum(end, np.append(start[1:], end[-1:]))
    elif length >= DAY and rows.label == "end":
        start = np.maximum(start, np.append(start[:1], end[:-1]))
    return Timed(rows, start, end)


def _around(time: Times, length: np.timedelta64, label: str | None) -> tuple[Times, Times]:
    return (time - length, time) if label == "end" else (time, time + length)


def _of_dates(rows: Rows, length: int, settings: Settings) -> tuple[Times, Times]:
    """From the session's opening on the first day to its close on the last."""
    if settings.session is None or settings.timezone is None:
        raise DataError("Dates need session and timezone.", where=rows.path)
    if length < DAY:
        what = f"Expected bars of {timeframes.name(length)}, but '{rows.symbol}' has dates without a clock time."
        raise DataError(what, where=rows.path, todo="Keep one time frame in a folder, or set timeframe.")
    more_days = np.timedelta64(max(length // DAY, 1) - 1, "D")
    if more_days and rows.label is None:
        raise DataError(
            f"The file does not say whether the date of a bar of {timeframes.name(length)} is its first or last day.",
            where=rows.path,
            todo='Say which: label = "start" or label = "end".',
        )
    opens, closes = (np.timedelta64(minutes, "m") for minutes in timeframes.session_minutes(settings.session))
    first, last = _around(rows.wall, more_days, rows.label)
    return instants(first + opens, settings.timezone), instants(last + closes, settings.timezone)
