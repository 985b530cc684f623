"""The command line of scripts/crash."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from crash_harness import campaign
from crash_harness.campaign import Told
from crash_harness.postgres import Postgres
from crash_harness.trial import Hung
from crash_harness.warm import Nursery

NAMES = ("sqlite", "postgresql", "stops")
COUNTS = {"sqlite": 60, "postgresql": 60, "stops": 12}


def main(arguments: Sequence[str], folder: Path) -> int:
    """0; 1 where something did not hold, was lost, doubled or hung; 2 for a wrong command line."""
    options = _parse(arguments)
    worst = 0
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="crash-", dir=folder))
    began = time.perf_counter()
    try:
        for told in run(options.names or NAMES, options.kills, options.seed, place):
            worst |= _print(told, as_json=options.json)
    except Hung as problem:
        print(f"crash: {problem}", file=sys.stderr)
        worst = 1
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    if worst:
        print(f"crash: what was left is in {place}", file=sys.stderr)
    else:
        shutil.rmtree(place, ignore_errors=True)
    return worst


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/crash",
        description="Kill a trading session again and again, and PostgreSQL under it; nothing may be lost or doubled.",
    )
    parser.add_argument("names", nargs="*", metavar="NAMES", help=f"some of {', '.join(NAMES)}; all if none is named")
    parser.add_argument("--kills", type=int, metavar="N", help="so many crashes each (default: 60, 60 and 12)")
    parser.add_argument("--seed", type=int, default=1, help="of the market and of the moments (default: 1)")
    parser.add_argument("--json", action="store_true", help="an object a line on stdout")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no campaign {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return options


def run(names: Sequence[str], kills: int | None, seed: int, place: Path) -> Iterator[Told]:
    """The campaigns of these names, as they end."""
    counts = {name: kills or COUNTS[name] for name in NAMES}
    with Nursery() as nursery:
        if "sqlite" in names:
            yield campaign.on_sqlite(place / "sqlite", nursery, counts["sqlite"], seed=seed, told=_progress)
        if "postgresql" in names or "stops" in names:
            with Postgres() as server:
                if "postgresql" in names:
                    yield campaign.on_postgresql(
                        place / "postgresql", nursery, server, counts["postgresql"], seed=seed + 1, told=_progress
                    )
                if "stops" in names:
                    yield campaign.of_postgresql(
                        place / "stops", nursery, server, counts["stops"], seed=seed + 2, told=_progress
                    )


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}", end="\r", file=sys.stderr, flush=True)


def _print(told: Told, *, as_json: bool) -> int:
    """Its line, and what does not hold; 1 if anything does not."""
    faults = [*told.figures.faults, *(f"nobody came to {point}" for point in told.missed)]
    if as_json:
        figures = told.figures
        print(
            json.dumps(
                {
                    "campaign": told.name, "crashes": told.crashes, "where": dict(told.where),
                    "orders": figures.orders, "fills": figures.fills, "orphans": figures.orphans,
                    "duplicates": figures.duplicates, "lost_fills": figures.lost,
                    "positions_equal": figures.positions_equal, "faults": faults,
                }
            ),
            flush=True,
        )  # fmt: skip
    else:
        print(told.line(), flush=True)
    for fault in faults:
        print(f"  {fault}", file=sys.stderr)
    return int(bool(faults))
