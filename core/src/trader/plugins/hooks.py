"""Has a module the hook of its kind, and a `Settings`? pluggy compares it with `trader.hookspecs`.

pluggy accepts a misspelt hook until it is asked (`check_pending`), so it is asked.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trader.errors import PluginBroken
from trader.plugins.catalogue import Plugin, close
from trader.plugins.faults import place
from trader.plugins.kinds import KINDS

if TYPE_CHECKING:
    import pluggy
    from pydantic import BaseModel


def register(plugin: Plugin, module: ModuleType) -> pluggy.PluginManager:
    """A plugin manager that knows this one module. PluginBroken: a hook is misspelt or asks for too much."""
    import pluggy

    from trader import hookspecs

    manager = pluggy.PluginManager("trader")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, plugin.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise _bad_hook(plugin, module) or PluginBroken(str(error), where=plugin.label) from error
    return manager


def _specs() -> dict[str, tuple[str, ...]]:
    """Every hook and the names of its arguments."""
    from trader import hookspecs

    functions = inspect.getmembers(hookspecs, inspect.isfunction)
    return {name: tuple(inspect.signature(f).parameters) for name, f in functions if hasattr(f, "trader_spec")}


def _marked(module: ModuleType) -> dict[str, Any]:
    """The functions of the module that carry @hookimpl."""
    # a lazy object of somebody's library answers to any name, or raises: its code is not run
    marked = {name: inspect.getattr_static(value, "trader_impl", None) for name, value in vars(module).items()}
    return {name: value for name, value in vars(module).items() if marked[name] is not None}


def _bad_hook(plugin: Plugin, module: ModuleType) -> PluginBroken | None:
    """The error for a hook of unknown name or with an unknown argument, in the words of this file."""
    specs, hook = _specs(), KINDS[plugin.kind].hook
    for name, function in _marked(module).items():
        if name not in specs:
            near = close(name, [hook]) or close(name, specs)
            return PluginBroken(
                f"There is no hook {name!r} ({place(function)})." + (f" Did you mean {near!r}?" if near else ""),
                where=plugin.label,
                todo=f"Expected {hook}(settings, env).",
            )
        wrong = [argument for argument in inspect.signature(function).parameters if argument not in specs[name]]
        if wrong:
            return PluginBroken(
                f"{name}{inspect.signature(function)} asks for {wrong[0]!r}, which that hook does not give"
                f" ({place(function)}).",
                where=plugin.label,
                todo=f"Expected {name}({', '.join(specs[name])}).",
            )
    return None


def check_hooks(plugin: Plugin, module: ModuleType) -> None:
    """Exactly one hook, its own kind's, a plain function."""
    hook, marked = KINDS[plugin.kind].hook, _marked(module)
    if hook not in marked:
        unmarked = callable(getattr(module, hook, None))
        found = f"{hook} is there but lacks @hookimpl" if unmarked else f"was {', '.join(marked) or 'none'}"
        raise PluginBroken(
            f"Expected one @hookimpl function {hook}(settings, env) in {plugin.module}; {found}.", where=plugin.label
        )
    others = [name for name in marked if name != hook]
    if others:
        raise PluginBroken(
            f"Expected {hook} as the only hook of {plugin.module}; was also {', '.join(others)}.",
            where=plugin.label,
            todo="Give each entry point a module of its own; observers are methods of the object that it makes.",
        )
    function, options = marked[hook], marked[hook].trader_impl
    if options.get("wrapper") or options.get("hookwrapper") or inspect.iscoroutinefunction(function):
        raise PluginBroken(
            f"{hook} must be a plain function ({place(function)}); was a wrapper or a coroutine.",
            where=plugin.label,
            todo="Plugins are synchronous.",
        )


def settings_model(plugin: Plugin, module: ModuleType) -> type[BaseModel]:
    """The module's `Settings`, a pydantic model that refuses unknown keys. PluginBroken otherwise."""
    from pydantic import BaseModel

    model = getattr(module, "Settings", None)
    sample = 'class Settings(BaseModel, extra="forbid")'
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise PluginBroken(
            f"Expected a pydantic model {sample} in {plugin.module}; was {model!r}.",
            where=plugin.label,
            todo="A plugin without options has an empty one.",
        )
    if model.model_config.get("extra") != "forbid":
        was = model.model_config.get("extra") or "ignore"
        raise PluginBroken(
            f"Its Settings must refuse unknown keys: expected {sample}, was extra={was!r}.",
            where=plugin.label,
            todo="A misspelt key would go unnoticed.",
        )
    _refuse_core_keys(plugin, model)
    return model


def _refuse_core_keys(plugin: Plugin, model: type[BaseModel]) -> None:
    """An option that no table could set: the core takes the key for its own, and the default would stand for ever."""
    from trader.settings.document import PluginKeys

    names = [field.validation_alias or field.alias or name for name, field in model.model_fields.items()]
    taken = [name for name in names if isinstance(name, str) and name in PluginKeys.model_fields]
    if taken:
        raise PluginBroken(
            f"Its Settings have an option {taken[0]!r}, and that key of a plugin's table is trader's own.",
            where=plugin.label,
            todo=f"Give it another name; these are taken: {', '.join(PluginKeys.model_fields)}.",
        )
