"""When a process dies, and when it is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import SimWorld

DOORS_AN_HOUR = 25_000.0
"""About so much weight of doors a session passes in an hour: what the mean number of crashes is spread over."""


class Fate:
    """When a process dies and when it freezes. Only while `on`."""

    def __init__(self, world: SimWorld) -> None:
        self._world, profile = world, world.profile
        self._dice = world.dice("fate")
        self.on = True
        hours = profile.seconds / 3_600
        self._life = DOORS_AN_HOUR * hours / profile.crashes if profile.crashes else 0.0
        self._calm = DOORS_AN_HOUR * hours / profile.freezes if profile.freezes else 0.0
        self._until_freeze = self._dice.expovariate(1 / self._calm) if self._calm else float("inf")
        self._script = list(profile.script)
        self.born()

    def born(self) -> None:
        """A process starts: how much it will live."""
        self._count = 0
        self._until_crash = self._dice.expovariate(1 / self._life) if self._life else float("inf")
        # Some die young: in the middle of taking up what the one before left.
        if self._dice.random() < 0.3:
            self._until_crash /= 50

    def hurry(self, weight: float) -> None:
        """Where it dies at all, it dies within so much."""
        if self._life:
            self._until_crash = min(self._until_crash, weight)

    def dies(self, door: str, weight: float) -> bool:
        self._world.history.doors[door] += 1
        if not self.on:
            return False
        if self._script:
            name, number = self._script[0]
            self._count += door == name
            if self._count < number or door != name:
                return False
            self._script.pop(0)
        else:
            self._until_crash -= weight
            if self._until_crash > 0:
                return False
        self._world.history.deaths[door] += 1
        return True

    def freezes(self, weight: float) -> float:
        """For how many seconds; 0: it does not."""
        if not self.on:
            return 0.0
        self._until_freeze -= weight
        if self._until_freeze > 0:
            return 0.0
        self._until_freeze = self._dice.expovariate(1 / self._calm)
        return self._dice.uniform(0.1, self._world.profile.longest_freeze)
