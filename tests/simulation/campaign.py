"""Many runs over several processes, and what came of them.

A worker is a program of its own (`python -c`, see COMMAND): it reads jobs from its input, one JSON a line, and writes
what came of each run, one JSON a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exhaustive import Case
    from .profile import Profile

TESTS = Path(__file__).resolve().parent.parent
WORKERS = min(2, os.cpu_count() or 1)
COMMAND = [sys.executable, "-c", "from simulation.campaign import work; work()"]


@dataclass(slots=True)
class Played:
    """One run. `hours` are virtual; `starts` counts the processes; `violations` are lines of text."""

    seed: int
    digest: str
    crashes: int
    starts: int
    sends: int
    fills: int
    hours: float
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """The sum of many runs; `failed` are those with violations."""

    seeds: int = 0
    crashes: int = 0
    starts: int = 0
    sends: int = 0
    fills: int = 0
    hours: float = 0.0
    violations: int = 0
    failed: list[Played] = field(default_factory=list)
    digests: dict[int, str] = field(default_factory=dict)

    def add(self, played: Played) -> None:
        self.seeds += 1
        self.crashes += played.crashes
        self.starts += played.starts
        self.sends += played.sends
        self.fills += played.fills
        self.hours += played.hours
        self.violations += len(played.violations)
        self.digests[played.seed] = played.digest
        if played.violations:
            self.failed.append(played)


def play(seed: int, mutant: str | None = None, profile: Profile | None = None) -> Played:
    """One seed, in this process. `profile`: instead of the seed's own."""
    from .mutants import planted
    from .run import run

    with planted(mutant):
        history = run(seed, profile=profile)
    return Played(
        seed, history.digest, history.crashes, history.starts, history.sends, history.fills, history.hours,
        [str(each) for each in history.violations],
    )  # fmt: skip


# ---- workers -------------------------------------------------------------------------------------------------------
def work() -> None:
    """A worker's life: jobs in, results out, until the input ends."""
    from .exhaustive import Case, judge

    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the program prints is no result
    for line in sys.stdin:
        job = json.loads(line)
        if "case" in job:
            answer: dict[str, Any] = {"violations": judge(Case(*job["case"]))}
        else:
            answer = asdict(_survived(job["seed"], job.get("mutant")))
        out.write(json.dumps(answer) + "\n")
        out.flush()


def _survived(seed: int, mutant: str | None) -> Played:
    """One seed, also where the run itself breaks: a planted bug may do that, and so may a real one."""
    try:
        return play(seed, mutant)
    except Exception as error:  # noqa: BLE001 - it is what was found
        return Played(seed, "", 0, 0, 0, 0, 0.0, [f"I8 the run ended by {type(error).__name__}: {error}"])


def spread(
    jobs: Iterator[dict[str, Any]], told: Callable[[dict[str, Any], dict[str, Any]], None], workers: int = WORKERS
) -> None:
    """Give the jobs to workers, each the next one when it is done; `told(job, answer)` in this thread, in any order.

    RuntimeError if a worker dies. `jobs` may look at what was told: a job is drawn when a worker is free for it.
    """
    done: SimpleQueue[tuple[subprocess.Popen[str], dict[str, Any] | None]] = SimpleQueue()
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    crew = [
        subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": path},
        )
        for _ in range(workers)
    ]
    at_work: dict[int, dict[str, Any]] = {}
    try:
        for worker in crew:
            threading.Thread(target=_listen, args=(worker, done), daemon=True).start()
            _give(worker, jobs, at_work)
        while at_work:
            worker, answer = done.get()
            if worker.pid not in at_work:
                continue
            job = at_work.pop(worker.pid)
            if answer is None:
                raise RuntimeError(f"the worker ended with code {worker.wait()} at {job}")
            told(job, answer)
            _give(worker, jobs, at_work)
    finally:
        for worker in crew:
            if at_work:
                worker.kill()
            assert worker.stdin is not None
            worker.stdin.close()
            worker.wait()


def _listen(worker: subprocess.Popen[str], done: SimpleQueue[Any]) -> None:
    assert worker.stdout is not None
    with worker.stdout as lines:
        for line in lines:
            done.put((worker, json.loads(line)))
    done.put((worker, None))


def _give(worker: subprocess.Popen[str], jobs: Iterator[dict[str, Any]], at_work: dict[int, dict[str, Any]]) -> None:
    job = next(jobs, None)
    if job is not None:
        at_work[worker.pid] = job
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(job) + "\n")
        worker.stdin.flush()


# ---- campaigns -----------------------------------------------------------------------------------------------------
def seeds(
    which: Sequence[int], *, workers: int = WORKERS, each: Callable[[Played], None] | None = None, twice: int = 0
) -> Tally:
    """Play these seeds. `twice`: so many of them are played a second time, and must leave the same trace (I19)."""
    tally = Tally()
    step = max(1, len(which) // twice) if twice else 0
    again = list(which)[::step][:twice] if step else []

    def told(job: dict[str, Any], answer: dict[str, Any]) -> None:
        played = Played(**answer)
        if job.get("again"):
            if tally.digests.get(played.seed, played.digest) != played.digest:
                played.violations = [f"I19 seed {played.seed} was played twice and did not happen twice"]
                tally.violations += 1
                tally.failed.append(played)
            return
        tally.add(played)
        if each is not None:
            each(played)

    def jobs() -> Iterator[dict[str, Any]]:
        for seed in which:
            yield {"seed": seed}
        for seed in again:
            yield {"seed": seed, "again": True}

    spread(jobs(), told, workers)
    return tally


def hunt(
    names: Sequence[str],
    limit: int,
    *,
    whole: bool = False,
    first: int = 0,
    workers: int = WORKERS,
    each: Callable[[str, int, Played | None], None] | None = None,
) -> dict[str, tuple[int, int]]:
    """Play each mutant until it is found, on `limit` seeds at most; mutant -> (seeds that found it, seeds played).
    `whole`: on all of them, for a count."""
    found = dict.fromkeys(names, 0)
    played = dict.fromkeys(names, 0)

    def told(job: dict[str, Any], answer: dict[str, Any]) -> None:
        name, one = job["mutant"], Played(**answer)
        played[name] += 1
        if one.violations:
            found[name] += 1
        if each is not None and (one.violations or played[name] == limit):
            each(name, played[name], one if one.violations else None)

    def jobs() -> Iterator[dict[str, Any]]:
        for name in names:
            for seed in range(first, first + limit):
                if found[name] and not whole:
                    break
                yield {"seed": seed, "mutant": name}

    spread(jobs(), told, workers)
    return {name: (found[name], played[name]) for name in names}


def cases(
    which: Sequence[Case], *, workers: int = WORKERS, each: Callable[[int], None] | None = None
) -> dict[Case, list[str]]:
    """Play these cases of one order; those that did not hold, with what did not."""
    from .exhaustive import Case

    failed: dict[Case, list[str]] = {}
    done = 0

    def told(job: dict[str, Any], answer: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        if answer["violations"]:
            failed[Case(*job["case"])] = answer["violations"]
        if each is not None:
            each(done)

    spread(iter([{"case": [case.first, case.outcome, case.ids, case.second]} for case in which]), told, workers)
    return failed
