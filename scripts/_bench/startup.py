"""How long the command line takes to answer, how much memory it needs, and how soon the first decision is made."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from statistics import median

from _bench.programs import ROOT, in_turns, run, trader
from _bench.result import Conditions, Result, Target

NAME = "startup"
BASE = "import click"
LIMITS = {"plugins list": {"llm plugins": 0.35, "datasette plugins": 0.45}, "--help": {BASE: 2.5}}


def measure(conditions: Conditions) -> Iterator[Result]:
    """Time and peak memory as ratios, then the first decision."""
    commands: dict[str, list[Path | str]] = {
        BASE: [sys.executable, "-c", "import click"],
        "--help": [trader(), "--help"],
        "plugins list": [trader(), "plugins", "list", "--settings", ROOT / "settings.toml"],
    }
    for program in ("llm", "datasette"):
        if (path := conditions.peer("plugins", program)) is not None:
            commands[f"{program} plugins"] = [path, "plugins"]
    took = in_turns(commands, conditions.folder, 1 if conditions.quick else 11)
    judged = not conditions.quick
    for ours, limits in LIMITS.items():
        for other in [BASE, *(name for name in ("llm plugins", "datasette plugins") if name in limits)]:
            limit = limits.get(other)
            target = None if limit is None else Target(limit, "ratio")
            mine, theirs = took[ours], took.get(other)
            reference = theirs.seconds * 1000 if theirs else None
            against = other if theirs else f"{other} (not installed)"
            yield Result(NAME, f"trader {ours}", mine.seconds * 1000, "ms", against, reference, target, judged)
            if mine.peak is not None and theirs is not None:
                yield Result(NAME, f"trader {ours}, peak memory", mine.peak, "MB", other, theirs.peak)
    first, whole = _first_decision(conditions)
    base = took[BASE].seconds
    yield Result(NAME, "trader run, to its first decision", first, "s", BASE, base, Target(1.2), judged)
    yield Result(NAME, "trader run --once, whole", whole, "s", BASE, base)


def _first_decision(conditions: Conditions) -> tuple[float, float]:
    """Medians: from the start of the process to the first `cycle` in its log, and to its end. Each in a new folder."""
    seconds = []
    for turn in range(2 if conditions.quick else 8):
        folder = conditions.folder / f"first-{turn}"
        folder.mkdir()
        copyfile(ROOT / "settings.toml", folder / "settings.toml")
        took = run([trader(), "run", "--once"], folder)
        if turn:
            seconds.append((logged(folder / "var" / "logs" / "trader.jsonl") - took.start, took.seconds))
    return median(first for first, _ in seconds), median(whole for _, whole in seconds)


def logged(log: Path) -> float:
    """When the first cycle was journalled: it is logged after that."""
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "cycle":
            return datetime.fromisoformat(event["timestamp"]).timestamp()
    raise AssertionError("the run did not log a cycle")
