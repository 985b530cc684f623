"""Does an object have what its kind must have? Every method and attribute by name, signature and type."""

from __future__ import annotations

import inspect
from typing import Any

from trader.errors import BadAnswer
from trader.plugins.catalogue import Plugin
from trader.plugins.kinds import KINDS


def check_object(made: Any, plugin: Plugin, where: str) -> None:
    """The object satisfies a protocol of its kind. BadAnswer names what is missing or wrong."""
    kind = KINDS[plugin.kind]
    complaints = {name: complaints_of(made, name) for name in kind.protocols}
    if any(not found for found in complaints.values()):
        return
    name, found = min(complaints.items(), key=lambda item: len(item[1]))
    raise BadAnswer(
        f"{kind.hook} returned {_describe(made)}, which is no {' and no '.join(kind.protocols)}:\n" + "\n".join(found),
        where=where,
        todo=f"Expected what trader.protocols.{name} says.",
    )


def optional_protocols(made: Any, plugin: Plugin, where: str) -> frozenset[str]:
    """Names of all protocols of its kind that the object satisfies.

    Half an optional protocol (`save` without `load`), or one with a wrong signature, is a BadAnswer: silently left
    out, it would lose what its author relies on.
    """
    kind = KINDS[plugin.kind]
    has = {name for name in kind.protocols if not complaints_of(made, name)}
    for name in kind.optional:
        there = [member for member in members(name) if hasattr(made, member)]
        if not there:
            continue
        found = complaints_of(made, name)
        if found:
            raise BadAnswer(
                f"{_describe(made)} has {', '.join(there)} of trader.protocols.{name}, but not as it must be:\n"
                + "\n".join(found),
                where=where,
            )
        has.add(name)
    return frozenset(has)


def members(protocol: str) -> dict[str, Any]:
    """Public members of a protocol: a method's function, or None for an attribute."""
    cls = _protocol(protocol)
    attributes = dict.fromkeys(inspect.get_annotations(cls))
    methods = {name: value for name, value in vars(cls).items() if inspect.isfunction(value)}
    return {name: value for name, value in {**attributes, **methods}.items() if not name.startswith("_")}


def complaints_of(made: Any, protocol: str) -> list[str]:
    """What keeps an object from satisfying a protocol, a line each; empty if it does."""
    found: list[str] = []
    for name, function in members(protocol).items():
        if not hasattr(made, name):
            found.append(f"  {name}({_arguments(function)}) is missing" if function else f"  {name} is missing")
        elif function is None:
            found += _attribute(made, protocol, name)
        else:
            found += _method(getattr(made, name), name, function)
    return found


def _attribute(made: Any, protocol: str, name: str) -> list[str]:
    from typing import get_type_hints

    from pydantic import TypeAdapter, ValidationError

    hint = get_type_hints(_protocol(protocol))[name]
    value = getattr(made, name)
    try:
        TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError:
        written = inspect.get_annotations(_protocol(protocol))[name]
        return [f"  {name}: expected {written}, was {value!r}"]
    return []


def _method(method: Any, name: str, function: Any) -> list[str]:
    expected = _arguments(function)
    if not callable(method):
        return [f"  {name}: expected a method {name}({expected}), was {method!r}"]
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        return [f"  {name} is a coroutine; plugins are synchronous: write def {name}({expected})"]
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # made in C: nothing to compare
        return []
    try:
        signature.bind(*[None] * (len(inspect.signature(function).parameters) - 1))
    except TypeError:
        return [f"  {name}: expected {name}({expected}), was {name}{signature}"]
    return []


def _arguments(function: Any) -> str:
    return ", ".join(list(inspect.signature(function).parameters)[1:])


def _protocol(name: str) -> Any:
    from trader import protocols

    return getattr(protocols, name)


def _describe(made: Any) -> str:
    return f"a {type(made).__name__}" if made is not None else "None"
