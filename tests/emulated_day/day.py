"""A day of one broker at its emulator: bars, cycles, kills and restarts, and a comparison at the end.

The emulator lives here, the trader in a process of its own. The clock stands at machine speed while the trader decides
on a bar, then jumps to the end of the next one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import trader_emulators
from emulated_day.check import Figures, compare
from emulated_day.clock import DayClock
from emulated_day.place import Venue, furnish, install, python_path
from trader.clock import SystemClock
from trader.plugins import catalogue
from trader.store import DATABASE, commands
from trader.store.database import Store, open_store
from trader.testing.emulation import Mishap, Setup

PATIENCE = 40.0
"""Real seconds that anything may take before the day is given up as hung."""
SLOW = 4.0
"""Real seconds after which a bar passes although no cycle was decided on it: a trader that has trouble misses bars."""
LINGER = 0.08
"""Real seconds from a decision to the next bar: orders fill, streams tell."""
AFTER = 0.1
"""Seconds after a bar's end, and its source's delay, at which the clock arrives."""
TICK = 0.5
"""Seconds between the market's last move and a decision."""
STEPS = 4
"""Moves of the market within one bar."""
SECONDS = {"15m": 900, "30m": 1800, "1h": 3600}
KILLS = ("commit>send", "broker>journal", "gate>broker", "fills>commit", "cancel>send", "query>apply")
"""Named points at which the trader dies, one after another."""
WEATHER = (
    *(("submit", each) for each in (Mishap.RESET, Mishap.RESET_AFTER, Mishap.FAILED_AFTER, Mishap.TRUNCATED)),
    *(("cancel", each) for each in (Mishap.RESET_AFTER, Mishap.HTML)),
    *((call, each) for call in ("account", "orders", "fills") for each in (Mishap.FAILED, Mishap.GARBAGE, Mishap.HTML)),
    ("bars", Mishap.RESET), ("positions", Mishap.RATE_LIMITED), ("stream", None),
)  # fmt: skip
"""What befalls a request now and then: (call, mishap). None of them makes anybody wait for a timeout."""
_real = SystemClock()


class Hung(Exception):
    """Something that must happen did not."""


@dataclass
class Told:
    """How a day went."""

    name: str
    bars: int = 0
    decided: int = 0
    kills: list[str] = field(default_factory=list)
    mishaps: int = 0
    seconds: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    figures: Figures = field(default_factory=Figures)
    said: str = ""
    """The tail of what the traders wrote, where something does not hold."""

    def line(self) -> str:
        """One line for a person."""
        figures = self.figures
        verdict = "book equal" if not figures.faults else f"{len(figures.faults)} FAULTS"
        return (
            f"{self.name}: {self.bars} bars, {self.decided} cycles, {figures.orders} orders, {figures.fills} fills,"
            f" {figures.open} still open, {len(self.kills)} kills ({', '.join(self.kills)}), {self.mishaps} mishaps,"
            f" cash off by {figures.cash_off:f}, {verdict}, {self.seconds:.0f} s"
        )


class Day:
    """From `with` to its end."""

    def __init__(self, folder: Path, venue: Venue, *, seed: int = 1, weather: bool = False) -> None:
        self.folder, self.venue, self.seed, self.weather = folder, venue, seed, weather
        self._rng = Random(seed)
        self._length = SECONDS[venue.timeframe]
        source = catalogue().get("data_source", venue.name)
        self._after = float(source.capabilities.get("delay_seconds", 0.0)) + AFTER
        self._child: subprocess.Popen[bytes] | None = None
        self._lives = 0
        self.told = Told(venue.name)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock = DayClock(self.folder / "clock")
        setup = Setup(
            seed=self.seed, clock=self.clock, mode=self.venue.mode, patience=5.0
        )  # fmt: skip
        self.emulator = trader_emulators.emulate(self.venue.name, setup)
        self._site = install(self.folder / "site")
        options = dict(self.emulator.options)
        data = dict(getattr(self.emulator, "data_options", options))
        self.settings = furnish(self.folder / "here", self.venue, options, data)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self.emulator.close()

    # ---- the trader ------------------------------------------------------------------------------------------------
    def start(self, point: str = "", at: int = 1) -> None:
        """One more life, warm after the first."""
        self._lives += 1
        given = {"settings": str(self.settings), "clock": str(self.folder / "clock"), "point": point, "at": at}
        with (self.folder / f"life-{self._lives}.log").open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "emulated_day.child", json.dumps(given)],
                cwd=self.settings.parent, env=self._environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRADER_", "DYNACONF_"))}
        own = {"PYTHONPATH": python_path(self._site), "OPENBLAS_NUM_THREADS": "1", "NO_COLOR": "1"}
        return kept | own | dict(self.emulator.secrets)

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        """SIGKILL."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def said(self) -> str:
        """What all lives wrote, the end of it."""
        logs = sorted(self.folder.glob("life-*.log"))
        parts = [f"{path.name}: {path.read_text('utf-8', 'replace')[-3000:]}" for path in logs]
        log = self.settings.parent / "var" / "logs" / "trader.jsonl"
        if log.exists():
            bad = [
                line for line in log.read_text("utf-8").splitlines() if '"level":"info"' not in line.replace(" ", "")
            ]
            parts.append("log:\n" + "\n".join(bad[-25:]))
        return "\n".join(parts)

    # ---- time ------------------------------------------------------------------------------------------------------
    def bar(self, patience: float = SLOW) -> bool:
        """The present bar goes by and the next has begun; whether a cycle was decided then."""
        for _ in range(STEPS):
            _real.sleep(LINGER / STEPS)
            self.emulator.step(self._length / STEPS)
        if self.weather and self._rng.random() < 0.5:
            self._befall()
        before = self.clock.decided
        self.jump()
        self._until(lambda: self.clock.decided > before or not self.alive, patience)
        return self.clock.decided > before

    def _befall(self) -> None:
        call, mishap = self._rng.choice(WEATHER)
        if mishap is None:
            self.emulator.drop_streams()
        else:
            self.emulator.mishap(call, mishap)
        self.told.mishaps += 1

    def gone(self, bars: int) -> None:
        """So many bars pass while nobody trades here."""
        for _ in range(bars):
            self.emulator.step(self._length)
            self.jump()

    def jump(self) -> None:
        """To the moment at which the present bar is decided on; the market has just moved then."""
        self.clock.jump(self._length - self.clock.monotonic() % self._length + self._after - TICK)
        self.emulator.step(TICK)
        self.clock.jump(TICK)
        self.told.bars += 1

    def first_decision(self) -> None:
        """A life has begun when it has decided something."""
        before = self.clock.decided
        if not self._until(lambda: self.clock.decided > before or not self.alive, PATIENCE):
            raise Hung(f"it decides nothing:\n{self.said()}")

    def play(self, bars: int) -> None:
        """So many bars, or until the trader dies; Hung if it ends by itself."""
        for _ in range(bars):
            if not self.alive:
                return
            self.bar()

    def died(self) -> bool:
        """Whether it was killed; Hung if it ended by itself."""
        if self.alive or self._child is None:
            return False
        if self._child.returncode != -signal.SIGKILL:
            raise Hung(f"it ended by itself with code {self._child.returncode}:\n{self.said()}")
        return True

    # ---- the end ---------------------------------------------------------------------------------------------------
    def settle(self) -> Figures:
        """The market stands still and nothing more is decided; when both sides agree, or after some bars, stop."""
        self.ask("pause", {"scope": "main"})
        tolerance = Decimal(self.venue.cash_tolerance)
        figures = self._figures(tolerance)
        for _ in range(12):
            self.clock.jump(self._length)
            self._until(lambda: not self.alive, 0.5)
            figures = self._figures(tolerance)
            if not figures.faults:
                break
        assert self._child is not None
        self._child.terminate()
        if not self._until(lambda: not self.alive, PATIENCE):
            raise Hung(f"it does not stop:\n{self.said()}")
        figures = self._figures(tolerance)
        if self._child.returncode != 0:
            figures.faults.append(f"the last life ended with code {self._child.returncode}")
        verified = self.trader("journal", "verify")
        if verified.returncode != 0:
            figures.faults.append(f"trader journal verify: {verified.stdout}{verified.stderr}")
        return figures

    def _figures(self, tolerance: Decimal) -> Figures:
        store = self.open_store()
        try:
            return compare(store, self.emulator.venue, tolerance)
        finally:
            store.close()

    def open_store(self) -> Store:
        """The journal, to read."""
        return open_store(self._database, create=False, read_only=True, check=False, clock=self.clock)

    @property
    def _database(self) -> Path:
        return self.settings.parent / "var" / DATABASE

    def ask(self, kind: str, args: dict[str, Any]) -> None:
        """Ask the running session for something, as another process would, and wait until it is done."""
        store = open_store(self._database, create=False, check=False, clock=self.clock)
        try:
            number = commands.ask(store, kind, args, by="emulated day")
            if not self._until(lambda: commands.look(store, number).state != "waiting", PATIENCE):
                raise Hung(f"nobody obeys {kind}:\n{self.said()}")
            answer = commands.look(store, number)
            if answer.state != "done":
                raise Hung(f"{kind} is refused: {answer.answer}")
        finally:
            store.close()

    def trader(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the program `trader` here as a person would, to its end."""
        program = [sys.executable, "-c", "from trader.cli import main; main()"]
        return subprocess.run(
            [*program, *arguments], cwd=self.settings.parent, env=self._environ(), capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def _until(self, done: Callable[[], bool], patience: float) -> bool:
        """Wait for something, so many real seconds."""
        end = _real.monotonic() + patience
        while not done():
            if _real.monotonic() > end:
                return False
            _real.sleep(0.01)
        return True


def whole(
    folder: Path, venue: Venue, *, bars: int, kills: Sequence[str] = KILLS[:1], seed: int = 1, weather: bool = False
) -> Told:
    """A day: the trader dies at each of these points in its turn, is gone for two bars, and comes back warm; then the
    rest of the bars, and the comparison. `weather`: with mishaps on the wire."""
    began = _real.monotonic()
    share = bars // (len(kills) + 1)
    with Day(folder, venue, seed=seed, weather=weather) as day:
        for point in kills:
            day.start(point, at=max(share // 2, 1))
            day.first_decision()
            _until_killed(day, point, share)
            day.gone(2)
        day.start()
        day.first_decision()
        day.play(max(bars - day.told.bars, 2))
        if day.died():
            raise Hung("somebody killed it")
        day.told.decided = day.clock.decided
        day.told.figures = day.settle()
        day.told.requests = day.emulator._requests
        if day.told.figures.faults:
            day.told.said = day.said()
    day.told.seconds = _real.monotonic() - began
    return day.told


def _until_killed(day: Day, point: str, bars: int) -> None:
    """It dies at the point, or wherever it is after so many bars."""
    for _ in range(bars):
        if day.died():
            break
        day.bar()
    if day.died():
        day.told.kills.append(point)
        return
    day.kill()
    day.told.kills.append("anywhere")
