"""The world of one run: one venue, one market, one database, people; and the processes that live in it, one by one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from trader.env import World
from trader.model import Alert, Instrument, Outcome
from trader.simulation import SimulatedVenue, Terms
from trader.simulation.faulty import FaultyVenue
from trader.simulation.fees import PerShare

from .fate import Fate
from .history import History, Life, Pass, Raised
from .lane import Line, SimLane
from .market import Market
from .process import Process
from .profile import Profile
from .timetable import SimTimetable
from .timing import START, Timeline

if TYPE_CHECKING:
    from trader.store.database import Store

    from .person import People

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
QUIET = Line(travel=0.05)
"""The way to the venue when all faults are off."""


class SimWorld:
    """`folder`: where settings and state lie. `on_event(history)` is called after each call at the venue and each
    commit; `logged` whether the program's log is kept."""

    def __init__(
        self,
        seed: int,
        profile: Profile,
        folder: Path,
        *,
        on_event: Callable[[History], None] | None = None,
        logged: bool = False,
    ) -> None:
        self.seed, self.profile, self.folder, self.logged = seed, profile, folder, logged
        self._dice: dict[str, Random] = {}
        self.timeline = Timeline(START + timedelta(minutes=profile.start_minute))
        symbols = SYMBOLS[: profile.symbols]
        self.market = Market(symbols, self.timeline.now, seed, profile.volume)
        self.venue = self._venue(symbols)
        self.line, self.faulty = profile.line, True
        caps = {} if profile.cap is None else dict.fromkeys(symbols, Decimal(profile.cap))
        self.history = History(
            seed, profile, self.venue, folder / "var" / "trader.db", self.timeline.now, self.timeline.now, caps=caps,
            horizon=self.venue.horizon_seconds + (profile.timeout + profile.line.slack if profile.line.slow else 0.0),
        )  # fmt: skip
        self.fate = Fate(self)
        self.on_event = on_event
        self.process: Process | None = None
        self.person: Store | None = None
        """The database as other programs see it; opened when one of them needs it."""
        self.people: People | None = None
        self.phase = 1
        self.delisted: tuple[str, ...] = ()
        """Symbols that are named to nobody who starts from now on."""
        self.renamed: dict[str, str] = {}
        """Symbols that have another name for everybody who starts from now on."""
        self.no_events_until = 0.0
        """Until then nobody is told of cash events."""
        self.commits = 0
        self._reader: sqlite3.Connection | None = None
        self._windows: list[tuple[float, float, str]] = []

    def _venue(self, symbols: tuple[str, ...]) -> FaultyVenue:
        profile = self.profile
        fee = PerShare(Decimal("0.005"), Decimal(1)) if profile.fees else None
        terms = Terms(shorting=profile.shorting, leverage=Decimal(2 if profile.shorting else 1))
        inside = SimulatedVenue(
            Decimal(profile.cash), terms=terms if fee is None else replace(terms, fee=fee),
            instruments=[Instrument(symbol) for symbol in symbols],
        )  # fmt: skip
        return FaultyVenue(
            inside, clock=self, seed=self.seed, faults=profile.faults, ids=profile.ids, expiry_seconds=profile.expiry
        )

    # ---- the venue's clock -----------------------------------------------------------------------------------------
    def now(self) -> Any:
        return self.timeline.now

    def monotonic(self) -> float:
        return self.timeline.seconds

    def sleep(self, seconds: float) -> None:
        raise RuntimeError("a venue does not wait")

    # ---- chance ----------------------------------------------------------------------------------------------------
    def dice(self, name: str) -> Random:
        """One row of draws for each use: what is drawn less in one place changes nothing in another."""
        if name not in self._dice:
            self._dice[name] = Random(f"{self.seed} {name}")
        return self._dice[name]

    # ---- lives -----------------------------------------------------------------------------------------------------
    def born(self) -> Process:
        """A new process."""
        history = self.history
        self.fate.born()
        self.process = Process(self, len(history.lives) + 1)
        history.lives.append(Life(self.process.life, self.timeline.now))
        self.note("start")
        return self.process

    def outside(self, process: Process) -> World:
        """What the session of this process is given instead of the operating system."""

        def make_lane(name: str, timeout: float, workers: int) -> SimLane:
            return SimLane(process, name, timeout, workers)

        return World(
            self.folder,
            self.folder / "var",
            process,
            entropy=self.dice("entropy").randbytes,
            seed=self.seed,
            environ={},
            point=process.point,
            make_lane=make_lane,
            make_timetable=lambda: SimTimetable(process),
            run=process.run,
            aside=process.aside,
        )

    def ended(self, how: str) -> None:
        """The process is gone."""
        life = self.history.lives[-1]
        life.ended, life.how = self.timeline.now, how
        self.note(f"end {how}")
        if self.people is not None:
            self.people.keyboard.ended()

    @property
    def listed(self) -> list[str]:
        """What a person may name in the settings of the next process."""
        return [self.renamed.get(symbol, symbol) for symbol in self.market.symbols if symbol not in self.delisted]

    # ---- what is seen ----------------------------------------------------------------------------------------------
    def note(self, text: str) -> None:
        """A line of the trace."""
        history = self.history
        line = f"{self.timeline.seconds:.6f} {len(history.lives)} {text}"
        history.trace.append(line)
        if self.logged:
            history.log.append(line)

    def log(self, text: str) -> None:
        """A line of the program's log."""
        self.history.log.append(f"{self.timeline.seconds:.6f} {len(self.history.lives)}   {text}")

    def called(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        """A call at the venue was made and answered."""
        if name == "submit":
            order = args[0]
            passes = self.history.gate_passes
            if passes and not passes[-1].client_id:
                passes[-1] = replace(passes[-1], client_id=order.client_id)
            self.note(
                f"submit {order.client_id} {order.side} {order.quantity} {order.symbol} {order.type}"
                f" {order.limit_price} -> {_short(answer)}"
            )
        elif name in ("cancel", "cancel_all"):
            self.note(f"{name} {args[0].key if args else ''} -> {_short(answer)}")
        else:
            many = isinstance(answer, list | tuple)
            self.note(f"{name} -> {len(answer) if many else type(answer).__name__}")
        self.happened()

    def passed(self, life: int) -> None:
        """A gate let something leave."""
        self.history.gate_passes.append(Pass(self.timeline.now, life))

    def raised(self, alert: Alert) -> None:
        """An alert was raised."""
        self.history.alerts.append(Raised(self.timeline.now, len(self.history.lives), alert))
        # The folder has another name in each run.
        self.note(f"alert {alert.severity} {alert.event}: {alert.text}".replace(str(self.folder), "."))
        if self.people is not None:
            if alert.event == "kill_switch":
                self.people.alarmed()
            elif alert.event == "halted":
                self.people.halted(alert.text.partition(" ")[0])

    def written(self) -> None:
        """Somebody committed."""
        self.commits += 1
        self.note("commit")
        self.happened()

    def failed(self, error: BaseException) -> None:
        """A callback of the program raised."""
        self.history.errors.append((len(self.history.lives), "callback", f"{type(error).__name__}: {error}"))
        self.note(f"error {error!r}")

    def happened(self) -> None:
        """Something that judges may want to look at."""
        self.history.now = self.timeline.now
        if self.on_event is not None:
            self.on_event(self.history)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """What is committed in the database, asked beside the program."""
        if self._reader is None:
            self._reader = sqlite3.connect(f"file:{self.history.database}?mode=ro", uri=True, isolation_level=None)
        return self._reader.execute(sql, values).fetchall()

    def close(self) -> None:
        """Let go of the database."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self.person is not None:
            self.person.close()

    # ---- what goes on ----------------------------------------------------------------------------------------------
    def feed(self) -> None:
        """Let the venue trade on what closed by now."""
        if self.history.converged:
            return  # what is compared at rest must not move any more
        bars = self.market.fresh(self.timeline.now)
        if bars is not None:
            self.venue.on_bars(bars)

    def heal(self) -> None:
        """No more faults anywhere."""
        self.faulty, self.line = False, QUIET
        self.feed()
        self.venue.heal()
        self.no_events_until = 0.0
        self.history.healed_at = self.timeline.now
        self.note("healed")

    def source_is_down(self) -> bool:
        """Whether this question for bars is not answered."""
        chance = self.profile.bars_down
        return self.faulty and chance > 0 and self.dice("bars").random() < chance

    def disturb_store(self, start: float, seconds: float, what: str) -> None:
        """From then on the database cannot be written for so long."""
        self._windows.append((start, start + seconds, what))

    def store_fault(self) -> str | None:
        """What a transaction that begins now dies of; None: nothing."""
        if self.faulty:
            for start, end, what in self._windows:
                if start <= self.timeline.seconds < end:
                    return what
        return None

    def loses_commit(self) -> bool:
        """Whether the answer to a commit is lost."""
        chance = self.profile.lost_commits
        return self.faulty and chance > 0 and self.dice("commits").random() < chance


def _short(answer: Outcome | Any) -> str:
    return str(answer) if not isinstance(answer, str) else answer
