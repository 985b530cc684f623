"""The bugs by name, and how one is planted and taken out again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """`what` says in one sentence what the bug does; `plant` enters it into a stack that takes it out again."""

    name: str
    what: str
    plant: Callable[[Plot], None]


MUTANTS: dict[str, Mutant] = {}


class Plot:
    """Where bugs are planted, and what stood there before."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, thing: Any) -> Any:
        """Put `thing` in its place; what stood there."""
        before = vars(owner)[name]
        _must_fit(before, thing, name)
        self._before.append((owner, name, before))
        setattr(owner, name, thing)
        return before

    def clear(self) -> None:
        """Everything as it was."""
        while self._before:
            setattr(*self._before.pop())


def _must_fit(before: Any, thing: Any, name: str) -> None:
    """A bug that cannot even be called as what it stands for would be found by that, and prove nothing."""
    if not (inspect.isfunction(before) and inspect.isfunction(thing)):
        return
    theirs, ours = inspect.signature(before).parameters, inspect.signature(thing).parameters
    if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in [*theirs.values(), *ours.values()]):
        return
    if [each.kind for each in theirs.values()] != [each.kind for each in ours.values()]:
        raise TypeError(f"{name}({', '.join(theirs)}) cannot be replaced by a function of ({', '.join(ours)})")


def mutant(name: str) -> Callable[[Callable[[Plot], None]], Callable[[Plot], None]]:
    """Enter a plant into MUTANTS; its docstring is the sentence."""

    def enter(plant: Callable[[Plot], None]) -> Callable[[Plot], None]:
        MUTANTS[name] = Mutant(name, " ".join((plant.__doc__ or "").split()), plant)
        return plant

    return enter


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """The program with this bug in it; None: as it is."""
    plot = Plot()
    try:
        if name is not None:
            MUTANTS[name].plant(plot)
        yield
    finally:
        plot.clear()
