"""One run: a world from a seed, sessions in it one after another, four phases, and what came of it.

1 faults, crashes and people; 2 decisions are stopped; 3 the faults are off; 4 everything must come to rest.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, cast

from trader.errors import Refused
from trader.plugins import Catalogue, Plugin, catalogue
from trader.plugins.kinds import API_VERSION
from trader.plugins.manifest import Permissions
from trader.session import Session
from trader.settings import Settings, load
from trader.store.database import open_store

from .history import History, Trip
from .patches import doors
from .person import People
from .plugins import presence
from .process import Crash, Process
from .profile import Profile
from .world import SimWorld

LIMIT = 2_400.0
"""Virtual seconds after which everything must have come to rest."""
LOOK = 5.0
"""Virtual seconds from one look at it to the next."""
RETRY = 20.0
"""Seconds before a session that could not start is started again."""
SHM = Path("/dev/shm")
"""A folder in memory, where there is one."""

Judge = Callable[[History], None]


def run(
    seed: int,
    *,
    profile: Profile | None = None,
    mutant: Callable[[], AbstractContextManager[Any]] | None = None,
    trace: bool = False,
    on_event: Judge | None = None,
    judged: bool = True,
) -> History:
    """Play one seed. `mutant`: entered around it; `trace`: keep the program's log too; `on_event(history)` after each
    call at the venue and each commit; `judged`: let `checks` watch, `history.violations` is what they found."""
    empty = _empty_database()
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=SHM if SHM.is_dir() else None) as folder:
        world = SimWorld(seed, profile or Profile.of(seed), Path(folder), logged=trace)
        world.history.database.parent.mkdir()
        shutil.copyfile(empty, world.history.database)
        with (mutant or nullcontext)(), doors(world):
            return _Play(world, on_event, judged).play()


class _Play:
    """The phases of one run."""

    def __init__(self, world: SimWorld, on_event: Judge | None, judged: bool) -> None:
        self.world, self.history, self.over = world, world.history, False
        self.unclean = False
        self.settings = _settings(world)
        self._written = world.listed, False
        self.people = world.people = People(world)
        self.catalogue = _catalogue(world.profile)
        self._judges: list[Judge] = [on_event] if on_event is not None else []
        self._checks: Any = None
        if judged:
            from .checks.judges import Checks

            self._checks = Checks(cast("Any", self.history))
            self._judges.append(lambda _history: self._checks.each())
        world.on_event = self._happened if self._judges else None

    def _happened(self, history: History) -> None:
        for judge in self._judges:
            judge(history)

    # ---- lives -----------------------------------------------------------------------------------------------------
    def play(self) -> History:
        world, profile = self.world, self.world.profile
        world.timeline.at(profile.seconds, self._quiet, writes=True)
        dice = world.dice("rest")
        try:
            while not self.over:
                how = self._live(world.born())
                if not self.over:
                    world.timeline.by(RETRY if how not in ("crash", "stop") else dice.choice([0.5, 2.0, 8.0, 60.0]))
            self._close()
        finally:
            if self._checks is not None:
                self._checks.close()
            world.close()
        return self.history

    def _live(self, process: Process) -> str:
        """One process, to its end; how it ended."""
        world = self.world
        presence.PRESENT[:] = [process]
        session: Session | None = None
        try:
            self._look_at_the_settings()
            hold = self.people.keyboard.holds()
            self.people.keyboard.began()
            session = Session(self.settings, world=world.outside(process), plugins=self.catalogue)
            session.start(adopt=self.unclean, hold=hold)
            session.run()
            how = "stop"
            self.over = world.phase == 4 and (self.history.converged or bool(self.history.why_not))
        except Crash:
            how = "crash"
        except Refused as error:
            how = "refused"
            if self.unclean or "not clean" not in error.what:
                self.history.errors.append((process.life, "session", f"{how}: {error}"))
            self.unclean = True  # somebody traded before the first session did: a person takes it over
        except Exception as error:  # noqa: BLE001 - whatever ends a session is told
            how = type(error).__name__
            self.history.errors.append((process.life, "run" if session is None else "session", f"{how}: {error}"))
            self.over = bool(self.history.why_not)
        finally:
            process.bury()
        world.ended(how)
        world.process = None
        return how

    def _look_at_the_settings(self) -> None:
        """A person names no symbol that is gone. What a stop does with orders and positions is tried while things
        happen: what is compared at rest must not move any more."""
        world, calm = self.world, self.world.phase == 4
        if (world.listed, calm) != self._written:
            self._written = world.listed, calm
            self.settings = _settings(world)

    # ---- phases ----------------------------------------------------------------------------------------------------
    def _quiet(self) -> None:
        """Phase 2: nothing new is decided, and nobody dies any more."""
        world = self.world
        world.phase, world.fate.on = 2, False
        world.note("phase 2")
        self.people.ask("pause", scope="main")
        world.timeline.at(world.timeline.seconds + 45, self._heal, writes=True)

    def _heal(self) -> None:
        """Phase 3: the faults are off. From then on it is looked whether everything has come to rest."""
        world = self.world
        world.phase = 4
        world.heal()
        if (world.profile.stop_orders, world.profile.stop_positions) != ("leave", "keep"):
            self.people.ask("stop")
        self._until = world.timeline.seconds + LIMIT
        self._calm = 0
        # What differs without a word counts when it has outlived the horizon: nobody halts it before.
        self._patience = 2 * world.profile.reconcile + world.profile.horizon
        world.timeline.at(world.timeline.seconds + LOOK, self._look, writes=True)

    def _look(self) -> None:
        """Phase 4."""
        world, history = self.world, self.history
        world.feed()
        history.why_not = ""
        left = self._unrest()
        self._calm = 0 if left else self._calm + 1
        late = world.timeline.seconds >= self._until
        if self._calm * LOOK >= self._patience or late:
            history.converged, history.why_not = not left, left
            history.now = world.timeline.now
            if not late:
                self.people.ask("stop")
                return
            self.people.ask("stop")
            history.why_not = left or "it did not stop"
        world.timeline.at(world.timeline.seconds + LOOK, self._look, writes=True)

    def _unrest(self) -> str:
        """What has not come to rest yet; "" if everything has."""
        history, query = self.history, self.world.rows
        if self.world.process is None or not history.lives:
            return "no session runs"
        for client_id, state, filled, venue_id in query(
            "SELECT client_id, state, filled, venue_id FROM intent WHERE open = 1 ORDER BY cycle, line"
        ):
            if state != "working":
                return f"order {client_id} is {state}"
            there = [one for one in history.venue.truth_working() if one.venue_id == venue_id]
            if not there:
                return f"order {client_id} is working, and does not work at the venue"
            if format(there[0].filled, "f") != filled:
                return f"order {client_id} has {filled} filled, at the venue {there[0].filled:f}"
        there_is = {order.key for order in history.venue.accepted}
        for client_id, key in query("SELECT client_id, key FROM intent WHERE state = 'absent'"):
            if key in there_is:
                return f"order {client_id} is absent, and the venue has it"
        if any(request.fate == "pending" for request in history.venue.requests):
            return "an order is still on its way"
        known = {row[0] for row in query("SELECT execution_id FROM fill")}
        missing = [fill.execution_id for fill in history.venue.truth_fills() if fill.execution_id not in known]
        if missing:
            return f"execution {missing[0]} is not booked"
        paid = {row[0] for row in query("SELECT event_id FROM cash_event")}
        unpaid = [event.event_id for event in history.venue.truth_events() if event.event_id not in paid]
        return f"cash event {unpaid[0]} is not booked" if unpaid else ""

    def _close(self) -> None:
        """The end: what is in the database belongs to the trace."""
        history, query = self.history, self.world.rows
        history.now = self.world.timeline.now
        history.trips = [
            Trip(_moment(since), None if lifted is None else _moment(lifted), reason)
            for since, lifted, reason in query("SELECT since, lifted_at, reason FROM block WHERE scope = '*'")
        ]
        history.answers = [tuple(row) for row in query("SELECT kind, state, coalesce(answer, '') FROM command")]
        for (digest,) in query("SELECT hash FROM order_event ORDER BY seq DESC LIMIT 1"):
            self.world.note(f"journal {digest.hex()}")
        if self._checks is not None:
            history.violations = list(self._checks.end())


def _moment(micros: int) -> Any:
    from trader.store.schema import moment

    return moment(micros)


# ---- what is the same in many runs ---------------------------------------------------------------------------------
@cache
def _empty_database() -> Path:
    """A database with its tables, in a folder that lives as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="simulation-", dir=SHM if SHM.is_dir() else None)
    _kept.append(folder)
    path = Path(folder.name) / "trader.db"
    store = open_store(path)
    store.close()
    return path


_kept: list[tempfile.TemporaryDirectory[str]] = []


@cache
def _installed() -> Catalogue:
    return catalogue()


def _plugin(kind: str, name: str, module: str, **capabilities: Any) -> Plugin:
    trades = Permissions(submits_orders=True) if kind == "broker" else Permissions()
    return Plugin(
        kind, name, f"{__package__}.plugins.{module}", "simulation", "0", api=API_VERSION, summary="simulated",
        capabilities=capabilities, permissions=trades, manifest=True,
    )  # fmt: skip


def _catalogue(profile: Profile) -> Catalogue:
    """What is installed, and the simulation's own."""
    return Catalogue([
        *_installed(),
        _plugin(
            "broker", "sim", "broker", needs_bars=False, concurrency=profile.concurrency, id_policy=profile.ids,
            horizon_seconds=profile.horizon, late_arrival_bounded=profile.bounded, watch_seconds=86_400,
            order_types=["market", "limit"], time_in_force=["day", "gtc", "ioc", "fok"], cancel_all=True,
            sells_fund_buys=False,
        ),
        _plugin("data_source", "sim_bars", "bars", recorded=False, delay_seconds=1),
        _plugin("strategy", "opinions", "opinions"),
        _plugin("risk_rule", "sim_cap", "cap"),
    ])  # fmt: skip


def _settings(world: SimWorld) -> Settings:
    """What a person would write for this profile."""
    profile = world.profile
    symbols = ", ".join(f'"{symbol}"' for symbol in world.listed)
    style = "" if profile.style == "market" else (
        f'[execution_styles.limit]\noffset = {profile.offset}\ntime_in_force = "{profile.time_in_force}"\n'
    )  # fmt: skip
    cap = "" if profile.cap is None else f"[risk_rules.sim_cap]\nunits = {profile.cap}\n"
    left = ("leave", "keep") if world.phase == 4 else (profile.stop_orders, profile.stop_positions)
    path = world.folder / "settings.toml"
    path.write_text(
        f"""
[application]
broker = "sim"
data = "sim_bars"
allocator = "equal"
execution = "{profile.style}"
coverage = {{ symbols = [{symbols}], timeframe = "1m" }}
models.pipeline = [{{ name = "opinions" }}]
portfolio.allow_short = {str(profile.shorting).lower()}
portfolio.cash_buffer = 0.05
schedule.trigger = "bar"
reconcile = {{ interval_seconds = {profile.reconcile}, external = "{profile.external}" }}
heartbeat.interval_seconds = {profile.heartbeat}
connect = {{ tries = 40, first_seconds = 0.5, longest_seconds = 10 }}
shutdown = {{ grace = 20, orders = "{left[0]}", positions = "{left[1]}" }}
[brokers.sim]
timeout = {profile.timeout}
[data_sources.sim_bars]
timeout = {profile.timeout}
[strategies.opinions]
change = {profile.change}
leave = {profile.leave}
short = {str(profile.shorting).lower()}
[observability]
log_file = false
log_level = "{"info" if world.logged else "error"}"
{style}{cap}""",
        encoding="utf-8",
    )
    return load(path, environ={})
