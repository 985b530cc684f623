"""What the plugins of a book keep over cycles and restarts, and how often in a row they failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trader.cycle.decision import Decision, Fault
from trader.errors import BadAnswer, PluginError, escaped, words
from trader.protocols import HasState

STRIKES = 3
CORE = "trader.core"
"""What the engine itself keeps among the plugins' states; no instance can have a dot in its name."""


class Keeper:
    """`stateful`: (instance, plugin) pairs whose state survives restarts; `book` names the book in errors."""

    def __init__(self, stateful: Sequence[tuple[str, HasState]], book: str) -> None:
        self._stateful, self._book = list(stateful), book
        self._saved: dict[str, bytes] = {}
        self._states: dict[str, bytes] = {}
        """What each plugin kept after the last cycle: what a call that raises is rolled back to."""
        self._strikes: dict[str, int] = {}

    def take_up(self, stored: Mapping[str, bytes]) -> dict[str, Any]:
        """Hand each plugin what was stored of it; what the engine itself stored. PluginError if one cannot go on from
        there."""
        self._saved = dict(stored)
        self._states = {instance: self._begin(instance, plugin) for instance, plugin in self._stateful}
        core: dict[str, Any] = json.loads(self._saved.get(CORE, b"{}"))
        return core

    def _begin(self, instance: str, plugin: HasState) -> bytes:
        stored = self._saved.get(instance)
        try:
            if stored is not None:
                plugin.load(stored)
            return stored if stored is not None else _bytes(plugin.save())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the plugin cannot go on
            exc = escaped(error)
            raise PluginError(
                f"It cannot take up the state that it kept: {words(exc)}",
                where=f"book '{self._book}', {instance}",
            ) from exc

    def keep(self, decision: Decision) -> None:
        """Take what plugins want to survive; one that failed is rolled back to what it kept before."""
        if not self._stateful:
            return
        failed = {fault.instance for fault in decision.faults}
        for instance, plugin in self._stateful:
            method = "load" if instance in failed else "save"
            try:
                if instance in failed:
                    plugin.load(self._states[instance])
                else:
                    self._states[instance] = _bytes(plugin.save())
            except BaseException as error:  # noqa: BLE001 - a fault like any other
                outcome = "its state is kept as it was before"
                decision.faults.append(Fault(instance, method, escaped(error), outcome))

    def unsaved(self, core: Mapping[str, Any]) -> dict[str, bytes]:
        """What is to be stored with this cycle: the states that changed. `core`: the engine's own."""
        states = {CORE: json.dumps(core).encode(), **self._states}
        return {name: state for name, state in states.items() if self._saved.get(name) != state}

    def saved(self, states: Mapping[str, bytes]) -> None:
        """These are stored."""
        self._saved.update(states)

    def struck(self, decision: Decision) -> list[str]:
        """Count the cycles in a row that a plugin failed in; those that failed in so many that the book must not trust
        them."""
        failed = {fault.instance for fault in decision.faults}
        self._strikes = {name: self._strikes.get(name, 0) + 1 for name in failed}
        return [name for name, count in self._strikes.items() if count >= STRIKES]

    def forgive(self) -> None:
        """Failures count anew."""
        self._strikes.clear()


def _bytes(state: object) -> bytes:
    if not isinstance(state, bytes):
        raise BadAnswer(f"Expected the state to keep as bytes, was {type(state).__name__}.")
    return state
