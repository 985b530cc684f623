"""The venue's own client library: imported when it is first needed, and only in a version that was tried."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from types import ModuleType

from trader.errors import PluginBroken


def need(who: str, distribution: str, least: str, below: str, module: str) -> ModuleType:
    """Import `module` of a client library whose version v is least <= v < below.

    Raises:
        PluginBroken: it is not installed, of another version, or does not import; names who needs it.
    """
    try:
        found = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as missing:
        raise PluginBroken(
            f"{who} needs {distribution} {least} or later, below {below}; it is not installed.",
            todo=f"Install it into the environment that runs trader, or install {who} anew: it brings it.",
        ) from missing
    if not _numbers(least) <= _numbers(found) < _numbers(below):
        raise PluginBroken(
            f"{who} works with {distribution} {least} or later, below {below}; installed is {found}.",
            todo=f"Install a supported version of {distribution}; what was not tried is not traded with.",
        )
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise PluginBroken(
            f"{who}: {distribution} {found} is installed, and does not import: {type(error).__name__}: {error}",
            todo=f"Install {distribution} anew, with what it needs itself.",
        ) from error


def _numbers(version: str) -> tuple[int, ...]:
    """The release part: "0.44.0rc1" is (0, 44, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[a-z+-]", version.lower(), maxsplit=1)[0]))
