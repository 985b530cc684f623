"""What all judges share: the evidence, where they stopped reading it, and what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rows import News, Rows
from .watched import Violation, Watched

if TYPE_CHECKING:
    from trader.simulation.faulty import Request
    from trader.simulation.floor import VenueOrder

ENOUGH = 20
"""Violations kept of one run: the first ones tell, the rest follow from them."""


class Case:
    """One run under judgement. `requests` and `accepted` are what came to the venue since the last look."""

    def __init__(self, watched: Watched) -> None:
        self.watched, self.rows = watched, Rows(watched.database)
        self.violations: list[Violation] = []
        self._told: set[tuple[str, str]] = set()
        self._requests = self._accepted = 0
        self.requests: list[Request] = []
        self.accepted: list[VenueOrder] = []
        self.news = News()
        self.changed = False
        """Whether the journal has something new in this look."""

    def look(self) -> bool:
        """Gather what is new; whether anything is."""
        venue = self.watched.venue
        accepted = venue.accepted
        self.requests, self.accepted = venue.requests[self._requests :], list(accepted[self._accepted :])
        self._requests, self._accepted = len(venue.requests), len(accepted)
        news = self.rows.news()
        self.changed = news is not None
        self.news = news or News()
        return self.changed or bool(self.requests or self.accepted)

    def object(self, invariant: str, text: str) -> None:
        """It did not hold. The same is said once."""
        if (invariant, text) not in self._told and len(self.violations) < ENOUGH:
            self._told.add((invariant, text))
            self.violations.append(Violation(invariant, self.watched.now, text))


class Judge:
    """One invariant, or a few that need the same evidence. `each` runs after every event that left a trace, `end` when
    everything came to rest."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def each(self) -> None:
        """Look at what is new."""

    def end(self) -> None:
        """Look at the whole."""
