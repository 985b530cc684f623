"""Bars from a folder of CSV or Parquet files: one file a symbol, or long files with a symbol column.

What a file does not say (time zone, whether a time is a bar's start or its end) is asked for, never guessed; every
malformed file is refused with the file, the line and the column.
"""

from __future__ import annotations

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_data_files.settings import Columns, Settings
from trader_data_files.source import FilesSource

__all__ = ["Columns", "FilesSource", "Settings", "provide_data_source"]


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> FilesSource:
    """The bars of the folder that the settings name; nothing is read before `open()`."""
    return FilesSource(settings, env)
