"""The command line of scripts/simulate."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from simulation import campaign, exhaustive
from simulation.campaign import Played, Tally
from simulation.mutants import MUTANTS
from simulation.shrink import describe, shrink

from _simulate import page
from _simulate.page import Figures

REGRESSIONS = Path(exhaustive.__file__).with_name("regressions.txt")
SEEDS, FULL_SEEDS, HUNT = 1_000, 10_000, 300
TWICE = 50
"""So many seeds of a campaign are played a second time."""


def main(arguments: Sequence[str]) -> int:
    """0; 1 where an invariant did not hold, or a planted bug was not found."""
    options = _parse(arguments)
    figures = Figures()
    began = time.perf_counter()
    if options.seed is not None:
        return _one(options.seed, options.mutant, trace=options.trace)
    failed = False
    if options.exhaustive or options.full:
        failed |= _exhaustive(figures, options.workers)
    if options.mutants or options.full:
        failed |= _mutants(figures, options.workers, whole=options.full, names=[options.mutant] if options.mutant else [])
    if options.full or not (options.exhaustive or options.mutants):
        failed |= _seeds(figures, options.first_seed, options.seeds or (FULL_SEEDS if options.full else SEEDS), options.workers)
    if options.record:
        page.record(figures)
    print(f"wall time {time.perf_counter() - began:.0f} s", end="")
    if figures.tally is None:
        print()
    else:
        tally = figures.tally
        print(f", virtual time {tally.hours:,.1f} hours")
        print(f"{tally.seeds:,} seeds, {tally.crashes:,} crashes, {tally.sends:,} sends, {tally.fills:,} fills, "
              f"{tally.violations} violations")  # fmt: skip
    return int(failed)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        description="Run trader in a simulated world of faults, crashes and time, and judge each moment of it.",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help=f"so many seeds (default: {SEEDS:,}; --full: {FULL_SEEDS:,})")
    parser.add_argument("--first-seed", type=int, default=0, metavar="S", help="the first of them (default: 0)")
    parser.add_argument("--seed", type=int, metavar="S", help="this one only")
    parser.add_argument("--trace", action="store_true", help="with --seed: print everything that happened")
    parser.add_argument("--mutants", action="store_true", help=f"plant bugs, and look for each on up to {HUNT} seeds")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), metavar="NAME", help="this bug only, with --seed or --mutants")
    parser.add_argument("--exhaustive", action="store_true", help="every case of one order")
    parser.add_argument("--full", action="store_true", help="all of it, at the size that is recorded")
    parser.add_argument("--record", action="store_true", help=f"with --full: write the figures into {page.NAME}")
    parser.add_argument("--workers", type=int, default=campaign.WORKERS, help=f"processes (default: {campaign.WORKERS})")
    options = parser.parse_args(arguments)
    if options.trace and options.seed is None:
        parser.error("--trace needs --seed")
    if options.record and (not options.full or options.seeds is not None):
        parser.error("--record writes the figures of --full, without --seeds")
    if options.mutant and not options.mutants and options.seed is None:
        parser.error("--mutant needs --seed or --mutants")
    return options


# ---- one seed ------------------------------------------------------------------------------------------------------
def _one(seed: int, mutant: str | None, *, trace: bool) -> int:
    from simulation.mutants import planted
    from simulation.run import run

    with planted(mutant):
        history = run(seed, trace=trace)
    if trace:
        print("\n".join(history.trace))
    print(f"trace {history.digest}")
    for violation in history.violations:
        print(violation)
    print(f"seed {seed}: {history.crashes} crashes, {history.sends} sends, {history.fills} fills, "
          f"{len(history.violations)} violations")  # fmt: skip
    return int(bool(history.violations))


# ---- campaigns -----------------------------------------------------------------------------------------------------
def _seeds(figures: Figures, first: int, count: int, workers: int) -> bool:
    done = 0

    def each(played: Played) -> None:
        nonlocal done
        done += 1
        _progress(f"{done:,} of {count:,} seeds")
        if played.violations:
            print(f"seed {played.seed}: {played.violations[0]}", flush=True)

    figures.tally = tally = campaign.seeds(range(first, first + count), workers=workers, each=each, twice=TWICE)
    for played in tally.failed:
        _report(played)
    return bool(tally.failed)


def _report(played: Played) -> None:
    """How to see it again, the smallest run that shows it, and a line for the regressions."""
    print(f"\nseed {played.seed} at {page.commit()}: scripts/simulate --seed {played.seed} --trace")
    print("\n".join(f"  {violation}" for violation in played.violations))
    if not played.violations[0].startswith("I19"):
        smaller = shrink(played.seed)
        print(f"  the smallest run that shows it: {describe(smaller)}", flush=True)
    invariant, _, text = played.violations[0].partition(" ")
    _remember(played.seed, f"{invariant} {text.split(' ', 2)[-1]}")


def _remember(seed: int, what: str) -> None:
    known = REGRESSIONS.read_text(encoding="utf-8") if REGRESSIONS.exists() else ""
    if not any(line.split(maxsplit=1)[:1] == [str(seed)] for line in known.splitlines()):
        with REGRESSIONS.open("a", encoding="utf-8", newline="\n") as lines:
            lines.write(f"{seed} {what}\n")


def _mutants(figures: Figures, workers: int, *, whole: bool, names: list[str]) -> bool:
    def each(name: str, played: int, one: Played | None) -> None:
        if one is None:
            if not whole:
                print(f"{name:<24} not found in {played} seeds", flush=True)
        elif not whole:
            print(f"{name:<24} seed {one.seed}: {one.violations[0]}", flush=True)
        _progress(f"{name}: {played} of {HUNT} seeds")

    found = campaign.hunt(names or list(MUTANTS), HUNT, whole=whole, workers=workers, each=each)
    if whole:
        for name, (hits, played) in found.items():
            print(f"{name:<24} found by {hits} of {played} seeds", flush=True)
    figures.mutants = found
    missed = [name for name, (hits, _) in found.items() if not hits]
    print(f"{len(found) - len(missed)} of {len(found)} planted bugs were found" + (f"; not: {', '.join(missed)}" if missed else ""))
    return bool(missed)


def _exhaustive(figures: Figures, workers: int) -> bool:
    began = time.perf_counter()
    failed = campaign.cases(exhaustive.CASES, workers=workers, each=lambda done: _progress(f"{done} of {len(exhaustive.CASES)} cases"))
    for case, violations in failed.items():
        print(f"{case}: {violations[0]}", flush=True)
    figures.cases, figures.failed_cases = len(exhaustive.CASES), len(failed)
    print(f"{figures.cases} cases of one order, {len(failed)} with violations, {time.perf_counter() - began:.0f} s", flush=True)
    return bool(failed)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<40}", end="\r", file=sys.stderr, flush=True)
