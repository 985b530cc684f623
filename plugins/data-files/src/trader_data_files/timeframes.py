"""Lengths of bars and of trading sessions. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from trader.model import Times

UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
DAY, HOUR = UNITS["d"], UNITS["h"]
MIDNIGHT = 24 * 60
"""The end of a day, in minutes."""
SECOND = 1_000_000_000
"""In nanoseconds."""


def seconds(timeframe: str) -> int | None:
    """The length of `5m` is 300; None if it is not a number and a unit."""
    match = re.fullmatch(r"([1-9]\d{0,4})([smhdw])", timeframe)
    return int(match[1]) * UNITS[match[2]] if match else None


def name(length: int) -> str:
    """300 -> "5m": the largest unit that divides it."""
    unit, size = next((unit, size) for unit, size in UNITS.items() if length % size == 0)
    return f"{length // size}{unit}"


def session_minutes(session: str) -> tuple[int, int]:
    """Opening and close in minutes from the trading day's midnight: `09:30-16:00` is (570, 960).

    A session that opens at or after the time it closes opened the day before: `18:00-17:00` is (-360, 1020).

    Raises:
        ValueError: it is written otherwise.
    """
    match = re.fullmatch(r"(\d{2}):([0-5]\d)-(\d{2}):([0-5]\d)", session)
    opens, closes = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
    if match is None or opens >= MIDNIGHT or not 0 < closes <= MIDNIGHT:
        raise ValueError(f"expected opening and closing time such as 09:30-16:00, was '{session}'")
    return (opens, closes) if opens < closes else (opens - MIDNIGHT, closes)


def spacing(times: Iterable[Times]) -> int | None:
    """The most common distance, in seconds, between neighbours of each of these; None if none has two."""
    gaps = [np.diff(of_one.astype("datetime64[ns]").astype(np.int64)) for of_one in times]
    every = np.concatenate([*gaps, np.empty(0, np.int64)])
    if len(every) == 0:
        return None
    lengths, counts = np.unique(every, return_counts=True)
    return int(max(1, round(int(lengths[np.argmax(counts)]) / SECOND)))


def closest(times: Times) -> int | None:
    """The least distance between neighbours in seconds; None if there are fewer than two."""
    return int(np.diff(times).min() / np.timedelta64(1, "s")) if len(times) > 1 else None
