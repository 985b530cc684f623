"""The same world and the same sessions, driven by Hypothesis: it writes small stories of faults, crashes and people,
step by step, and where one breaks an invariant, it looks for the shortest that still does.

Nothing is drawn by the world itself: calls are answered unless a step spoiled the next one, and the process dies where
a step says so.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import deque
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from trader.model import Fill, Side, Signals
from trader.safety.stop import Trip, write_stop
from trader.session import Session
from trader.simulation.faults import Dice, Fault, Faults

from . import run as runs
from .lane import Line
from .patches import doors
from .plugins import presence
from .process import Crash, Process
from .profile import Profile
from .venue import SimOpinions
from .world import SimWorld

SYMBOLS = ("AAA", "BBB")
SUBMIT = (
    Fault.LATE,
    Fault.LOST,
    Fault.LOST_REPLY,
    Fault.FAILED_ACCEPTED,
    Fault.FAILED_DROPPED,
    Fault.REJECTED,
    Fault.RAISES,
)
CANCEL = (Fault.LATE, Fault.LOST, Fault.LOST_REPLY, Fault.FAILED_ACCEPTED, Fault.RAISES)
QUERY = (Fault.LOST, Fault.FAILED, Fault.RAISES, Fault.GARBAGE)
DOORS = (
    "journal>commit", "commit>send", "gate>broker", "broker>journal", "fills>commit", "fill>tell", "query>apply",
    "cancel>send", "cancel>journal", "connect>reconcile", "start>ready", "commit", "committed", "lane.arrive",
)  # fmt: skip
CALM: dict[str, Any] = {
    "seconds": 1e9, "symbols": 2, "horizon": 15.0, "volume": 150.0, "timeout": 5.0, "reconcile": 10.0,
    "heartbeat": 20.0, "line": Line(travel=0.1),
    # What is declared here is never drawn: it only tells apart what a call is (see `_fate`).
    "faults": Faults(
        submit_lost=1.0, cancel_lost_reply=1.0, query_failed=1.0, late_seconds=8.0, order_lag=1.0, fill_lag=2.0,
    ),
}  # fmt: skip


STEP = 2.5
"""Virtual seconds."""


class Stories(RuleBasedStateMachine):
    """One session at a time, in steps."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._process: Process | None = None
        self._fates: dict[Fault, deque[Fault]] = {
            kind: deque() for kind in (Fault.LOST, Fault.LOST_REPLY, Fault.FAILED)
        }
        self._mind = dict.fromkeys(SYMBOLS, 1)

    @initialize(
        ids=st.sampled_from(["forever", "open_only", "none"]), bounded=st.booleans(),
        external=st.sampled_from(["adopt", "ignore", "halt"]), shorting=st.booleans(),
        style=st.sampled_from(["market", "limit"]),
    )  # fmt: skip
    def begin(self, **chosen: Any) -> None:
        """A venue, a market, an empty database, a first process."""
        shm = runs.SHM if runs.SHM.is_dir() else None
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="stories-", dir=shm)))
        profile = Profile(**CALM, **chosen)
        self.world = SimWorld(1, profile, folder)
        self.world.history.database.parent.mkdir()
        shutil.copyfile(runs._empty_database(), self.world.history.database)
        for owner, name, thing in ((Dice, "fault", self._fate), (SimOpinions, "score", self._score)):
            self._stack.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, thing)
        self._stack.enter_context(doors(self.world))
        self.play = runs._Play(self.world, None, True)
        self._start()

    def _fate(self, odds: Any) -> Fault | None:
        waiting = self._fates.get(odds[0][1]) if odds else None
        return waiting.popleft() if waiting else None

    def _score(self, history: Any) -> Signals:
        return Signals(np.array([self._mind[symbol] for symbol in history.symbols], float))

    # ---- processes -------------------------------------------------------------------------------------------------
    def _start(self) -> None:
        world = self.world
        process = self._process = world.born()
        presence.PRESENT[:] = [process]
        try:
            session = Session(self.play.settings, world=world.outside(process), plugins=self.play.catalogue)
            session.start()
            self._session = session
            self._task = process.loop.create_task(session._run(None, None, lambda _book, _report: None))
        except Crash:
            self._dead("crash")
        except Exception as error:  # noqa: BLE001 - whatever ends a session is told
            world.history.errors.append((process.life, "session", f"{type(error).__name__}: {error}"))
            self._dead(type(error).__name__)

    def _dead(self, how: str) -> None:
        assert self._process is not None
        self._process.bury()
        self._process = self._task = self._session = self.world.process = None
        self.world.ended(how)

    def _alive(self) -> bool:
        return self._process is not None

    def _pass(self, seconds: float) -> None:
        """Let time pass, with the session if one runs."""
        if self._process is None:
            self.world.timeline.by(seconds)
            return
        assert self._task is not None
        try:
            self._process.loop.run_until_complete(asyncio.wait([self._task], timeout=seconds))
        except Crash:
            self._dead("crash")
            return
        if self._task.done():
            self._stopped()

    def _stopped(self) -> None:
        assert self._task is not None and self._session is not None
        how = "stop"
        try:
            self._task.result()
            self._session.shutdown()
        except Crash:
            how = "crash"
        except Exception as error:  # noqa: BLE001 - whatever ends a session is told
            how = type(error).__name__
            self.world.history.errors.append((len(self.world.history.lives), "session", f"{how}: {error}"))
        self._dead(how)

    # ---- steps -----------------------------------------------------------------------------------------------------
    @rule(seconds=st.sampled_from([0.3, 12.0, 61.0]))
    def time(self, seconds: float) -> None:
        self._pass(seconds)

    @rule(symbol=st.sampled_from(SYMBOLS), wish=st.sampled_from([1, 0, -1]))
    def opinion(self, symbol: str, wish: int) -> None:
        """The strategy changes its mind; the next bar closes."""
        self._mind[symbol] = wish if self.world.profile.shorting else max(wish, 0)
        self._pass(61.0)

    @rule(fate=st.sampled_from(SUBMIT))
    def spoil_a_submit(self, fate: Fault) -> None:
        self._fates[Fault.LOST].append(fate)

    @rule(fate=st.sampled_from(CANCEL))
    def spoil_a_cancel(self, fate: Fault) -> None:
        self._fates[Fault.LOST_REPLY].append(fate)

    @rule(fate=st.sampled_from(QUERY), times=st.integers(1, 4))
    def spoil_questions(self, fate: Fault, times: int) -> None:
        self._fates[Fault.FAILED].extend([fate] * times)

    @precondition(_alive)
    @rule(door=st.sampled_from(DOORS), number=st.integers(1, 3))
    def crash(self, door: str, number: int) -> None:
        """Die at this door, if the process comes there within a bar."""
        fate = self.world.fate
        fate._script, fate._count = [(door, number)], 0
        self._pass(61.0)
        fate._script = []

    @precondition(lambda self: not self._alive())
    @rule()
    def restart(self) -> None:
        self._start()

    @rule(symbol=st.sampled_from(SYMBOLS), side=st.sampled_from(list(Side)), quantity=st.integers(1, 50))
    def somebody_trades(self, symbol: str, side: Side, quantity: int) -> None:
        self.world.feed()
        self.world.venue.manual_trade(symbol, side, Decimal(quantity))

    @rule()
    def somebody_cancels(self) -> None:
        self.world.feed()
        for order in self.world.venue.truth_working()[:1]:
            self.world.venue.manual_cancel(order.venue_id)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def close(self, symbol: str) -> None:
        self.play.people.ask("close", symbol=symbol, book=None)

    @precondition(lambda self: bool(self.world.venue.requests))
    @rule(number=st.integers(1, 3))
    def cancel(self, number: int) -> None:
        requests = self.world.venue.requests
        self.play.people.ask("cancel", order=requests[-min(number, len(requests))].client_id)

    @rule(by_file=st.booleans())
    def trip(self, by_file: bool) -> None:
        if by_file:
            write_stop(self.world.history.database.parent, Trip("a story", "somebody", self.world.timeline.now))
            self.world.happened()
        else:
            self.play.people.ask("kill", reason="a story")

    @rule()
    def rearm(self) -> None:
        for scope in ("", "main", *SYMBOLS):
            self.play.people.ask("rearm", scope=scope, reason="a story")

    @precondition(lambda self: self._alive() and bool(self.world.venue.truth_fills()))
    @rule(order=st.randoms(use_true_random=False), twice=st.booleans())
    def stream(self, order: Any, twice: bool) -> None:
        """A stream brings executions again, in any order, perhaps twice."""
        assert self._session is not None
        fills: list[Fill] = list(self.world.venue.truth_fills()[-6:]) * (2 if twice else 1)
        order.shuffle(fills)
        for runner in self._session.runners:
            runner.events.extend(fills)
            runner._wake.set()

    # ---- judgement -------------------------------------------------------------------------------------------------
    @invariant()
    def holds(self) -> None:
        """Each step takes a while."""
        if hasattr(self, "play"):
            self._pass(STEP)
            found = self.play._checks.each()
            assert not found, found

    def teardown(self) -> None:
        try:
            if hasattr(self, "play"):
                self._come_to_rest()
                history = self.world.history
                assert not history.violations, history.violations
        finally:
            if self._process is not None:
                self._dead("end")
            if hasattr(self, "play"):
                self.play._checks.close()
                self.world.close()
            self._stack.close()

    def _come_to_rest(self) -> None:
        """The end of every run: nothing new is decided, no faults, and all must be resolved."""
        world, play = self.world, self.play
        for waiting in self._fates.values():
            waiting.clear()
        world.timeline.at(world.timeline.seconds, play._quiet, writes=True)
        if self._process is not None:
            self._pass(runs.LIMIT + 100.0)
            play.over = world.phase == 4 and (world.history.converged or bool(world.history.why_not))
        while not play.over:
            play._live(world.born())
        play._close()
