"""From a folder to tables: which files, and what stands in them. Everything that touches the disk is here."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trader.errors import DataError

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = {".csv": "csv", ".parquet": "parquet"}
PRICES = ("open", "high", "low", "close")
HEADER = "time,open,high,low,close,volume"
LINE = "line number in the file"
"""A column of our own, with a name that no file has."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One file's rows as they stand there: text if from CSV, typed if from Parquet; `LINE` says where each is from."""

    path: str
    """As a person writes it: folder of the settings and name."""
    stem: str
    frame: pl.DataFrame
    is_csv: bool

    def place(self, line: int) -> str:
        """Where a row is: lines of text are counted with the header, rows of Parquet are rows."""
        return f"{self.path} {'line' if self.is_csv else 'row'} {line}"


def matching(folder: Path, pattern: str, file_format: str, where: str) -> list[Path]:
    """The files, in order of their names; hidden ones are left out.

    Raises:
        DataError: the folder is none, or nothing in it matches.
    """
    if not folder.is_dir():
        raise DataError("Expected a folder, was a file.", where=where, todo="Set folder to the folder it lies in.")
    try:
        every = sorted(path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
    except (ValueError, NotImplementedError) as error:
        raise DataError(
            f"The pattern '{pattern}' cannot be used: {error}.", where=where, todo='Write one such as "*.csv".'
        ) from None
    files = [path for path in every if file_format != "auto" or path.suffix.lower() in SUFFIXES]
    if not files:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        kinds = "that end in .csv or .parquet " if file_format == "auto" else ""
        raise DataError(
            f"Expected files {kinds}matching '{pattern}', found none. The folder has: {there}.",
            where=where,
            todo="Set folder, pattern or format to where the files are.",
        )
    return files


def read_table(path: Path, shown: str, file_format: str, separator: str) -> Table:
    """Read one file.

    Raises:
        DataError: it is empty, not UTF-8, not CSV, not Parquet, or holds no row.
    """
    kind = SUFFIXES[path.suffix.lower()] if file_format == "auto" else file_format
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"It cannot be read: {error.strerror or error}.", where=shown) from error
    if not data.strip():
        raise DataError("The file is empty.", where=shown, todo="Fill it, or take it out of the folder.")
    frame = _parquet(data, shown) if kind == "parquet" else _csv(data, shown, separator)
    if frame.is_empty():
        raise DataError(
            "The file has a header and no rows.", where=shown, todo="Fill it, or take it out of the folder."
        )
    return Table(shown, path.stem, frame, kind == "csv")


def _parquet(data: bytes, shown: str) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(data).with_row_index(LINE, offset=1)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(
            f"It is not a Parquet file that can be read: {_first_line(error)}.",
            where=shown,
            todo="Write it again, or take it out of the folder.",
        ) from error


def _csv(data: bytes, shown: str, separator: str) -> pl.DataFrame:
    import polars as pl

    data = data.removeprefix(codecs.BOM_UTF8)
    _check_text(data, shown)
    try:
        frame = pl.read_csv(data, infer_schema=False, separator=separator)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _ragged(data.decode(), separator, shown) or DataError(
            f"It is not a CSV file that can be read: {_first_line(error)}.",
            where=shown,
            todo='Look for an unclosed quotation mark ("), or write the file again.',
        ) from error
    if sum(re.fullmatch(r"[-+]?\d[\d.]*", name.strip()) is not None for name in frame.columns) >= len(PRICES):
        what = "The first line looks like data, expected the columns' names."
        raise DataError(what, where=f"{shown} line 1", todo=f"Write a line above it, such as {HEADER}.")
    twice = [name.partition("_duplicated_")[0] for name in frame.columns if "_duplicated_" in name]
    if twice:
        raise DataError(f"Two columns are called '{twice[0]}'.", where=f"{shown} line 1", todo="Rename one of them.")
    values = frame.columns
    return frame.with_row_index(LINE, offset=2).filter(~pl.all_horizontal(pl.col(values).is_null()))


def _check_text(data: bytes, shown: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        todo = "Save the file as UTF-8."
        raise DataError(
            f"Expected UTF-8 text, was the byte 0x{data[error.start]:02x}.", where=f"{shown} line {line}", todo=todo
        ) from None


def _ragged(text: str, separator: str, shown: str) -> DataError | None:
    """The error for the first line with more values than the header."""
    import csv

    reader = csv.reader(text.splitlines(), delimiter=separator)
    try:
        expected = len(next(reader))
        for row in reader:
            if len(row) > expected:
                what = f"Expected {expected} values as in the header, found {len(row)}."
                return DataError(what, where=f"{shown} line {reader.line_num}", todo="Mend the line.")
    except (csv.Error, StopIteration):
        return None
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def check_one_file_a_symbol(symbols: Iterable[tuple[str, str]]) -> None:
    """`symbols`: (symbol, file). Raises DataError if two files hold one symbol."""
    seen: dict[str, str] = {}
    for symbol, path in symbols:
        if symbol in seen:
            raise DataError(
                f"Two files hold the symbol '{symbol}': {seen[symbol]} and {path}.",
                where=path,
                todo="Take one out of the folder, or set pattern so that only one matches.",
            )
        seen[symbol] = path
