"""What is wrong with rows, and how a person is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from trader.errors import DataError

Mask = NDArray[np.bool_]


class Fault(NamedTuple):
    """One thing that is wrong with some rows."""

    bad: Mask
    """(rows,) True where it is wrong."""
    column: str
    expected: str
    was: Callable[[int], object]
    """The row's value, by its number from 0."""
    todo: str = "Mend the file"


def bad_rows(faults: Sequence[Fault], rows: int) -> Mask:
    """(rows,) True where anything is wrong."""
    bad = np.zeros(rows, np.bool_)
    for fault in faults:
        bad |= fault.bad
    return bad


def refusal(faults: Sequence[Fault], rows: int, place: Callable[[int], str]) -> DataError:
    """The error for the first bad row; of several faults of one row the one found first. `place` says where it is."""
    bad = bad_rows(faults, rows)
    row = int(np.argmax(bad))
    fault = next(fault for fault in faults if fault.bad[row])
    more = int(bad.sum()) - 1
    others = f" ({more} more bad row{'s' if more > 1 else ''} in this file.)" if more else ""
    was = "empty" if fault.was(row) in {None, ""} else f"'{fault.was(row)}'"
    return DataError(
        f"Expected {fault.expected}, was {was}.{others}",
        where=f"{place(row)}, column {fault.column}",
        todo=f'{fault.todo}, or leave bad rows out with on_bad_rows = "drop".',
    )
