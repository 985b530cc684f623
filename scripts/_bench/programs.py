"""Starting programs and measuring them from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
SPAWN = Path(__file__).with_name("spawn.py")


class Failed(Exception):
    """A program that should be measured did not run."""


@dataclass(frozen=True, slots=True)
class Took:
    """One run of a program. `start`: seconds since 1970; `peak`: MB, None where the system does not tell."""

    start: float
    seconds: float
    peak: float | None


def trader() -> Path:
    """The program `trader` of this environment."""
    return Path(sys.executable).with_name("trader.exe" if sys.platform == "win32" else "trader")


def run(command: Sequence[Path | str], folder: Path, more: Mapping[str, str] | None = None) -> Took:
    """Run it once in `folder`. Failed, with the end of what it said, if it did not end well."""
    output = folder / "output.txt"
    # -B and friends of the caller's shell would forbid the bytecode that every user has after the first start.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TRADER_"))}
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SPAWN), str(output), *map(str, command)],
        cwd=folder, env={**environment, **(more or {})}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    if told["code"]:
        said = output.read_text(encoding="utf-8", errors="replace")[-500:]
        raise Failed(f"{' '.join(map(str, command))} ended with code {told['code']}: {said}")
    return Took(told["start"], told["seconds"], told["peak_mb"])


def in_turns(commands: Mapping[str, Sequence[Path | str]], folder: Path, times: int) -> dict[str, Took]:
    """The median of each command, after one run that does not count. They take turns: other load meets all alike."""
    more = {"LLM_USER_PATH": str(folder / "llm")}  # llm keeps a folder: not in the home of whoever measures
    taken: dict[str, list[Took]] = {name: [] for name in commands}
    for turn in range(times + 1):
        for name, command in commands.items():
            took = run(command, folder, more)
            if turn:
                taken[name].append(took)
    return {name: _median(runs) for name, runs in taken.items()}


def _median(runs: Sequence[Took]) -> Took:
    peaks = [took.peak for took in runs if took.peak is not None]
    return Took(0.0, median(took.seconds for took in runs), median(peaks) if peaks else None)
