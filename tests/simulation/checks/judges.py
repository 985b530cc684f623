"""The judges of the deterministic simulation: one for each invariant, outside the code that they check.

    checks = Checks(world)      # a `Watched`
    checks.each()               # after every simulated event
    checks.end()                # when the faults are off and everything came to rest
    checks.violations

What they read is the venue's truth, the journal's rows and what the world saw (`watched.Watched`).
"""

from __future__ import annotations

from .alarms import Alarmed
from .books import Agrees, BookedOnce, Money
from .case import Case, Judge
from .limits import Capped, Halted, Swept
from .orders import Conserved, Journalled, Legal, OneDecision, OneOrder
from .promises import Adopted, Cancelled, Commands, Flows, Paused
from .rest import Rebuilt, Replayed, Resolved
from .watched import Violation, Watched

__all__ = ["Checks", "Violation", "Watched"]


class Checks:
    """All judges of one run."""

    def __init__(self, watched: Watched) -> None:
        self._case = case = Case(watched)
        legal, halted = Legal(case), Halted(case)
        self._halted, self._swept = halted, Swept(case, halted)
        self._judges: list[Judge] = [
            OneOrder(case), Journalled(case), legal, OneDecision(case, legal), Conserved(case), BookedOnce(case),
            Agrees(case), Money(case), halted, self._swept, Capped(case), Resolved(case), Replayed(case),
            Alarmed(case), Rebuilt(case), Cancelled(case), Commands(case), Paused(case), Adopted(case), Flows(case),
        ]  # fmt: skip

    @property
    def violations(self) -> list[Violation]:
        return self._case.violations

    def each(self) -> list[Violation]:
        """After every event; costs next to nothing where nothing was sent, accepted or committed."""
        if self._case.look():
            for judge in self._judges:
                judge.each()
        else:
            self._halted.peek()
        self._swept.peek()
        return self._case.violations

    def end(self) -> list[Violation]:
        """The faults are off and everything came to rest."""
        self.each()
        for judge in self._judges:
            judge.end()
        return self._case.violations

    def close(self) -> None:
        """Let go of the database."""
        self._case.rows.close()
