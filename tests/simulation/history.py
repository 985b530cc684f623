"""What happened in one run: for judges, for counts, and for whoever looks for the reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from .profile import Profile

if TYPE_CHECKING:
    from trader.model import Alert
    from trader.simulation.faulty import FaultyVenue

    from .checks.judges import Violation


@dataclass(slots=True)
class Life:
    """One process, from its start to its end (None: it still runs); `how`: "crash", "stop", or the error's name."""

    number: int
    began: datetime
    ended: datetime | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert, when it was raised and by which process."""

    moment: datetime
    life: int
    alert: Alert


@dataclass(frozen=True, slots=True)
class Pass:
    """What a gate let something leave; `client_id` is empty until the venue's client has it."""

    moment: datetime
    life: int
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Trip:
    """The kill switch, as the store has it; `lifted` is None while it stands."""

    tripped: datetime
    lifted: datetime | None
    reason: str


@dataclass(slots=True)
class History:
    """One run, while it goes on and after it. It is what the judges watch (`checks.Watched`)."""

    seed: int
    profile: Profile
    venue: FaultyVenue
    database: Path
    now: datetime
    began: datetime
    caps: Mapping[str, Decimal] = field(default_factory=dict)
    horizon: float = 0.0
    """Seconds after which nothing turns up any more, in truth."""
    healed_at: datetime | None = None
    trace: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    """The program's own log lines, where they were asked for."""
    lives: list[Life] = field(default_factory=list)
    alerts: list[Raised] = field(default_factory=list)
    gate_passes: list[Pass] = field(default_factory=list)
    trips: list[Trip] = field(default_factory=list)
    errors: list[tuple[int, str, str]] = field(default_factory=list)
    """(life, where, what) of errors that ended a process other than a crash, or that a callback raised."""
    answers: list[tuple[str, str, str]] = field(default_factory=list)
    """(kind, state, answer) of every command."""
    doors: Counter[str] = field(default_factory=Counter)
    """How often each door was passed."""
    deaths: Counter[str] = field(default_factory=Counter)
    """At which doors processes died."""
    converged: bool = False
    why_not: str = ""
    violations: list[Violation] = field(default_factory=list)

    @property
    def passes(self) -> int:
        """How often any process's gate let something leave."""
        return len(self.gate_passes)

    @property
    def digest(self) -> str:
        """sha256 of the trace: the same seed has the same."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

    @property
    def crashes(self) -> int:
        return sum(life.how == "crash" for life in self.lives)

    @property
    def starts(self) -> int:
        return len(self.lives)

    @property
    def restarts(self) -> int:
        return max(0, len(self.lives) - 1)

    @property
    def sends(self) -> int:
        """Submits that reached the client's door."""
        return len(self.venue.requests)

    @property
    def fills(self) -> int:
        return len(self.venue.truth_fills())

    @property
    def seconds(self) -> float:
        """Virtual."""
        return (self.now - self.began).total_seconds()

    @property
    def hours(self) -> float:
        return self.seconds / 3_600

    def told(self) -> Sequence[str]:
        """The trace, the log between its lines where there is one."""
        return self.log or self.trace
