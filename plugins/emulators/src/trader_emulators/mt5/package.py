"""The module that a client imports as MetaTrader5."""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from trader_emulators.mt5.constants import CONSTANTS
from trader_emulators.mt5.server import NAME, Line
from trader_emulators.mt5.structs import STRUCTS
from trader_emulators.mt5.terminal import Terminal

if TYPE_CHECKING:
    from trader_emulators.mt5.venue import Mt5Emulator

VERSION = "5.0.6231"
_LOADING = threading.Lock()


def core(emulator: Mt5Emulator, line: Line | None = None) -> ModuleType:
    """The functions and tuples that are compiled code in the real package: its `_core`."""
    terminal = Terminal(emulator, line or Line())
    module = ModuleType(f"{NAME}._core", "An emulated terminal.")
    functions = {name: getattr(terminal, name) for name in dir(Terminal) if not name.startswith("_")}
    vars(module).update(functions, **STRUCTS)
    return module


def package(emulator: Mt5Emulator, line: Line | None = None) -> ModuleType:
    """The package over it: functions, tuples, constants."""
    module = ModuleType(NAME, "An emulated terminal: the functions and constants of the MetaTrader5 package.")
    public = {name: value for name, value in vars(core(emulator, line)).items() if not name.startswith("_")}
    vars(module).update(public, **CONSTANTS, __version__=VERSION, __author__=emulator.name)
    return module


def real(emulator: Mt5Emulator, init: Path) -> ModuleType:
    """The real package's own `__init__.py` (of an unpacked wheel) on the emulated `_core`. sys.modules is as before
    when it returns. OSError if there is no such file."""
    names = (NAME, f"{NAME}._core")
    with _LOADING:
        kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        spec = importlib.util.spec_from_file_location(NAME, init, submodule_search_locations=[])
        if spec is None or spec.loader is None:
            raise FileNotFoundError(init)
        module = importlib.util.module_from_spec(spec)
        sys.modules.update(zip(names, (module, core(emulator)), strict=True))
        try:
            spec.loader.exec_module(module)
        finally:
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(kept)
    return module
