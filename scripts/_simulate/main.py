"""The command line of scripts/simulate."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from _record import commit
from simulation import campaign, exhaustive
from simulation.campaign import Played
from simulation.mutants import MUTANTS, planted
from simulation.profile import Profile, drawn
from simulation.shrink import shrink, without

from _simulate import page
from _simulate.page import Figures

REGRESSIONS = Path(exhaustive.__file__).with_name("regressions.txt")
SEEDS, FULL_SEEDS, HUNT = 1_000, 10_000, 300
TWICE = 50
"""So many seeds of a campaign are played a second time."""


def main(arguments: Sequence[str]) -> int:
    """0; 1 where an invariant did not hold, or a planted bug was not found; 2 for a wrong command line."""
    options = _parse(arguments)
    if options.seed is not None:
        return _one(options)
    figures, failed, began = Figures(), False, time.perf_counter()
    if options.exhaustive or options.full:
        failed |= _exhaustive(figures, options.workers)
    if options.mutants or options.full:
        failed |= _mutants(figures, options)
    if options.full or not (options.exhaustive or options.mutants):
        count = options.seeds or (FULL_SEEDS if options.full else SEEDS)
        failed |= _seeds(figures, options.first_seed, count, options.workers)
    if options.record:
        page.record(figures)
    hours = "" if figures.tally is None else f", virtual time {figures.tally.hours:,.1f} hours"
    print(f"wall time {time.perf_counter() - began:,.0f} s{hours}")
    if figures.tally is not None:
        tally = figures.tally
        print(
            f"{tally.seeds:,} seeds, {tally.crashes:,} crashes, {tally.sends:,} sends, {tally.fills:,} fills, "
            f"{tally.violations} violations"
        )
    return int(failed)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        description="Run trader in a simulated world of faults, crashes and time, and judge each moment of it.",
    )
    add = parser.add_argument
    add("--seeds", type=int, metavar="N", help=f"so many seeds (default: {SEEDS:,}; with --full {FULL_SEEDS:,})")
    add("--first-seed", type=int, default=0, metavar="S", help="the first of them (default: 0)")
    add("--seed", type=int, metavar="S", help="this one only")
    add("--trace", action="store_true", help="with --seed: print everything that happened")
    add("--without", default="", metavar="FAULTS", help="with --seed: leave these out (faults.submit_lost,crashes,...)")
    add("--seconds", type=float, metavar="T", help="with --seed: so long, in virtual seconds")
    add("--mutants", action="store_true", help=f"plant bugs, and look for each on up to {HUNT} seeds")
    add("--mutant", choices=sorted(MUTANTS), metavar="NAME", help="with --seed or --mutants: this bug only")
    add("--exhaustive", action="store_true", help="every case of one order")
    add("--full", action="store_true", help="all of it, at the size that is recorded")
    what = f"--full, --exhaustive, --mutants or --seeds {FULL_SEEDS}"
    add("--record", action="store_true", help=f"with {what}: write the figures into {page.NAME}")
    add("--workers", type=int, default=campaign.WORKERS, metavar="N", help=f"processes (default: {campaign.WORKERS})")
    options = parser.parse_args(arguments)
    if options.seed is None and (options.trace or options.without or options.seconds):
        parser.error("--trace, --without and --seconds need --seed")
    small = options.mutant or options.first_seed or (options.seeds or FULL_SEEDS) < FULL_SEEDS
    parts = options.full or options.exhaustive or options.mutants or options.seeds
    if options.record and (small or not parts or options.seed is not None):
        parser.error(f"--record writes what is whole: {what}, from seed 0")
    if options.mutant and not options.mutants and options.seed is None:
        parser.error("--mutant needs --seed or --mutants")
    return options


# ---- one seed ------------------------------------------------------------------------------------------------------
def _one(options: argparse.Namespace) -> int:
    from simulation.run import run

    seed, profile = options.seed, drawn(options.seed)
    try:
        profile = without(profile, [name for name in options.without.split(",") if name])
    except KeyError as problem:
        print(f"simulate: {problem.args[0]}", file=sys.stderr)
        return 2
    if options.seconds:
        profile = replace(profile, seconds=options.seconds)
    with planted(options.mutant):
        history = run(seed, profile=profile, trace=options.trace)
    if options.trace:
        print("\n".join(history.told()))
    print(f"trace {history.digest}")
    for violation in history.violations:
        print(violation)
    print(
        f"seed {seed}: {history.crashes} crashes, {history.sends} sends, {history.fills} fills, "
        f"{len(history.violations)} violations"
    )
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

    figures.tally = campaign.seeds(range(first, first + count), workers=workers, each=each, twice=min(TWICE, count))
    for played in figures.tally.failed:
        _report(played)
    return bool(figures.tally.failed)


def _report(played: Played) -> None:
    """How to see it again, the smallest run that shows it, and a line for the regressions."""
    print(f"\nseed {played.seed}, commit {commit(page.PAGE)}: scripts/simulate --seed {played.seed} --trace")
    print("\n".join(f"  {violation}" for violation in played.violations))
    _remember(played.seed, _what(played.violations[0]))

    def breaks(profile: Profile) -> str | None:
        return next(iter(campaign.play(played.seed, profile=profile).violations), None)

    smaller = shrink(played.seed, breaks)
    if smaller is None:
        print("  played alone it breaks nothing: it does not happen the same twice", flush=True)
        return
    print(f"  smallest: {smaller.command}\n    {smaller.violation}")
    print(f"    faults left: {', '.join(smaller.left) or 'none'}", flush=True)


def _what(violation: str) -> str:
    """The invariant and what was seen, without the moment."""
    return re.sub(r"^(I\d+) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", r"\1 ", violation)


def _remember(seed: int, what: str) -> None:
    known = REGRESSIONS.read_text(encoding="utf-8") if REGRESSIONS.exists() else ""
    if not any(line.split(maxsplit=1)[:1] == [str(seed)] for line in known.splitlines()):
        with REGRESSIONS.open("a", encoding="utf-8", newline="\n") as lines:
            lines.write(f"{seed} {' '.join(what.split())}\n")


def _mutants(figures: Figures, options: argparse.Namespace) -> bool:
    whole = options.full or options.record
    names = [options.mutant] if options.mutant else list(MUTANTS)
    told: set[str] = set()

    def each(name: str, played: int, one: Played | None) -> None:
        _progress(f"{name}: {played} of {HUNT} seeds")
        if one is not None and not whole and name not in told:
            told.add(name)
            print(f"{name:<24} seed {one.seed}: {one.violations[0]}", flush=True)

    found = campaign.hunt(names, HUNT, whole=whole, first=options.first_seed, workers=options.workers, each=each)
    for name, (hits, played) in found.items():
        if whole or not hits:
            print(f"{name:<24} found by {hits} of {played} seeds", flush=True)
    figures.mutants = found
    missed = [name for name, (hits, _) in found.items() if not hits]
    print(f"{len(found) - len(missed)} of {len(found)} planted bugs were found", flush=True)
    return bool(missed)


def _exhaustive(figures: Figures, workers: int) -> bool:
    began, count = time.perf_counter(), len(exhaustive.CASES)
    failed = campaign.cases(exhaustive.CASES, workers=workers, each=lambda done: _progress(f"{done} of {count} cases"))
    for case, violations in failed.items():
        print(f"{case}: {violations[0]}", flush=True)
    figures.cases, figures.failed_cases = count, len(failed)
    seconds = time.perf_counter() - began
    print(f"{count} cases of one order, {len(failed)} with violations, {seconds:.0f} s", flush=True)
    return bool(failed)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<40}", end="\r", file=sys.stderr, flush=True)
