"""The data source: every file is read and checked when it is opened; `bars` only cuts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from trader.model import Bars, Unavailable
from trader.protocols import Env

from trader_data_files import timeframes
from trader_data_files.intervals import find_timeframe, timed
from trader_data_files.panel import buckets, coarser, days, panel, select
from trader_data_files.reading import check_one_file_a_symbol, matching, read_table
from trader_data_files.rows import Parsed, parse
from trader_data_files.settings import Settings
from trader_data_files.timeframes import DAY
from trader_data_files.times import instants, to_wall

NOT_OPEN = Unavailable("closed", "The data source was asked before open().")
EARLIEST, LATEST = datetime(1700, 1, 1, tzinfo=UTC), datetime(2201, 1, 1, tzinfo=UTC)
"""What is asked for is clipped to this: datetime64[ns] cannot say more."""


class FilesSource:
    """Bars from a folder of files; recorded, so its clock drives market time."""

    def __init__(self, settings: Settings, env: Env) -> None:
        self._settings, self._env = settings, env
        self._length = 0
        self._frames: dict[int, Bars] = {}
        """Length in seconds -> bars; that of the files, and coarser ones as they are asked for."""

    def open(self) -> Unavailable | None:
        """Read, check and lay out every file.

        Raises:
            DataError: a file, a row or the folder is not as it must be; says where, what was expected and what to do.
            SettingsError: there is no such folder.
        """
        folder = Path(self._settings.folder)
        root = self._env.file(folder)
        paths = matching(root, self._settings.pattern, self._settings.format, f"folder {folder.as_posix()}")
        files = [self._read(path, (folder / path.relative_to(root)).as_posix()) for path in paths]
        self._log(files)
        every = [rows for parsed in files for rows in parsed.rows]
        check_one_file_a_symbol((rows.symbol, rows.path) for rows in every)
        self._length = find_timeframe(every, self._settings.timeframe, folder.as_posix())
        bars = panel([timed(rows, self._length, self._settings) for rows in every], timeframes.name(self._length))
        self._frames = {self._length: bars}
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def symbols(self) -> Sequence[str] | Unavailable:
        """All in the folder, sorted."""
        return self._frames[self._length].symbols if self._frames else NOT_OPEN

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        """Bars with start < their end <= end; a row for each interval in which one of the asked symbols has a bar."""
        if not self._frames:
            return NOT_OPEN
        frame = self._frame(timeframe)
        if isinstance(frame, Unavailable):
            return frame
        first, last = np.searchsorted(frame.end, [moment(start), moment(end)], side="right")
        return select(frame.rows(int(first), int(last)), symbols, timeframe)

    def _read(self, path: Path, shown: str) -> Parsed:
        self._env.file(shown)  # its hash joins the run's record
        table = read_table(path, shown, self._settings.format, self._settings.separator)
        return parse(table, self._settings)

    def _log(self, files: Sequence[Parsed]) -> None:
        for parsed in files:
            if parsed.dropped:
                self._env.log.warning(
                    "bad_rows_dropped", file=parsed.rows[0].path, rows=parsed.dropped, first=parsed.reason
                )
        ignored = sorted({name for parsed in files for name in parsed.ignored})
        if ignored:
            self._env.log.info("columns_ignored", columns=ignored, reason="adjusted closes and text are not used")

    def _frame(self, timeframe: str) -> Bars | Unavailable:
        """The bars of this time frame, made of the files' bars where they are finer."""
        length = timeframes.seconds(timeframe)
        have = timeframes.name(self._length)
        if length != self._length and (length is None or length % self._length or DAY % length):
            reason = f"The files have bars of {have}; asked for '{timeframe}', expected {have} or a multiple up to 1d."
            return Unavailable("timeframe", reason)
        if length not in self._frames:
            made = self._coarser(length, timeframe)
            if made is None:
                reason = f"The files' bars of {have} reach over the ends of bars of '{timeframe}'; ask for {have}."
                return Unavailable("timeframe", reason)
            self._frames[length] = made
        return self._frames[length]

    def _coarser(self, length: int, timeframe: str) -> Bars | None:
        bars, zone = self._frames[self._length], self._settings.timezone
        if length < DAY or zone is None:
            return coarser(bars, timeframe, *buckets(bars, length))
        opens, closes = timeframes.session_minutes(self._settings.session or "00:00-24:00")
        first, last = days(to_wall(bars.start, zone), opens, closes)
        return coarser(bars, timeframe, instants(first, zone), instants(last, zone))


def moment(at: datetime) -> np.datetime64:
    """An aware moment as datetime64[ns] UTC."""
    clipped = min(max(at, EARLIEST), LATEST)
    return np.datetime64(clipped.astimezone(UTC).replace(tzinfo=None), "ns")
