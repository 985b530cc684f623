"""The run that a newcomer sees: five symbols, thirteen years of daily bars, everything on the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from shutil import copyfile
from statistics import median

from _bench.journal import raw
from _bench.programs import ROOT, run, trader
from _bench.result import Conditions, Result

NAME = "run"
COMMITS = 500


def measure(conditions: Conditions) -> Iterator[Result]:
    """Cycles a second of the whole program, its start left out; beside the commits a second of the same disk."""
    options = ["--cycles", "5"] if conditions.quick else []
    ours, theirs, cycles = [], [], 0
    for turn in range(1 if conditions.quick else 3):
        folder = conditions.folder / f"run-{turn}"
        folder.mkdir()
        copyfile(ROOT / "settings.toml", folder / "settings.toml")
        run([trader(), "run", "--json", *options], folder)
        summary = json.loads((folder / "output.txt").read_text(encoding="utf-8").splitlines()[-1])
        cycles = summary["cycles"]
        ours.append(cycles / summary["seconds"])
        rows = [[(number, "x" * 200)] for number in range(COMMITS)]
        theirs.append(COMMITS / raw(folder / "raw.db", ["CREATE TABLE intent (number, text)"], rows))
    what = f"settings.toml of the clone, {cycles:,} cycles"
    yield Result(NAME, what, median(ours), "cycles/s", "SQLite, commits of one row", median(theirs))
