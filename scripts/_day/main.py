"""The command line of scripts/day."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emulated_day.day import KILLS, SECONDS, Hung, Told, whole
from emulated_day.place import VENUES

DAY = 86_400


def main(arguments: Sequence[str], folder: Path) -> int:
    """0; 1 where something did not hold or hung; 2 for a wrong command line."""
    options = _parse(arguments)
    worst = 0
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="day-", dir=folder))
    for name in options.names or VENUES:
        venue = VENUES[name]
        bars = options.bars or DAY // SECONDS[venue.timeframe]
        try:
            told = whole(place / name, venue, bars=bars, kills=KILLS[: options.kills], seed=options.seed, weather=True)
        except Hung as problem:
            print(f"day: {name}: {problem}", file=sys.stderr)
            worst = 1
            continue
        worst |= _print(told, as_json=options.json)
    if worst:
        print(f"day: what was left is in {place}", file=sys.stderr)
    else:
        shutil.rmtree(place, ignore_errors=True)
    return worst


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/day",
        description="Play a day of each broker at its emulator, kill the session, and compare journal and venue.",
    )
    parser.add_argument("names", nargs="*", metavar="NAMES", help=f"some of {', '.join(VENUES)}; all if none is named")
    parser.add_argument("--bars", type=int, metavar="N", help="so many bars (default: those of 24 hours)")
    parser.add_argument(
        "--kills", type=int, metavar="N", default=len(KILLS), choices=range(len(KILLS) + 1),
        help=f"kill it so many times (default: {len(KILLS)})",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of the market (default: 1)")
    parser.add_argument("--json", action="store_true", help="an object a line on stdout")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in VENUES]
    if unknown:
        parser.error(f"there is no venue {', '.join(unknown)}; there are {', '.join(VENUES)}")
    return options


def _print(told: Told, *, as_json: bool) -> int:
    """Its line, and what does not hold; 1 if anything does not."""
    figures = told.figures
    if as_json:
        print(
            json.dumps(
                {
                    "venue": told.name, "bars": told.bars, "cycles": told.decided, "orders": figures.orders,
                    "fills": figures.fills, "open": figures.open, "kills": told.kills, "mishaps": told.mishaps,
                    "states": figures.states, "cash_off": str(figures.cash_off), "seconds": round(told.seconds, 1),
                    "faults": figures.faults,
                }
            ),
            flush=True,
        )  # fmt: skip
    else:
        print(told.line(), flush=True)
    for fault in figures.faults:
        print(f"  {fault}", file=sys.stderr)
    return int(bool(figures.faults))
