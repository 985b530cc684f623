"""What goes wrong in one run, and how often: drawn from the seed, so that each seed has faults of its own.

Not everything everywhere: a run in which all faults are on at full rate does little else than fail, and hides what
only shows in a run that fails seldom. Each kind of fault is on in some seeds and off in the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from trader.simulation.faults import Faults

from .lane import Line

BUSY = 0.5
"""How long a history with somebody at the keyboard is, as a share of one without."""


@dataclass(frozen=True)
class Person:
    """What people and other programs do, in mean times per hour of virtual time."""

    trades: float = 0.0
    """On the account, beside the session."""
    cancels: float = 0.0
    """Of orders that work there, by hand at the venue."""
    splits: float = 0.0
    dividends: float = 0.0
    corrections: float = 0.0
    renames: float = 0.0
    maintenance: float = 0.0
    kills: float = 0.0
    """By command, or by writing STOP; armed again after a while."""
    pauses: float = 0.0
    """Of the book or its strategy; released after a while."""
    orders: float = 0.0
    """`trader cancel` and `trader close`."""
    questions: float = 0.0
    """`trader reconcile`."""
    stops: float = 0.0
    """`trader stop`; somebody starts it again."""
    commands: float = 0.0
    """Any command that there is, at any moment, right and wrong ones (`keyboard.Keyboard`)."""
    holds: float = 0.0
    """Chance that a process is started with --hold; released after a while."""
    transfers: float = 0.0
    """Money paid in or taken out."""
    delistings: float = 0.0
    """A symbol that neither broker nor data source names to processes that start after it, or that both name
    otherwise."""
    silences: float = 0.0
    """Minutes in which the venue does not answer for cash events."""


@dataclass(frozen=True)
class Profile:
    """One run. Times are virtual seconds, rates mean times per hour, chances in [0, 1]."""

    seed: int = 0
    seconds: float = 900.0
    """How long faults are on."""
    start_minute: int = 0
    """Minutes after 14:00 UTC at which the run begins: near midnight orders of the day expire."""
    symbols: int = 2
    cash: int = 100_000
    shorting: bool = False
    style: Literal["market", "limit"] = "market"
    offset: float = 0.0
    time_in_force: str = "day"
    change: float = 0.4
    leave: float = 0.05
    volume: float = 400.0
    fees: bool = True
    cap: int | None = None
    """Units of a symbol that the limit allows; None: no such limit."""
    # ---- the venue ----
    ids: Literal["forever", "open_only", "none"] = "forever"
    expiry: float | None = None
    bounded: bool = True
    """Whether it declares that nothing arrives after the horizon."""
    horizon: float = 30.0
    """Declared: how late an order may still turn up."""
    faults: Faults = field(default_factory=Faults)
    streams: bool = False
    concurrency: int = 1
    external: Literal["adopt", "ignore", "halt"] = "adopt"
    # ---- the way there ----
    line: Line = field(default_factory=Line)
    timeout: float = 10.0
    bars_down: float = 0.0
    """Chance that a question for bars is not answered."""
    # ---- the process ----
    crashes: float = 0.0
    """Mean crashes in the whole run."""
    script: tuple[tuple[str, int], ...] = ()
    """Instead of those: die at this door, the so many-eth time in a life (from 1); in a later life at the next one."""
    freezes: float = 0.0
    """Mean pauses in the whole run."""
    longest_freeze: float = 40.0
    window: bool = False
    """Whether it may freeze between the gate and the venue, where nothing can be checked any more."""
    # ---- the store ----
    locks: float = 0.0
    """Windows of 2 to 30 s in which the database cannot be written."""
    lost_commits: float = 0.0
    """Chance that a commit is done and its answer lost."""
    # ---- settings ----
    poll: float = 2.0
    """Seconds from one look of the session for what others ask to the next."""
    reconcile: float = 30.0
    heartbeat: float = 20.0
    stop_orders: Literal["leave", "cancel"] = "leave"
    stop_positions: Literal["keep", "close"] = "keep"
    person: Person = field(default_factory=Person)

    @classmethod
    def of(cls, seed: int) -> Profile:
        """The profile of a seed."""
        return drawn(seed)


def drawn(seed: int, *, keyboard: bool = True) -> Profile:
    """Which faults are on, and how often they come. Without `keyboard`: as it was before there was one."""
    dice = Random(f"{seed} profile")

    def sometimes(chance: float, low: float, high: float) -> float:
        """A rate from `low` to `high`, in `chance` of all seeds; else 0. Drawn in any case."""
        on, rate = dice.random() < chance, dice.uniform(low, high)
        return rate if on else 0.0

    expiry = dice.choice([None, None, 5.0, 20.0])
    bounded = dice.random() < 0.6
    late_seconds = dice.choice([2.0, 10.0, 40.0] if bounded else [10.0, 40.0, 120.0])
    faults = Faults(
        submit_late=sometimes(0.5, 0.02, 0.2),
        submit_lost=sometimes(0.4, 0.01, 0.15),
        submit_lost_reply=sometimes(0.4, 0.01, 0.15),
        submit_rate_limited=sometimes(0.2, 0.01, 0.08),
        submit_failed_accepted=sometimes(0.2, 0.01, 0.08),
        submit_failed_dropped=sometimes(0.2, 0.01, 0.08),
        submit_raises=sometimes(0.2, 0.01, 0.08),
        submit_garbage=sometimes(0.15, 0.01, 0.08),
        submit_rejected=sometimes(0.2, 0.01, 0.08),
        cancel_late=sometimes(0.25, 0.02, 0.2),
        cancel_lost=sometimes(0.25, 0.02, 0.2),
        cancel_lost_reply=sometimes(0.25, 0.02, 0.2),
        cancel_failed_accepted=sometimes(0.15, 0.02, 0.15),
        cancel_raises=sometimes(0.15, 0.02, 0.15),
        query_lost=sometimes(0.3, 0.01, 0.1),
        query_failed=sometimes(0.3, 0.01, 0.1),
        query_raises=sometimes(0.2, 0.01, 0.06),
        query_garbage=sometimes(0.2, 0.01, 0.06),
        stream_dropped=sometimes(0.5, 0.02, 0.2),
        stream_duplicated=sometimes(0.5, 0.02, 0.2),
        stream_reordered=sometimes(0.5, 0.02, 0.2),
        stream_cut=sometimes(0.3, 0.01, 0.05),
        stream_muted=sometimes(0.3, 0.01, 0.05),
        late_seconds=late_seconds,
        order_lag=sometimes(0.4, 0.5, 6.0),
        fill_lag=sometimes(0.4, 0.5, 8.0),
        position_lag=sometimes(0.3, 0.5, 6.0),
        account_lag=sometimes(0.3, 0.5, 6.0),
        cash_lag=sometimes(0.3, 0.5, 6.0),
        stream_lag=sometimes(0.5, 0.1, 2.0),
    )
    latest = min(faults.latest, expiry) if expiry is not None else faults.latest
    honest = latest + faults.lag + dice.uniform(2.0, 15.0)
    style: Literal["market", "limit"] = "limit" if dice.random() < 0.35 else "market"
    shorting = dice.random() < 0.3
    by_hand = Person(
        trades=sometimes(0.2, 2.0, 8.0),
        cancels=sometimes(0.2, 2.0, 10.0),
        splits=sometimes(0.06, 1.0, 2.0),
        dividends=sometimes(0.2, 1.0, 5.0),
        corrections=sometimes(0.08, 1.0, 3.0),
        renames=sometimes(0.1, 1.0, 4.0),
        maintenance=sometimes(0.15, 1.0, 3.0),
        kills=sometimes(0.3, 2.0, 10.0),
        pauses=sometimes(0.2, 1.0, 4.0),
        orders=sometimes(0.4, 5.0, 40.0),
        questions=sometimes(0.2, 2.0, 8.0),
        stops=sometimes(0.25, 1.0, 4.0),
    )
    moved_by_others = by_hand.trades or by_hand.splits
    timeout = dice.choice([5.0, 10.0, 20.0])
    profile = Profile(
        seed=seed,
        seconds=dice.choice([600.0, 900.0, 1_200.0, 1_500.0]),
        start_minute=dice.choice([0, 0, 0, 0, 575]),
        symbols=dice.choice([2, 4, 6]),
        shorting=shorting,
        style=style,
        offset=dice.choice([-0.003, -0.0005, 0.001, 0.004]) if style == "limit" else 0.0,
        time_in_force=dice.choice(["day", "day", "gtc", "ioc"]),
        change=dice.uniform(0.3, 0.9),
        leave=sometimes(0.5, 0.02, 0.15),
        volume=dice.choice([120.0, 600.0, 3_000.0, 3_000.0]),
        fees=dice.random() < 0.7,
        cap=None if moved_by_others or dice.random() < 0.4 else dice.choice([150, 400, 900]),
        ids=dice.choice(["forever", "forever", "open_only", "none"]),
        expiry=expiry,
        bounded=bounded,
        # A venue that promises nothing may be later than it says.
        horizon=honest if bounded or dice.random() < 0.3 else max(5.0, honest / 4),
        faults=faults,
        streams=dice.random() < 0.3,
        concurrency=dice.choice([1, 1, 2]),
        external=dice.choice(["adopt", "adopt", "ignore", "halt"]),
        line=Line(
            travel=dice.choice([0.02, 0.1, 0.4]),
            lost=sometimes(0.3, 0.005, 0.04),
            slow=sometimes(0.25, 0.005, 0.03),
            late=sometimes(0.3, 0.005, 0.04),
            stuck=sometimes(0.25, 0.002, 0.02),
            slack=dice.choice([5.0, 25.0]),
        ),
        timeout=timeout,
        bars_down=sometimes(0.25, 0.02, 0.1),
        crashes=sometimes(0.85, 1.0, 8.0),
        freezes=sometimes(0.35, 1.0, 6.0),
        longest_freeze=dice.choice([3.0, 15.0, 60.0]),
        locks=sometimes(0.2, 1.0, 6.0),
        lost_commits=sometimes(0.15, 0.002, 0.02),
        poll=dice.choice([1.0, 3.0, 3.0, 5.0]),
        reconcile=dice.choice([15.0, 30.0, 60.0]),
        heartbeat=dice.choice([15.0, 30.0]),
        person=by_hand,
    )
    return _at_the_keyboard(profile) if keyboard else profile


def _at_the_keyboard(profile: Profile) -> Profile:
    """What people do besides, in every second seed; drawn for itself, so that the rest of a seed stays what it was."""
    dice = Random(f"{profile.seed} keyboard")

    def sometimes(chance: float, low: float, high: float) -> float:
        on, rate = dice.random() < chance, dice.uniform(low, high)
        return rate if on else 0.0

    if dice.random() < 0.5:
        return profile
    person = replace(
        profile.person,
        commands=sometimes(0.75, 20.0, 240.0),
        holds=sometimes(0.3, 0.2, 0.7),
        transfers=sometimes(0.4, 6.0, 40.0),
        delistings=sometimes(0.25, 4.0, 12.0),
        silences=sometimes(0.2, 2.0, 10.0),
    )
    faults = replace(
        profile.faults,
        cancel_rate_limited=sometimes(0.2, 0.02, 0.2),
        cancel_failed_dropped=sometimes(0.15, 0.02, 0.15),
        cancel_garbage=sometimes(0.15, 0.02, 0.15),
    )
    orders, positions = dice.choice(["leave", "leave", "cancel"]), dice.choice(["keep", "keep", "keep", "close"])
    slow = sometimes(0.5, 0.05, 0.4)  # where requests may be late: a venue's horizon holds for these too
    faults = replace(faults, cancel_slow=slow if faults.latest else 0.0)
    seconds = profile.seconds * BUSY  # much happens in them, and a thousand histories are to take minutes
    return replace(profile, seconds=seconds, person=person, faults=faults, stop_orders=orders, stop_positions=positions)
