"""What a plugin did wrong, in words for a person: who, in what, what, where in its code."""

from __future__ import annotations

import inspect
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trader.errors import storable
from trader.plugins import manifest
from trader.plugins.catalogue import Plugin
from trader.plugins.kinds import KINDS

if TYPE_CHECKING:
    from trader.plugins.loading import Provided


def describe_fault(provided: Provided, method: str, error: BaseException, when: str = "") -> str:
    """A fault of a plugin for a person: who, in what, when ("in cycle 2013-02-28"), what, where in its code.

    `method` is as a person would write the call: "score(history)".
    """
    head = f"{provided.label} raised in {method}" + (f" {when}" if when else "")
    return f"{head}:\n  {fault_line(provided.plugin, error)}"


def fault_line(plugin: Plugin, error: BaseException) -> str:
    """What and where: "IndexError: index 14 is out of bounds (rsi_dip.py, line 31)", by the plugin's innermost line."""
    text = storable("".join(traceback.format_exception_only(error)[:1]).strip())  # notes stand behind it
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename or '?').name}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if _owns(plugin, frame.filename)]
    return "".join([text, *(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in (own or frames)[-1:])])


def _owns(plugin: Plugin, filename: str) -> bool:
    module = sys.modules.get(plugin.module.partition(".")[0])
    file = getattr(module, "__file__", None)
    file = file or getattr(manifest.locate(plugin.module), "file", None)
    if not file:
        return False
    path = Path(file)
    return Path(filename) == path or (path.name == "__init__.py" and path.parent in Path(filename).parents)


def at(plugin: Plugin, instance: str) -> str:
    """The head of a message about one instance."""
    return plugin.label if instance == plugin.name else f"{plugin.label}, as {instance!r}"


def off(plugin: Plugin) -> str:
    """The command that turns it off."""
    return f"trader plugins disable {plugin.kind}.{plugin.name}"


def expected(plugin: Plugin) -> str:
    """What its provide_<kind> should have returned."""
    return "an object that does what trader.protocols." + " or ".join(KINDS[plugin.kind].protocols) + " says"


def place(function: Any) -> str:
    """Where a function is written: "rsi_dip.py, line 31"."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}, line {code.co_firstlineno}" if code else "not a function"
