"""One order, every case: where the process dies, what becomes of the request, what the venue does with keys, and where
the next process dies while it takes up what the first one left. Counted out, not drawn.

Same sessions, world and judges as in a seeded run; only the fates are written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any, Literal

import numpy as np
from trader.model import Signals
from trader.simulation.faults import Dice, Fault, Faults

from .history import History
from .lane import Line
from .profile import Profile
from .run import run
from .venue import SimOpinions

FIRST: dict[str, int] = {
    "": 0,
    "journal>commit": 1,
    "commit>send": 1,
    "gate>broker": 1,
    "broker>journal": 1,
    "fills>commit": 2,
    "fill>tell": 2,
}
"""Where the first process dies, and at which time that it comes there: the first booking is the opening balance, the
first bar has no fills yet. "": it lives on."""
SECOND: dict[str, int] = {
    "": 0,
    "start>ready": 1,
    "connect>reconcile": 1,
    "query>apply": 1,
    "fills>commit": 1,
    "commit>send": 1,
    "broker>journal": 1,
}
"""The same of the second process (of the first, where that was not to die)."""
OUTCOMES: dict[str, Fault | None] = {
    "accepted": None,
    "rejected": Fault.REJECTED,
    "never arrives": Fault.LOST,
    "arrives, no answer": Fault.LOST_REPLY,
    "arrives late": Fault.LATE,
    "arrives, 5xx": Fault.FAILED_ACCEPTED,
}
POLICIES = ("forever", "open_only", "none")
LATE = 8.0
"""Seconds until a late request arrives, and 1.5 more until it is seen: inside of the horizon that is declared."""
HORIZON = 12.0
SEED = 1
"""What is still drawn is the order of tasks, and the pause before a restart."""


@dataclass(frozen=True, slots=True)
class Case:
    """One of them."""

    first: str
    outcome: str
    ids: Literal["forever", "open_only", "none"]
    second: str

    def __str__(self) -> str:
        first, second = self.first or "no crash", self.second or "no crash"
        return f"{first}, {self.outcome}, keys {self.ids}, then {second}"


CASES = [Case(*each) for each in product(FIRST, OUTCOMES, POLICIES, SECOND)]  # type: ignore[arg-type]


def profile(case: Case) -> Profile:
    """A calm world, but for the case."""
    deaths = [(case.first, FIRST[case.first]), (case.second, SECOND[case.second])]
    fault = OUTCOMES[case.outcome]
    faults = Faults(
        submit_lost=1.0 if fault is not None else 0.0, late_seconds=LATE, order_lag=0.5, fill_lag=1.0,
    )  # fmt: skip
    return Profile(
        seed=SEED,
        script=tuple((door, number) for door, number in deaths if door),
        ids=case.ids,
        faults=faults,
        horizon=HORIZON,
        seconds=95.0,
        symbols=1,
        change=0.0,
        leave=0.0,
        volume=100_000.0,
        line=Line(travel=0.1),
        timeout=5.0,
        reconcile=8.0,
        heartbeat=40.0,
    )


@contextmanager
def written(fault: Fault | None) -> Iterator[None]:
    """What is drawn elsewhere is written here: the first submit has this fate, every later one arrives and is answered;
    each delay is the longest; the strategy wants to hold the symbol, always."""
    left = [fault]

    def drawn(_self: Dice, odds: Any) -> Fault | None:
        return left.pop() if odds and left else None

    def longest(_self: Dice, seconds: float) -> timedelta:
        return timedelta(seconds=seconds)

    def long(_self: SimOpinions, history: Any) -> Signals:
        return Signals(np.ones(len(history.symbols)))

    with ExitStack() as stack:
        for owner, name, thing in ((Dice, "fault", drawn), (Dice, "delay", longest), (SimOpinions, "score", long)):
            stack.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, thing)
        yield


def play(case: Case) -> History:
    """Play one case."""
    with written(OUTCOMES[case.outcome]):
        return run(SEED, profile=profile(case))


def judge(case: Case) -> list[str]:
    """What did not hold in it; a case whose crash did not come proves nothing, and says so."""
    history = play(case)
    found = [str(violation) for violation in history.violations]
    if case.first and not history.deaths[case.first]:
        found.append(f"nobody died at {case.first}")
    return found
