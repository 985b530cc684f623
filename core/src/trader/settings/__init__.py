"""settings.toml, settings.local.toml, .env, the environment and --set, folded into frozen, validated settings.

    path = find(explicit, environ)     which file
    raw(path)                          folded and checked for shape; cheap, no pydantic
    load(path)                         validated `Settings`

Every fault of the settings is a `SettingsError` that says where, what was expected, what it was and what to write;
all faults that can be seen at once are told at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trader.settings.layers import KINDS, Raw, find, raw

if TYPE_CHECKING:
    from trader.settings.document import PluginTable, Settings
    from trader.settings.explain import validate
    from trader.settings.resolve import load
    from trader.settings.schema import (
        Application,
        BookSettings,
        Connect,
        Coverage,
        Exits,
        Heartbeat,
        Models,
        Observability,
        Portfolio,
        Reconcile,
        Schedule,
        Shutdown,
        Stage,
        Trading,
    )
    from trader.settings.start import init_files

__all__ = [
    "KINDS",
    "Application",
    "BookSettings",
    "Connect",
    "Coverage",
    "Exits",
    "Heartbeat",
    "Models",
    "Observability",
    "PluginTable",
    "Portfolio",
    "Raw",
    "Reconcile",
    "Schedule",
    "Settings",
    "Shutdown",
    "Stage",
    "Trading",
    "find",
    "init_files",
    "load",
    "raw",
    "validate",
]

_HOME = {
    "Settings": "document",
    "PluginTable": "document",
    "validate": "explain",
    "load": "resolve",
    "init_files": "start",
}


def __getattr__(name: str) -> Any:
    # pydantic costs 0.1 s: who only wants `raw` does not pay for it
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"trader.settings.{_HOME.get(name, 'schema')}"), name)
    globals()[name] = value
    return value
