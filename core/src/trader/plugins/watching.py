"""Observers: objects that want to know. They are isolated: one that raises is reported and counted, the rest run.

(pluggy would stop at the first that raises, and await nothing; so it only defines the hooks here.)
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trader.errors import PluginBroken
from trader.plugins.catalogue import close

if TYPE_CHECKING:
    from trader.plugins.loading import Provided

OnFault = Callable[["Provided", str, BaseException], None]


def observer_hooks() -> dict[str, tuple[str, ...]]:
    """Every observer in `trader.hookspecs` and the names of its arguments."""
    from trader import hookspecs

    functions = inspect.getmembers(hookspecs, inspect.isfunction)
    return {name: tuple(inspect.signature(f).parameters) for name, f in functions if name.startswith("on_")}


def observers_of(made: Any, where: str) -> dict[str, Callable[..., None]]:
    """The observer methods of an object, checked.

    Raises:
        PluginBroken: one asks for an argument that its hook does not give, is a coroutine, or is misspelt.
    """
    hooks = observer_hooks()
    found: dict[str, Callable[..., None]] = {}
    for name in dir(type(made)):
        if not name.startswith("on_") or name == "on_bars":  # on_bars is a protocol's: NeedsBars
            continue
        method = getattr(made, name)
        if name in hooks:
            _check(name, method, hooks[name], where)
            found[name] = method
        elif callable(method) and (near := _slip(name, hooks)):
            raise PluginBroken(
                f"Its object has a method {name!r}, and there is no such observer. Did you mean {near!r}?",
                where=where,
                todo=f"Observers are: {', '.join(hooks)}. Rename the method if it is none.",
            )
    return found


def _slip(name: str, hooks: Mapping[str, Any]) -> str | None:
    """The hook that a name was meant to be. A client library's own `on_message` is none of them."""
    near = close(name, hooks)
    if near is None:
        return None
    from difflib import SequenceMatcher

    return near if SequenceMatcher(None, name, near).ratio() > 0.85 else None


def _check(name: str, method: Any, gives: tuple[str, ...], where: str) -> None:
    expected = f"{name}({', '.join(gives)}), or fewer of these"
    if not callable(method) or inspect.iscoroutinefunction(method):
        was = "a coroutine" if callable(method) else repr(method)
        raise PluginBroken(f"{name} must be a plain method, was {was}.", where=where, todo=f"Expected {expected}.")
    for argument, parameter in inspect.signature(method).parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise PluginBroken(
                f"{name}{inspect.signature(method)} takes {argument!r} by its place; observers are given names.",
                where=where,
                todo=f"Expected {expected}.",
            )
        if parameter.kind is parameter.VAR_KEYWORD or argument in gives:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL or parameter.default is not parameter.empty:
            continue
        raise PluginBroken(
            f"{name}{inspect.signature(method)} asks for {argument!r}, which that observer is not given.",
            where=where,
            todo=f"Expected {expected}.",
        )


def _wants(method: Callable[..., None], gives: tuple[str, ...]) -> frozenset[str]:
    parameters = inspect.signature(method).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return frozenset(gives)
    return frozenset(gives) & frozenset(parameters)


class Observers:
    """Tells every provided object that wants to know; each in its turn, none disturbed by another.

    `on_fault(provided, hook, exception)` is called for each that raised: log it there. `faults` counts them by
    (instance, hook).
    """

    def __init__(self, provided: Iterable[Provided], on_fault: OnFault) -> None:
        hooks = observer_hooks()
        objects = tuple(provided)
        self._on_fault = on_fault
        self._methods = {
            hook: tuple(
                (one, one.observers[hook], _wants(one.observers[hook], gives))
                for one in objects
                if hook in one.observers
            )
            for hook, gives in hooks.items()
        }
        self.faults: Counter[tuple[str, str]] = Counter()

    def wanted(self, hook: str) -> bool:
        """Somebody listens: else its arguments need not be made."""
        return bool(self._methods[hook])

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call every observer of a hook, in the order in which the objects were given. KeyError for an unknown hook."""
        for provided, method, wants in self._methods[hook]:
            try:
                method(**{name: value for name, value in arguments.items() if name in wants})
            except BaseException as error:  # noqa: BLE001 - SystemExit too: a plugin does not end a session
                self.faults[provided.instance, hook] += 1
                self._on_fault(provided, hook, error)
