"""A session: start, run, stop.

    summary = Session(settings).start().run()

`start` puts every book together and resumes it from its journal; `run` plays cycles until there is a reason to stop;
`shutdown` lets go of everything. Plugins are called in lanes; only this loop is asynchronous.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trader import __version__
from trader.clock import SystemClock
from trader.env import World
from trader.errors import IllegalTransition, Refused, SettingsError, StoreError, TraderError
from trader.orders.journal import BookState, Journal
from trader.plugins import Catalogue, catalogue
from trader.safety.kill import KillSwitch
from trader.safety.stop import Trip
from trader.session import opening, stopping
from trader.session.announcer import Announcer
from trader.session.assemble import Kit
from trader.session.books import Book, members_of
from trader.session.commands import Obedience
from trader.session.equip import equip
from trader.session.interrupts import Signals, complete
from trader.session.killing import Sweeper
from trader.session.live import POLL_SECONDS, live
from trader.session.meeting import meet
from trader.session.playback import play
from trader.session.report import Report
from trader.session.summary import Summary
from trader.session.upkeep import Upkeep
from trader.settings import Settings, load
from trader.store import blocks
from trader.store.reading import fingerprint
from trader.store.runs import start_session, stop_session
from trader.telemetry.logs import logger, set_up

if TYPE_CHECKING:
    from trader.session.live import Runner
    from trader.store.database import Store

HELD = "session"
"""The scope of --hold among the blocks."""
WATCH = timedelta(days=1)
"""How far back absent orders are taken up again at a start."""
Progress = Callable[["Book", Report], None]


class Session:
    """One run of one settings file. `progress(book, report)` hears of each step; `terminal` is the least log level
    that is shown on stderr (None: nothing)."""

    def __init__(
        self,
        settings: Settings | str | Path,
        *,
        world: World | None = None,
        plugins: Catalogue | None = None,
        terminal: str | None = None,
    ) -> None:
        self.settings = settings if isinstance(settings, Settings) else load(settings)
        self.world = world or World(
            self.settings.root, self.settings.state_dir, SystemClock(), seed=self.settings.application.seed
        )
        self._catalogue = plugins
        self._terminal = terminal
        self.books: list[Book] = []
        self.runners: list[Runner] = []
        self.id = self.world.entropy(6).hex()
        self.held = False
        self.kind = ""
        self.recorded = False
        self._reason: str | None = None
        self._started = False
        self.closing: list[Callable[[], object]] = []
        self.market_now: datetime | None = None
        self.log = logger("session").bind(session=self.id)
        self.store: Store
        self.kill: KillSwitch
        self._loop: asyncio.AbstractEventLoop | None = None
        self.announcer = Announcer(self)
        self._sweeper = Sweeper(self)
        self._obedience = Obedience(self)
        self._upkeep = Upkeep(self)
        self.lock: Any = None
        """The right to be the one session on the database."""
        self.stop_by: float | None = None
        """When the patience of a stop that has begun ends, process seconds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(f"error: {type(error).__name__}" if error else None)

    # ---- start -----------------------------------------------------------------------------------------------------
    def start(
        self,
        *,
        cold_start: bool = False,
        fresh: bool = False,
        hold: bool = False,
        adopt: bool = False,
        cancel_open: bool = False,
        acknowledge_kill: str = "",
    ) -> Self:
        """Open everything; warm by default, cold for an empty store or if asked. Nothing is decided yet.

        `fresh`: archive the state and begin again (recorded data on a broker that trades on our bars only). `hold`:
        decide nothing until `trader release`. For a cold start on an account that is not clean: `adopt` takes its
        positions over, `cancel_open` cancels its orders. `acknowledge_kill`: the reason for which a cold start lifts a
        latched kill switch. Errors: any TraderError; nothing is left open then.
        """
        try:
            self._start(cold_start, fresh, hold, adopt, cancel_open, acknowledge_kill)
            self._complete(meet(self, adopt=adopt, cancel_open=cancel_open))
            opening.halt_what_is_gone(self.books)
            self.announcer.started(hold)
            if self.kind == "warm":
                opening.verify_aside(self)
        except BaseException as error:
            # It ended by itself, or a person ended it: that is no crash.
            if self._started and isinstance(error, TraderError | KeyboardInterrupt):
                self._started = False
                with suppress(StoreError):
                    stop_session(self.store, self.id, f"not started: {type(error).__name__}")
            self._close()
            raise
        return self

    def _start(
        self, cold: bool, fresh: bool, hold: bool, adopt: bool, cancel_open: bool, acknowledge_kill: str
    ) -> None:
        settings, state = self.settings, self.settings.state_dir
        if settings.trading.mode == "live":
            opening.refuse_uncertified(settings, self._catalogue or catalogue())
            raise Refused(
                "Live trading is refused: the guards that it needs are not part of this version.",
                where=settings.raw.origin(("trading", "mode")),
                todo='Set trading.mode = "paper" (or read_only).',
            )
        try:
            state.mkdir(parents=True, exist_ok=True)
            set_up(
                state / "logs" if settings.observability.log_file else None,
                level=settings.observability.log_level,
                terminal=self._terminal,
            )
        except OSError as error:
            raise SettingsError(
                f"The state folder cannot be written: {error.filename}: {error.strerror}.",
                where=settings.raw.where(("application", "state_dir")),
                todo="Check its owner and mode, or name another folder.",
            ) from None
        self.log = logger("session").bind(session=self.id)  # a logger is what the set-up was when it was made
        kit = Kit(settings, self._catalogue or catalogue(), self.world)
        opening.refuse_unlike(settings, kit, fresh)
        self.store, self.lock = opening.open_database(self, fresh)
        self.kill = KillSwitch(state, self.store, self.world.clock.now, self._tripped)
        self.alerts = opening.open_alerts(self, kit)
        opening.refuse_old_commands(self)
        opening.look_back(self, cold, acknowledge_kill)
        removed = opening.removed(self)
        parts = opening.assemble_all(self, kit, clean=cold and not adopt)
        self.recorded = parts[0].recorded
        if cold and not self.recorded:
            opening.refuse_unclean(self, parts, adopt, cancel_open)
        self.kind = opening.open_epoch(self, cold, fresh)
        digest = hashlib.sha256(repr(sorted(settings.raw.tree.items())).encode()).hexdigest()
        start_session(self.store, self.id, mode=settings.trading.mode, version=__version__, settings_hash=digest)
        self._started = True
        self.world.point("start>ready")
        self.books = [equip(self, part) for part in parts]
        self.announcer.address(members_of(self.books))
        self.world.market_now = (lambda: self.market_now or self.world.clock.now()) if self.recorded else None
        self.hold(hold)
        self.look_at_blocks()
        self.announcer.standing()
        opening.tell_what_nobody_watches(self, removed)

    def load(self, journal: Journal) -> BookState:
        """Where a book stands, with the absent orders that are still looked out for."""
        return journal.load(self.world.clock.now() - WATCH)

    def hold(self, held: bool) -> None:
        """Decide nothing until it is called with False. Stored, so that others can see it; a start forgets it."""
        self.held = held
        if held:
            blocks.block(self.store, HELD, "pause", "--hold")
        else:
            blocks.lift(self.store, HELD, by="trader", reason="released")

    # ---- run -------------------------------------------------------------------------------------------------------
    def run(self, *, cycles: int | None = None, pace: float | None = None, progress: Progress | None = None) -> Summary:
        """Play until there is a reason to stop, then let go of everything.

        `cycles`: at most so many; `pace`: recorded bars a second (None: as fast as they decide). Errors: TraderError;
        the journal is intact in any case.
        """
        began = self.world.clock.monotonic()
        if not self.settings.application.schedule.run_forever:
            cycles = 1
        if cycles is not None and (trip := self.kill.halted) is not None:
            self.shutdown("halted")
            raise Refused(
                f"The kill switch is on: {trip.reason}.",
                where=str(self.settings.state_dir),
                todo='When the cause is mended: trader rearm --reason "..."',
            )
        try:
            self._complete(self._run(cycles, pace, progress or _quiet))
        except BaseException as error:
            self._reason = f"error: {type(error).__name__}"
            if isinstance(error, IllegalTransition):
                self.panic(str(error))
            with suppress(StoreError):  # the first error is the one to tell: a full disk fails here too
                self.shutdown(self._reason)
            self._close()
            raise
        try:
            return self._summary(self.world.clock.monotonic() - began)
        finally:
            self.shutdown(self._reason)

    def _complete(self, work: Coroutine[Any, Any, None]) -> None:
        (self.world.run or complete)(work)

    def show_log(self, level: str) -> None:
        """From now on log lines of this level and above go to stderr too."""
        settings = self.settings
        folder = settings.state_dir / "logs" if settings.observability.log_file else None
        set_up(folder, level=settings.observability.log_level, terminal=level)

    def stop(self, reason: str = "stopped") -> None:
        """Ask a running session to end after the present step; from any thread or signal handler."""
        self.ended(reason)
        self.world.stopping.set()

    def ended(self, reason: str) -> None:
        """Why the run ends; the first reason counts."""
        self._reason = self._reason or reason

    async def _run(self, cycles: int | None, pace: float | None, progress: Progress) -> None:
        self._loop = asyncio.get_running_loop()
        with Signals(self.stop):
            if self.held:
                self.log.info("held", todo="trader release")
                self.told("session", "held", "--hold")
            if self.kill.halted is not None:
                self._sweeper.soon()
            try:
                if self.recorded:
                    await play(self, cycles, pace, progress)
                else:
                    await live(self, cycles, progress)
                await stopping.wind_down(self)
            finally:
                self.runners = []
                self._sweeper.cancel()
                self._loop = None

    async def while_halted(self) -> None:
        """On recorded data: wait until a person lets it go on."""
        while (self.held or self.kill.halted is not None) and not self.world.stopping.is_set():
            await self.obey()
            if self.held or self.kill.halted is not None:
                await asyncio.sleep(POLL_SECONDS)

    # ---- people ----------------------------------------------------------------------------------------------------
    async def obey(self) -> None:
        """Hear other processes: the STOP file, the blocks, commands; renew what must be renewed. A store that fails
        is asked again the next time; meanwhile everything is halted."""
        found = self.kill.look()
        self.announcer.deaf(found is None)
        if found is None:
            return
        for book in self.books:
            book.brakes.update(found)
        try:
            await self._obedience.hear()
            self._upkeep.renew()
        except StoreError as error:
            self.log.warning("store_failed", text=str(error))

    def look_at_blocks(self) -> None:
        """Take over what stands in the store."""
        found = self.kill.look()
        for book in self.books:
            book.brakes.update(found or [])

    def add_block(self, scope: str, level: blocks.Level, reason: str) -> None:
        """Set a block on a book or on part of it, and tell of it. Errors: StoreError."""
        blocks.block(self.store, scope, level, reason)
        self.announcer.blocked(scope, level, reason)

    def told(self, scope: str, state: str, reason: str) -> None:
        """Tell observers and the log that trading changed its state."""
        self.announcer.state_changed(scope, state, reason)

    def connection_changed(self, book: Book, connected: bool, reason: str) -> None:
        """A broker was lost, or reached again."""
        self.announcer.connection_changed(book, connected, reason)

    # ---- the kill switch -------------------------------------------------------------------------------------------
    def _tripped(self, trip: Trip) -> None:
        """From whatever thread noticed it."""
        self.announcer.tripped(trip)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._after_trip, trip)

    def _after_trip(self, trip: Trip) -> None:
        self.announcer.halted(trip)
        self.sweep_soon()

    def sweep_soon(self) -> None:
        """Cancel whatever works at the venues, and go on until none does."""
        self._sweeper.soon()

    async def sweep(self) -> str:
        """The same, now: what is left after some seconds, "" if nothing works anywhere."""
        left = await self._sweeper.now()
        if left:
            self._sweeper.soon()
        return left

    async def sweep_once(self, book: Book) -> None:
        """At a start whose venue does not answer everything yet: one look, and cancels for what it shows."""
        await self._sweeper.once(book)

    def panic(self, text: str) -> None:
        """A fault of the program itself: everything is halted."""
        self.log.error("assertion", text=text)
        self.kill.trip(f"a fault of the program: {text}", "trader")

    async def swept(self, book: Book) -> None:
        """Before the session is gone: wait until no order of a halted book works."""
        await self._sweeper.end(book)

    # ---- stop ------------------------------------------------------------------------------------------------------
    def shutdown(self, reason: str | None = None) -> None:
        """Let go of everything, also where the database cannot be told of it (StoreError); twice is once."""
        try:
            if self._started:
                self._started = False
                self._say_stopped(reason or self._reason or "shut down")
        finally:
            self._close()

    def _say_stopped(self, reason: str) -> None:
        self.announcer.stopped(reason)
        with suppress(OSError, StoreError):
            self._upkeep.mark()
        stop_session(self.store, self.id, reason)
        stopping.keep_for_the_post_mortem(self, reason)

    def _close(self) -> None:
        while self.closing:
            self.closing.pop()()

    def _summary(self, seconds: float) -> Summary:
        prints = [fingerprint(self.store, book.name) for book in self.books]
        whole = prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest()
        books = [book.summary() for book in self.books]
        mode = self.settings.trading.mode
        return Summary(self.id, mode, self.kind, self._reason or "done", seconds, books, whole)


def _quiet(_book: Book, _report: Report) -> None:
    """Nobody watches."""
