"""What the judges may look at: the venue's truth, the journal's rows, and what the simulated world saw.

Not the program's own memory: a judge that asks the accused learns what the accused believes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from simulation.profile import Profile
    from trader.model import Alert
    from trader.simulation.faulty import FaultyVenue


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold, the virtual moment at which it was seen, and what was seen."""

    invariant: str
    moment: datetime
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.moment:%Y-%m-%d %H:%M:%S} {self.text}"


class Raised(Protocol):
    """An alert as the world heard it; `life` counts the starts of the process."""

    moment: datetime
    life: int
    alert: Alert


class Life(Protocol):
    """One process, from its start to its crash or stop (None: it still runs)."""

    began: datetime
    ended: datetime | None


class Watched(Protocol):
    """The simulated world, as far as judges see it.

    `database`: the journal's SQLite file; STOP lies beside it. `passes`: how often any process's gate let something
    leave. `caps`: symbol -> most units, long or short, that limits allow. `horizon`: seconds after which nothing turns
    up any more. `healed_at`: when all faults were switched off (None before it). `converged`: whether everything came
    to rest after it, `why_not` if it did not. `errors`: (life, where, what) of processes that ended by one.
    """

    @property
    def seed(self) -> int: ...
    @property
    def venue(self) -> FaultyVenue: ...
    @property
    def database(self) -> Path: ...
    @property
    def now(self) -> datetime: ...
    @property
    def passes(self) -> int: ...
    @property
    def alerts(self) -> Sequence[Raised]: ...
    @property
    def lives(self) -> Sequence[Life]: ...
    @property
    def caps(self) -> Mapping[str, Decimal]: ...
    @property
    def horizon(self) -> float: ...
    @property
    def healed_at(self) -> datetime | None: ...
    @property
    def profile(self) -> Profile: ...
    @property
    def converged(self) -> bool: ...
    @property
    def why_not(self) -> str: ...
    @property
    def errors(self) -> Sequence[tuple[int, str, str]]: ...
