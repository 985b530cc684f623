"""From a column of times to moments: what was written (wall time), and when that was (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from trader.errors import DataError
from trader.model import Times

from trader_data_files.faults import Fault, Mask

if TYPE_CHECKING:
    import polars as pl

ISO = (
    r"^(\d{4})[-./]?(\d{2})[-./]?(\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?"
    r" ?(?:(Z|z|UTC)|([+-])(\d{2}):?(\d{2})?)?$"
)
YEAR, MONTH, DAY, MINUTES, SECONDS, FRACTION, ZULU, SIGN, OFFSET_HOURS, OFFSET_MINUTES = map(str, range(1, 11))
"""The groups of `ISO`, as polars names them."""
UNIX = r"^(\d{9,10}|\d{12,13}|\d{15,16}|\d{18,19})(\.\d+)?$"
"""Unix time, of moments since 1973: up to 10 digits seconds, 13 milli-, 16 micro-, 19 nanoseconds."""
STAMP = r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d$"
"""202403011430 may be a clock time without marks or milliseconds of 1976: it is not guessed which."""
WANTED = "a time such as 2024-03-01, 2024-03-01 14:30 or 2024-03-01T14:30:00Z"
FIRST, LAST = np.datetime64("1800-01-01"), np.datetime64("2200-01-01")
"""datetime64[ns] ends in 2262; nobody has bars from outside."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """One file's times, (rows,) datetime64[ns]."""

    wall: Times
    """As written, without zone; Unix times in UTC. NaT where it is no time."""
    utc: Times
    """NaT for dates, and where the row has a fault."""
    dates: bool
    """Only dates: no clock is said."""
    faults: list[Fault]


class Written(NamedTuple):
    """What the rows say; arrays (rows,)."""

    wall: Times
    offset: NDArray[np.timedelta64]
    """East of UTC, NaT where the row does not say."""
    clock: Mask
    """False where only a date is said."""


def moments(
    column: pl.Series, zone: str | None, time_format: str | None, midnight_is_date: bool, where: str
) -> Moments:
    """Parse a column of text, Unix times, dates or datetimes.

    `zone` is that of times that do not say theirs; `midnight_is_date`: if all are at midnight they are dates.

    Raises:
        DataError: the column as a whole cannot be understood, or its times have no zone and `zone` is None.
    """
    written = _written(column, time_format, where)
    sane = (written.wall >= FIRST) & (written.wall < LAST)
    wall: Times = np.where(sane, written.wall, np.datetime64("NaT", "us")).astype("datetime64[ns]")
    readable = ~np.isnat(wall)
    raw = column.to_list

    def fault(bad: Mask, expected: str, todo: str = "Mend the file") -> Fault:
        return Fault(bad, column.name, expected, lambda row: raw()[row], todo)

    wanted = WANTED if time_format is None else f"a time written as {time_format}"
    faults = [fault(~readable, wanted, "Mend the file, or set time_format if times are written otherwise")]
    unknown: Times = np.full(len(wall), "NaT", "datetime64[ns]")
    first = int(np.argmax(readable))
    if midnight_is_date and bool((wall[readable] == wall[readable].astype("datetime64[D]")).all()):
        return Moments(wall, unknown, True, faults)
    clock = bool(written.clock[first])
    odd = readable & (written.clock != clock)
    faults.append(fault(odd, "a date and a clock time as above" if clock else "a date only as above"))
    if not clock or not readable.any():
        return Moments(wall, unknown, True, faults)
    said = ~np.isnat(written.offset)
    odd = readable & (said != said[first])
    faults.append(fault(odd, "a time with a zone as above" if said[first] else "a time without a zone as above"))
    if said[first]:
        return Moments(wall, wall - written.offset, False, faults)
    if zone is None:
        raise DataError(
            f"The times (such as '{raw()[first]}') have no time zone.",
            where=f"{where}, column {column.name}",
            todo='Say which it is: timezone = "UTC" or timezone = "America/New_York".',
        )
    utc, twice = to_utc(wall, zone)
    other = "Write the times in UTC or with their offset"
    faults.append(
        fault(readable & np.isnat(utc), f"a time that exists in {zone} (clocks are put forward there)", other)
    )
    faults.append(fault(twice, f"a time that occurs once in {zone} (clocks are put back there)", other))
    return Moments(wall, utc, False, faults)


def to_utc(wall: Times, zone: str) -> tuple[Times, Mask]:
    """Wall times of `zone` as UTC, datetime64[ns]: NaT where the clocks skip it; where they repeat it (True in the
    mask) the earlier moment."""
    early, late = _utc(wall, zone, "earliest"), _utc(wall, zone, "latest")
    return early, early < late


def _utc(wall: Times, zone: str, ambiguous: Literal["earliest", "latest"]) -> Times:
    import polars as pl

    time = pl.lit(pl.Series(wall.astype("datetime64[us]")))
    local = time.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
    utc = pl.select(local.dt.convert_time_zone("UTC").dt.replace_time_zone(None)).to_series()
    return utc.to_numpy().astype("datetime64[ns]")


def to_wall(utc: Times, zone: str) -> Times:
    """What the clocks of `zone` show, datetime64[ns]."""
    import polars as pl

    time = pl.lit(pl.Series(utc.astype("datetime64[us]")))
    local = time.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return pl.select(local).to_series().to_numpy().astype("datetime64[ns]")


def instants(wall: Times, zone: str) -> Times:
    """As `to_utc`, for a session's hours: a time that the clocks skip is taken an hour later."""
    utc = _utc(wall, zone, "earliest")
    skipped = np.isnat(utc) & ~np.isnat(wall)
    if skipped.any():
        utc = np.where(skipped, _utc(wall + np.timedelta64(1, "h"), zone, "earliest"), utc)
    return utc


def _written(column: pl.Series, time_format: str | None, where: str) -> Written:
    import polars as pl

    kind = column.dtype
    if isinstance(kind, pl.Datetime):
        local = column.dt.replace_time_zone(None)
        offset = (
            None if kind.time_zone is None else local - column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        )
        return _as_numpy(local, offset, True)
    if kind == pl.Date:
        return _as_numpy(column.cast(pl.Datetime("us")), None, False)
    if kind.is_float():
        column = column.cast(pl.Int64, strict=False)
    if kind.is_numeric():
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        raise DataError(
            f"Expected times, was a column of type {kind}.",
            where=f"{where}, column {column.name}",
            todo="Mend the file.",
        )
    text = column.str.strip_chars()
    if time_format is not None:
        return _formatted(text, time_format, where)
    some = text.drop_nulls().head(1)
    if bool((some.str.contains(UNIX) & ~some.str.contains(STAMP)).any()):
        return _unix(text)
    return _iso(text)


def _as_numpy(wall: pl.Series, offset: pl.Series | None, clock: bool | pl.Series) -> Written:
    rows = len(wall)
    return Written(
        wall.to_numpy().astype("datetime64[us]"),
        np.full(rows, "NaT", "timedelta64[us]") if offset is None else offset.to_numpy().astype("timedelta64[us]"),
        np.full(rows, clock) if isinstance(clock, bool) else clock.to_numpy(),
    )


def _formatted(text: pl.Series, time_format: str, where: str) -> Written:
    import polars as pl

    zoned = any(mark in time_format for mark in ("%z", "%:z", "%#z", "%+", "%s"))
    clock = zoned or any(mark in time_format for mark in ("%H", "%I", "%T", "%R", "%X", "%c", "%r"))
    try:
        if clock:
            parsed = text.str.to_datetime(time_format, time_unit="us", strict=False)
        else:
            parsed = text.str.to_date(time_format, strict=False).cast(pl.Datetime("us"))
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        todo = 'Write one such as "%d/%m/%Y %H:%M".'
        raise DataError(f"time_format '{time_format}' cannot be used: {reason}.", where=where, todo=todo) from error
    wall = parsed.dt.replace_time_zone(None)
    return _as_numpy(wall, wall - wall if zoned else None, clock)


def _unix(text: pl.Series) -> Written:
    import polars as pl

    whole = pl.col("t").str.extract(UNIX, 1)
    digits, number = whole.str.len_chars(), whole.cast(pl.Int64)
    scaled = (
        pl.when(digits <= 10)
        .then(number * 1_000_000)
        .when(digits <= 13)
        .then(number * 1_000)
        .when(digits <= 16)
        .then(number)
        .otherwise(number // 1_000)
    )
    wall = pl.DataFrame({"t": text}).select(scaled.cast(pl.Datetime("us"))).to_series()
    return _as_numpy(wall, wall - wall, True)


def _iso(text: pl.Series) -> Written:
    import polars as pl

    part = pl.col
    stamp = pl.format(
        "{}-{}-{} {}:{}.{}",
        *(part(name) for name in (YEAR, MONTH, DAY)),
        part(MINUTES).fill_null("00:00"),
        part(SECONDS).fill_null("00"),
        part(FRACTION).fill_null("0").str.pad_end(6, "0").str.slice(0, 6),
    )
    east = part(OFFSET_HOURS).cast(pl.Int64) * 60 + part(OFFSET_MINUTES).fill_null("0").cast(pl.Int64)
    minutes = (
        pl.when(part(ZULU).is_not_null()).then(0).otherwise(pl.when(part(SIGN) == "-").then(-east).otherwise(east))
    )
    table = text.str.extract_groups(ISO).struct.unnest()
    found = table.select(
        wall=stamp.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False),
        offset=pl.duration(minutes=minutes, time_unit="us"),
        clock=part(MINUTES).is_not_null(),
    )
    return _as_numpy(found["wall"], found["offset"], found["clock"])
