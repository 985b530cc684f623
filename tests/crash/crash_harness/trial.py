"""One venue, one store, and a trader that is started, killed and started again; at the end they must agree.

`server` is the venue in a process of its own, `child` the trader, `nursery` what it is forked from, `check` compares.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import msgspec
from crash_harness.check import Figures, check
from crash_harness.child import Life
from crash_harness.clock import SharedClock
from crash_harness.place import furnish, install, python_path
from crash_harness.truth import Plan, Truth
from crash_harness.warm import Nursery, Trader
from crash_harness.wire import KEY, Line
from trader.clock import SystemClock
from trader.orders.lifecycle import UNRESOLVED
from trader.store import DATABASE, blocks, commands, reading
from trader.store.database import Store, open_store

PATIENCE = 30.0
"""Seconds that anything may take before the trial is given up as hung."""
_real = SystemClock()


LONG_ENOUGH = 8.0
"""Seconds in which a life comes to any point that it comes to."""


class Hung(Exception):
    """Something that must happen did not, in PATIENCE seconds."""


class Trial:
    """From `with` to its end. `url`: the database, if it is not a file in the folder. `more`: see `place.furnish`."""

    def __init__(self, folder: Path, nursery: Nursery, *, seed: int = 1, url: str = "", **more: float) -> None:
        self.folder, self.nursery, self.seed, self.url, self._more = folder, nursery, seed, url, more
        self.rng = Random(seed)
        self.traders: list[Trader] = []
        self.kills = 0
        self._asked: set[str] = set()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._word = secrets.token_hex(16)
        self.site = install(self.folder / "site")
        port_file = self.folder / "port"
        plan = msgspec.json.encode(Plan(self.seed, str(port_file))).decode()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "crash_harness.server", plan],
            env={**os.environ, KEY: self._word, "PYTHONPATH": python_path(), "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        try:
            self.until(port_file.exists, "the venue server does not start")
            self.port = int(port_file.read_text("ascii"))
            self.line = Line(self.port, bytes.fromhex(self._word), "keeper")
            self.settings = furnish(self.folder / "here", self.port, url=self.url, **self._more)
        except BaseException:
            self._end_server()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for trader in self.traders:
            trader.kill()
        self.line.close()
        self._end_server()

    def _end_server(self) -> None:
        self._server.kill()
        self._server.wait()

    # ---- lives -----------------------------------------------------------------------------------------------------
    @property
    def environ(self) -> dict[str, str]:
        """What a process of this trial needs to know."""
        return {KEY: self._word}

    def start(self, **how: Any) -> Trader:
        """One more life of the trader."""
        life = Life(str(self.settings), self.port, **how)
        log = self.folder / f"life-{len(self.traders) + 1}.log"
        trader = self.nursery.start(life, log, self.environ, [str(self.site)])
        self.traders.append(trader)
        return trader

    def kill_at(self, point: str, at: int, *, delay: int = 0) -> bool:
        """A life that ends itself at the `at`-th pass of a point, or so many microseconds later; whether it came
        there."""
        trader = self.start(point=point, at=at, delay=delay)
        reached = trader.wait(LONG_ENOUGH) in (-signal.SIGKILL, -signal.SIGALRM)
        if not reached:
            self._must_live(trader)
            trader.kill()
        self.kills += 1
        return reached

    def let_live(self, cycles: int) -> None:
        """A life of so many cycles that ends well."""
        trader = self.start(cycles=cycles)
        if trader.wait(PATIENCE) != 0:
            raise Hung(f"it did not play {cycles} cycles, its code is {trader.code}:\n{trader.said()}")

    def kill_after(self, seconds: float) -> None:
        """A life that ends so many seconds after its beginning, wherever it is then."""
        trader = self.start()
        if trader.wait(seconds) is not None:
            self._must_live(trader)
        trader.kill()
        self.kills += 1

    def kill_in_reply(self, method: str) -> None:
        """A life that ends when the venue has carried out its call and the answer has not left."""
        self.line.ask("hold", method)
        trader = self.start()
        if not self.line.ask("held", PATIENCE, timeout=PATIENCE + 5):
            self._must_live(trader)
            raise Hung(f"no {method} reached the venue:\n{trader.said()[-4000:]}")
        trader.kill()
        self.line.ask("release")
        self.kills += 1

    def trader(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the program `trader` here as a person would, to its end."""
        environ = {**os.environ, **self.environ, "PYTHONPATH": python_path(self.site), "NO_COLOR": "1"}
        program = [sys.executable, "-c", "from trader.cli import main; main()"]
        return subprocess.run(
            [*program, *arguments], cwd=self.settings.parent, env=environ, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def _must_live(self, trader: Trader) -> None:
        if trader.code is not None:
            raise Hung(f"the trader ended by itself with code {trader.code}:\n{trader.said()}")

    # ---- the end ---------------------------------------------------------------------------------------------------
    def settle(self, *, cycles: int = 0) -> Figures:
        """Let it trade for so many more bars, then run until nothing is open, stop it as a person would, compare. The
        trader that lives, or a new one."""
        self.line.ask("heal")
        living = [trader for trader in self.traders if not trader.ended.is_set()]
        trader = living[0] if living else self.start()
        if cycles:
            self.trades(trader, cycles)
        self.ask("pause", {"scope": "main"})
        self._asked.clear()
        self.until(lambda: self._stays_quiet(trader), "orders stay open")
        self.ask("stop", {}, wait=False)
        if trader.wait(PATIENCE) is None:
            raise Hung(f"it does not stop:\n{trader.said()}")
        return self.check()

    def trades(self, trader: Trader, bars: int) -> None:
        """Wait until the market has gone on by so many bars."""
        before = self.line.ask("counts").get("advance", 0)
        if not self.line.ask("seen", "advance", before + bars, PATIENCE, timeout=PATIENCE + 5):
            raise Hung(f"it does not go on:\n{trader.said()}")

    def _stays_quiet(self, trader: Trader) -> bool:
        """The step that was under way when the pause was answered may still send: quiet is quiet after some bars."""
        if not self._quiet(trader):
            return False
        self.trades(trader, 3)
        return self._quiet(trader)

    def _quiet(self, trader: Trader) -> bool:
        self._must_live(trader)
        left = self.open_orders()
        for order in left:
            if order["state"] == "working" and order["client_id"] not in self._asked:
                self._asked.add(order["client_id"])
                self.ask("cancel", {"order": order["client_id"]}, wait=False)
        return not left and not self.truth().working

    def check(self) -> Figures:
        """What holds now; a halt that nobody asked for is a fault too."""
        with self.store() as store:
            figures = check(store, self.truth())
            halts = [block for block in blocks.standing(store) if block.level != "pause"]
        figures.faults += [f"{block.scope} is on {block.level}: {block.reason}" for block in halts]
        return figures

    def truth(self) -> Truth:
        """What the venue knows."""
        answer: Truth = self.line.ask("truth")
        return answer

    # ---- the store, as other processes see it ----------------------------------------------------------------------
    @property
    def database(self) -> str | Path:
        return self.url or self.folder / "here" / "var" / DATABASE

    def store(self, *, write: bool = False) -> Open:
        """The store, open from `with` to its end."""
        return Open(self.database, SharedClock(*self.line.ask("clock")), write)

    def open_orders(self) -> list[dict[str, Any]]:
        """The rows of orders that are not terminal."""
        with self.store() as store:
            return reading.orders(store, None, *UNRESOLVED)

    def ask(self, kind: str, args: dict[str, Any], *, wait: bool = True) -> str:
        """Ask the running session for something; its answer. One that is starting refuses what was asked before it
        ran: it is asked again."""
        self.until(self._there, "the session does not open its database")
        with self.store(write=True) as store:
            number = commands.ask(store, kind, args, by="crash test")
            answers = [commands.look(store, number)]

            def done() -> bool:
                answers.append(commands.look(store, answers[-1].id))
                if answers[-1].state == "refused":
                    answers.append(commands.look(store, commands.ask(store, kind, args, by="crash test")))
                return answers[-1].state == "done"

            if wait:
                self.until(done, f"nobody obeys {kind}")
            return answers[-1].answer or ""

    def _there(self) -> bool:
        if isinstance(self.database, Path) and not self.database.exists():
            return False
        with self.store() as store:
            return bool(reading.sessions(store))

    def logged(self) -> str:
        """The session's own log."""
        folder = self.settings.parent / "var" / "logs"
        return "".join(path.read_text("utf-8") for path in sorted(folder.glob("*"))) if folder.is_dir() else ""

    def until(self, done: Callable[[], object], what: str, *, patience: float = PATIENCE) -> None:
        """Wait for something; Hung with `what`, and what the last trader said, if it does not come."""
        end = _real.monotonic() + patience
        while not done():
            if _real.monotonic() > end:
                said = self.traders[-1].said()[-4000:] if self.traders else ""
                raise Hung(f"{what}\n{said}")
            _real.sleep(0.01)


class Open:
    """A store from `with` to its end."""

    def __init__(self, database: str | Path, clock: SharedClock, write: bool) -> None:
        self._database, self._clock, self._write = database, clock, write

    def __enter__(self) -> Store:
        self._store = open_store(
            self._database, create=False, read_only=not self._write, check=False, clock=self._clock
        )  # fmt: skip
        return self._store

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()
