"""Plugins: find, select, load, check. The only room that knows pluggy and stevedore (besides `trader.hookspecs`).

    kinds      the eight kinds and their words
    metadata   distributions, read quickly
    manifest   plugin.toml, read without importing the plugin
    catalogue  what is installed, from metadata alone
    selection  which of it the settings name
    lock       plugins.lock: what was approved, down to the hash of its files
    loading    import a plugin, let it make its object; with hooks and shape, which check module and object
    watching   tell every object that wants to know, one faulty object not disturbing the next
    faults     what a plugin did wrong, in words

Everything down to `lock` needs the standard library only, so that a listing is quick and runs no plugin code.
"""

from typing import TYPE_CHECKING, Any

from trader.plugins.catalogue import Catalogue, Plugin, Status, catalogue, close, status
from trader.plugins.kinds import API_VERSION, KINDS, Kind, kind_of
from trader.plugins.manifest import Permissions
from trader.plugins.selection import enabled_names, enabled_plugins, plugin_of, select

if TYPE_CHECKING:
    from trader.plugins.faults import describe_fault
    from trader.plugins.loading import Loaded, Provided, load, options_of, provide
    from trader.plugins.watching import Observers

__all__ = [
    "API_VERSION",
    "KINDS",
    "Catalogue",
    "Kind",
    "Loaded",
    "Observers",
    "Permissions",
    "Plugin",
    "Provided",
    "Status",
    "catalogue",
    "close",
    "describe_fault",
    "enabled_names",
    "enabled_plugins",
    "kind_of",
    "load",
    "options_of",
    "plugin_of",
    "provide",
    "select",
    "status",
]

_LATE = {
    "Loaded": "loading",
    "Observers": "watching",
    "Provided": "loading",
    "describe_fault": "faults",
    "load": "loading",
    "options_of": "loading",
    "provide": "loading",
}


def __getattr__(name: str) -> Any:
    # what loads plugins needs pluggy, stevedore and pydantic: who only lists does not pay for them
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
