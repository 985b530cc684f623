"""Many crashes in a row on one store, and the figures of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crash_harness.check import Figures
from crash_harness.postgres import Postgres
from crash_harness.trial import PATIENCE, Hung, Trial
from crash_harness.warm import Nursery

POINTS = (
    "journal>commit", "commit>send", "gate>broker", "broker>journal", "fills>commit", "fill>tell", "query>apply",
    "cancel>send", "cancel>journal", "connect>reconcile", "start>ready",
)  # fmt: skip
"""Every named point of the program."""
AT_START = frozenset({"query>apply", "connect>reconcile", "start>ready"})
"""Points that are passed once in a start: their first pass must do."""
REPLIES = ("submit", "cancel", "fills", "order", "positions", "open")
"""Calls between whose arrival and whose answer the trader is killed too."""
LONGEST = 0.6
"""Seconds after which a trader that dies at random is dead at latest: a start and some cycles."""


def silent(_: str) -> None:
    """Nobody watches."""


@dataclass
class Told:
    """What a campaign did: how often it crashed, where, and what held after. `missed`: points nobody came to."""

    name: str
    noun: str = "kills"
    crashes: int = 0
    where: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)

    def line(self) -> str:
        """One line for a person."""
        return f"{self.name}: {self.crashes} {self.noun}, {self.figures.line()}"


def kills(
    trial: Trial, name: str, count: int, points: Sequence[str] = POINTS, told: Callable[[str], None] = silent
) -> Told:
    """Kill the trader `count` times: at these points in turn, in replies, and at random moments; then compare. It is
    let live after every third time, or the breaker of crash loops would halt it."""
    rng, done = trial.rng, Told(name)
    for number in range(count):
        way = number % 3
        if points and (way == 0 or number < len(points)):
            point = points[number % len(points)]
            at = 1 if point in AT_START else rng.randint(1, 3)
            if trial.kill_at(point, at):
                done.where[point] += 1
            else:
                done.missed.append(point)
        elif way < 2:
            method = rng.choice(REPLIES)
            trial.kill_in_reply(method)
            done.where[f"reply of {method}"] += 1
        else:
            trial.kill_after(rng.uniform(0.0, LONGEST))
            done.where["a random moment"] += 1
        if number % 3 == 2:
            trial.let_live(rng.randint(2, 5))
        told(f"{name}: {number + 1} of {count}")
    done.crashes = trial.kills
    done.figures = trial.settle()
    return done


def stops(trial: Trial, server: Postgres, count: int, told: Callable[[str], None] = silent) -> Told:
    """Crash the database server `count` times under a running trader, which is started again if it gives up."""
    rng, done = trial.rng, Told("PostgreSQL crashes", "immediate stops")
    trader = trial.start()
    for number in range(count):
        before = trial.line.ask("counts").get("submit", 0)
        if not trial.line.ask("seen", "submit", before + rng.randint(2, 12), PATIENCE, timeout=PATIENCE + 5):
            raise Hung(f"it does not trade any more:\n{trader.said()}")
        server.crash()
        trader.wait(rng.uniform(0.0, 0.3))
        server.start()
        done.crashes += 1
        survived = trader.wait(rng.uniform(0.0, 0.5)) is None
        done.where["survived" if survived else "started again"] += 1
        if not survived:
            trader = trial.start()
        told(f"PostgreSQL crashes: {number + 1} of {count}")
    done.figures = trial.settle()
    return done


def on_sqlite(
    folder: Path,
    nursery: Nursery,
    count: int,
    *,
    seed: int = 1,
    points: Sequence[str] = POINTS,
    told: Callable[[str], None] = silent,
) -> Told:
    """`kills` on a store of its own in the folder."""
    with Trial(folder, nursery, seed=seed) as trial:
        return kills(trial, "kill -9 on SQLite", count, points, told)


def on_postgresql(
    folder: Path, nursery: Nursery, server: Postgres, count: int, *, seed: int = 2, told: Callable[[str], None] = silent
) -> Told:
    """`kills` on a database of its own on the server."""
    with Trial(folder, nursery, seed=seed, url=server.database(f"kills{seed}")) as trial:
        return kills(trial, "kill -9 on PostgreSQL", count, told=told)


def of_postgresql(
    folder: Path, nursery: Nursery, server: Postgres, count: int, *, seed: int = 3, told: Callable[[str], None] = silent
) -> Told:
    """`stops` of the server, on a database of its own."""
    with Trial(folder, nursery, seed=seed, url=server.database(f"stops{seed}")) as trial:
        return stops(trial, server, count, told=told)
