"""The smallest run that still shows what a seed showed: faults are taken out one by one, then time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from .profile import Profile, drawn

PARTS = ("faults", "line", "person")
"""The parts of a profile that are tables of faults themselves."""
OWN = ("bars_down", "crashes", "freezes", "locks", "lost_commits", "streams", "window")
"""Faults of the profile itself."""
BOUNDS = ("late_seconds", "stream_seconds", "retry_after", "travel", "slack")
"""How much, not whether: they stay."""


@dataclass(frozen=True, slots=True)
class Smaller:
    """What is left: the invariant that still breaks, what was taken out, what is still on, and for how long."""

    seed: int
    violation: str
    without: tuple[str, ...]
    left: tuple[str, ...]
    seconds: float

    @property
    def command(self) -> str:
        """What shows it."""
        without = f" --without {','.join(self.without)}" if self.without else ""
        return f"scripts/simulate --seed {self.seed}{without} --seconds {self.seconds:g} --trace"


def classes(profile: Profile) -> list[str]:
    """The faults that are on in a profile: "crashes", "faults.submit_lost", "person.kills" ..."""
    found = [name for name in OWN if getattr(profile, name)]
    for part in PARTS:
        table = getattr(profile, part)
        names = (one.name for one in fields(table))
        found += [f"{part}.{name}" for name in names if name not in BOUNDS and getattr(table, name)]
    return found


def without(profile: Profile, names: Collection[str]) -> Profile:
    """The same profile with these faults off. KeyError for a name that there is not."""
    own: dict[str, Any] = {}
    for name in names:
        part, _, field = name.rpartition(".")
        if name in OWN:
            own[name] = type(getattr(profile, name))()
        elif part in PARTS and hasattr(getattr(profile, part), field):
            own[part] = replace(own.get(part, getattr(profile, part)), **{field: 0.0})
        else:
            raise KeyError(f"there is no fault {name!r}")
    return replace(profile, **own)


def shrink(seed: int, breaks: Callable[[Profile], str | None], *, profile: Profile | None = None) -> Smaller | None:
    """`breaks(profile)` plays one and says what breaks, if anything. None if the seed breaks nothing now."""
    present = profile or drawn(seed)
    text = breaks(present)
    if text is None:
        return None
    invariant = text.split()[0]

    def still(candidate: Profile) -> bool:
        nonlocal text
        again = breaks(candidate)
        if again is None or again.split()[0] != invariant:
            return False
        text = again
        return True

    gone: list[str] = []
    # Whole kinds first: most of them have nothing to do with it.
    for group in [*_groups(classes(present)), *([name] for name in classes(present))]:
        left = [name for name in group if name not in gone]
        if left and still(smaller := without(present, left)):
            present = smaller
            gone += left
    for share in (0.25, 0.5, 0.75):
        if still(shorter := replace(present, seconds=round(present.seconds * share))):
            present = shorter
            break
    return Smaller(seed, text, tuple(gone), tuple(classes(present)), present.seconds)


def _groups(names: Sequence[str]) -> list[list[str]]:
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(name.partition("_")[0] if name.startswith("faults.") else name.partition(".")[0], []).append(
            name
        )
    return sorted((group for group in kinds.values() if len(group) > 1), key=len, reverse=True)
