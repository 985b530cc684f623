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
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trader import __version__
from trader.clock import SystemClock
from trader.cycle.market import instant
from trader.env import World
from trader.errors import IllegalTransition, Refused, StoreError, TraderError, Unreachable
from trader.model import Alert, Severity
from trader.orders.gate import Gate
from trader.orders.journal import BookState, Journal
from trader.orders.store_journal import StoreJournal
from trader.plugins import Catalogue, Observers, Provided, catalogue, describe_fault
from trader.safety.halts import Alone, Halts, Unseen
from trader.safety.kill import EVERYTHING, KillSwitch
from trader.safety.stop import Trip
from trader.session import by_hand, opening, stopping
from trader.session.assemble import Assembled, Kit
from trader.session.books import Book, members_of
from trader.session.commands import Obedience
from trader.session.connect import pauses
from trader.session.engine import Engine, Report, VenuePolicy
from trader.session.interrupts import Signals, complete
from trader.session.killing import Sweeper
from trader.session.live import POLL_SECONDS, live
from trader.session.playback import play
from trader.session.summary import Summary
from trader.settings import Settings, load
from trader.store import blocks
from trader.store.mark import write_mark
from trader.store.reading import fingerprint
from trader.store.runs import start_session, stop_session
from trader.telemetry.logs import logger, set_up

if TYPE_CHECKING:
    from trader.session.live import Runner
    from trader.store.database import Store

START_EVENTS = {"cold": "cold_start", "warm": "warm_start"}
MARK = "journal.mark"
HELD = "session"
"""The scope of --hold among the blocks."""
MARK_SECONDS = 60.0
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
        self._observers: Observers | None = None
        self.market_now: datetime | None = None
        self.log = logger("session").bind(session=self.id)
        self.store: Store
        self.kill: KillSwitch
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper = Sweeper(self)
        self._obedience = Obedience(self)
        self._lock: Any = None
        self._next_mark = self._next_renewal = 0.0
        self.stop_by: float | None = None
        """When the patience of a stop that has begun ends, process seconds."""
        self._deaf = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown("error" if error else None)

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
            self._start(cold_start, fresh, hold, acknowledge_kill)
            self._complete(self._meet(adopt, cancel_open))
            self._say_started(hold)
        except BaseException as error:
            if self._started and isinstance(error, TraderError):  # it ended by itself: that is no crash
                self._started = False
                with suppress(StoreError):
                    stop_session(self.store, self.id, f"not started: {type(error).__name__}")
            self._close()
            raise
        return self

    def _start(self, cold: bool, fresh: bool, hold: bool, acknowledge_kill: str) -> None:
        settings, state = self.settings, self.settings.state_dir
        if settings.trading.mode == "live":
            opening.refuse_uncertified(settings, self._catalogue or catalogue())
            raise Refused(
                "Live trading is refused: the guards that it needs are not part of this version.",
                where=settings.raw.origin(("trading", "mode")),
                todo='Set trading.mode = "paper" (or read_only).',
            )
        state.mkdir(parents=True, exist_ok=True)
        set_up(
            state / "logs" if settings.observability.log_file else None,
            level=settings.observability.log_level,
            terminal=self._terminal,
        )
        self.log = logger("session").bind(session=self.id)  # a logger is what the set-up was when it was made
        kit = Kit(settings, self._catalogue or catalogue(), self.world)
        opening.refuse_unlike(settings, kit, fresh)
        self.store, self._lock = opening.open_database(self, fresh)
        self.kill = KillSwitch(state, self.store, self.world.clock.now, self._tripped)
        self.alerts = opening.open_alerts(self, kit)
        opening.refuse_old_commands(self)
        opening.look_back(self, cold, acknowledge_kill)
        parts = opening.assemble_all(self, kit)
        self.recorded = parts[0].recorded
        self.kind = opening.open_epoch(self, cold, fresh)
        digest = hashlib.sha256(repr(sorted(settings.raw.tree.items())).encode()).hexdigest()
        start_session(self.store, self.id, mode=settings.trading.mode, version=__version__, settings_hash=digest)
        self._started = True
        self.world.point("start>ready")
        self.books = [self._open_book(part) for part in parts]
        self._observers = Observers(members_of(self.books), self._observer_fault)
        self.world.market_now = (lambda: self.market_now or self.world.clock.now()) if self.recorded else None
        self.hold(hold)
        self.look_at_blocks()
        self._tell_what_stands()

    def _say_started(self, hold: bool) -> None:
        mode = self.settings.trading.mode
        names = [book.name for book in self.books]
        self.log.info(START_EVENTS[self.kind], mode=mode, books=names, hold=hold)
        listening = self._listening()
        listening.notify("on_session_start", session=self.id, mode=mode, at=self.world.now())
        for book in self.books:
            book.retell()
        for name in dict.fromkeys(
            made.instance for book in self.books for made in (book.parts.feed.made, book.parts.broker)
        ):
            listening.notify("on_connection", name=name, connected=True, reason="start")
        if self.kind == "warm":
            opening.verify_aside(self)

    def _open_book(self, part: Assembled) -> Book:
        journal = StoreJournal(
            self.store, book=part.name, venue=part.broker.plugin.name, account=part.account.account_id,
            session=self.id, clock=self.world.clock, point=self.world.point,
        )  # fmt: skip
        brakes, unseen = Halts(part.name, add=self._add_block), Unseen()
        gate = Gate(
            part.broker.object,
            checks=(self.kill, brakes, unseen, Alone(self._lock.left)),
            fault=lambda method, error: self._call_fault(part.broker, f"{method}()", error),
            dry_run=self.settings.trading.dry_run,
            point=self.world.point,
        )
        engine = Engine(
            part.name, desk=part.desk, market=part.market, broker=part.broker.object, account=part.account,
            journal=journal, gate=gate, lane=part.lane, state=self.load(journal), recorded=part.recorded,
            policy=_policy(part), stateful=part.stateful, moment=self._set_moment, clock=self.world.clock,
            point=self.world.point, brakes=brakes, panic=self.panic,
        )  # fmt: skip
        brakes.increases = unseen.increases = engine.increases
        unseen.is_news = lambda fact: engine.reconciler.surprising(fact)  # noqa: PLW0108 - a store that fails makes another
        return Book(part, engine, brakes, unseen, observers=self._listening, alerts=self.alerts, log=self.log)

    def load(self, journal: Journal) -> BookState:
        """Where a book stands, with the absent orders that are still looked out for."""
        return journal.load(self.world.clock.now() - WATCH)

    async def _meet(self, adopt: bool, cancel_open: bool) -> None:
        """The first words with each venue: learn what happened meanwhile, and agree on what is held."""
        onlooker = asyncio.ensure_future(self._look_on())
        try:
            await self._meet_all(adopt, cancel_open)
        finally:
            onlooker.cancel()

    async def _look_on(self) -> None:
        """Venues may take minutes to answer; what nobody can place is told meanwhile."""
        while True:
            for book in self.books:
                book.look_at_the_unknown()
            await asyncio.sleep(1.0)

    async def _meet_all(self, adopt: bool, cancel_open: bool) -> None:
        for book in self.books:
            waits = pauses(self.settings.application.connect, self.world)
            while not await self._met(book, adopt, cancel_open):
                pause = next(waits, None)
                if pause is None and (self.recorded or book.engine.opened is None):
                    raise Unreachable(f"The broker of book '{book.name}' does not say where the account stands.")
                if pause is None:
                    book.met = False  # the book's own task goes on asking; it decides nothing until then
                    break
                await asyncio.sleep(pause)

    async def _met(self, book: Book, adopt: bool, cancel_open: bool) -> bool:
        engine, panel = book.engine, book.engine.market.panel
        row = min(book.next_row, max(panel.rows - 1, 0))
        at = instant(panel.start[row]) if self.recorded else self.world.clock.now()
        report = Report()
        self.world.point("connect>reconcile")
        try:
            if engine.number == 0 and not engine.ledger.holdings and engine.opened is None:
                await by_hand.open_book(engine, report, row, at, adopt=adopt, cancel_open=cancel_open)
                whole = True
            else:
                whole = await engine.awaken(report, row, at)
                if book.next_row > 0 and panel.rows:
                    engine.standing.look(min(book.next_row - 1, panel.rows - 1))
        except Unreachable as error:
            report.unreached.append(error.what)
            whole = False
        book.tell(report)
        book.look_at_the_unknown()
        return whole

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
        self._tell_deaf(found is None)
        if found is None:
            return
        for book in self.books:
            book.brakes.update(found)
        try:
            await self._obedience.hear()
            self._upkeep()
        except StoreError as error:
            self.log.warning("store_failed", text=str(error))

    def _tell_deaf(self, deaf: bool) -> None:
        if deaf and not self._deaf:
            self.log.error("store_failed", text="the database cannot be read: everything is halted until it can")
            self.alerts.raise_(Severity.CRITICAL, "store_failed", "The database cannot be read: everything is halted.")
        self._deaf = deaf

    def _upkeep(self) -> None:
        now = self.world.clock.monotonic()
        renew = getattr(self._lock, "renew", None)
        if renew is not None and now >= self._next_renewal:
            self._next_renewal = now + self.settings.application.lease_seconds / 3
            if not renew():
                self.alerts.raise_(Severity.CRITICAL, "lease_lost", "Another session has taken this database over.")
                self.stop("lease lost")
        if now >= self._next_mark:
            self._next_mark = now + MARK_SECONDS
            with suppress(OSError):
                write_mark(self.store, self.settings.state_dir / MARK)

    def look_at_blocks(self) -> None:
        """Take over what stands in the store."""
        found = self.kill.look()
        for book in self.books:
            book.brakes.update(found or [])

    def _tell_what_stands(self) -> None:
        """At a start: the process that set a block may have died before it told anybody."""
        for block in blocks.standing(self.store):
            if block.level in ("reduce", "halt") and block.scope != EVERYTHING:
                self._alert_of(block.scope, block.level, block.reason)

    def _alert_of(self, scope: str, level: str, reason: str) -> None:
        """People hear of it, at each start again."""
        state = "halted" if level == "halt" else "reduce only"
        self.alerts.raise_(Severity.CRITICAL, "halted", f"{scope} is {state}: {reason}", same=f"{scope} {reason}")

    def _add_block(self, scope: str, level: blocks.Level, reason: str) -> None:
        blocks.block(self.store, scope, level, reason)
        self.told(scope, "halted" if level == "halt" else "reduce only", reason)
        self._alert_of(scope, level, reason)

    def told(self, scope: str, state: str, reason: str) -> None:
        """Tell observers and the log that trading changed its state."""
        self.log.warning("state", scope=scope, state=state, reason=reason)
        self._listening().notify("on_state_change", scope=scope, state=state, reason=reason)

    # ---- the kill switch -------------------------------------------------------------------------------------------
    def _tripped(self, trip: Trip) -> None:
        """From whatever thread noticed it."""
        self.log.error("kill_switch", state="halted", reason=trip.reason, by=trip.by)
        self.alerts.raise_(Severity.CRITICAL, "kill_switch", f"Everything is halted: {trip.reason} ({trip.by}).")
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._after_trip, trip)

    def _after_trip(self, trip: Trip) -> None:
        self._listening().notify("on_state_change", scope="everything", state="halted", reason=trip.reason)
        self.sweep_soon()

    def sweep_soon(self) -> None:
        """Cancel whatever works at the venues, and go on until none does."""
        self._sweeper.soon()

    async def news_of(self, book: Book) -> None:
        """What a sweep did to the book's orders, asked at once or in the book's own time."""
        runner = next((each for each in self.runners if each.book is book), None)
        if runner is not None:
            runner.reconcile_soon()
            return
        report, row = Report(), max(min(book.next_row, book.rows) - 1, 0)
        await book.engine.reconciler.news(report, row, self.world.now())
        book.tell(report)

    async def sweep(self) -> str:
        """The same, now: what is left after some seconds, "" if nothing works anywhere."""
        left = await self._sweeper.now()
        if left:
            self._sweeper.soon()
        return left

    def panic(self, text: str) -> None:
        """A fault of the program itself: everything is halted."""
        self.log.error("assertion", text=text)
        self.kill.trip(f"a fault of the program: {text}", "trader")

    def connection_changed(self, book: Book, connected: bool, reason: str) -> None:
        """A broker was lost, or reached again."""
        name = book.parts.broker.instance
        self.log.warning("connection", broker=name, connected=connected, reason=reason)
        self._listening().notify("on_connection", name=name, connected=connected, reason=reason)
        if not connected:
            text = (
                f"Broker '{name}' of book '{book.name}' is lost: {reason}. The book decides nothing until it is back."
            )
            self.alerts.raise_(Severity.ERROR, "connection_lost", text)

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
        self._listening().notify("on_session_stop", session=self.id, reason=reason)
        self.log.info("loop_shutdown", reason=reason, open_orders=sum(len(b.engine.open_orders()) for b in self.books))
        with suppress(OSError, StoreError):
            write_mark(self.store, self.settings.state_dir / MARK)
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

    # ---- faults and listeners --------------------------------------------------------------------------------------
    def _set_moment(self, cycle_id: str) -> None:
        self.world.moment = cycle_id

    def _listening(self) -> Observers:
        return self._observers or Observers((), self._observer_fault)

    def _observer_fault(self, made: Provided, hook: str, error: BaseException) -> None:
        self.log.error("observer_fault", hook=hook, text=describe_fault(made, f"{hook}(...)", error))

    def _call_fault(self, made: Provided, method: str, error: BaseException) -> None:
        text = describe_fault(made, method, error)
        self.log.error("plugin_fault", text=text)
        self.alerts.raise_(Severity.ERROR, "plugin_fault", text)

    def alert_raised(self, alert: Alert) -> None:
        """Observers hear of an alert before any transport has it."""
        self._listening().notify("on_alert", alert=alert)

    def alert_fault(self, transport: str, reason: str) -> None:
        self.log.error("alert_failed", transport=transport, reason=reason)


def _quiet(_book: Book, _report: Report) -> None:
    """Nobody watches."""


def _policy(part: Assembled) -> VenuePolicy:
    """What the manifest says of the venue, and the settings of the book."""
    capabilities, chosen = part.broker.plugin.capabilities, part.settings.reconcile
    horizon = float(capabilities.get("horizon_seconds", 600.0))
    return VenuePolicy(
        horizon_seconds=horizon,
        late_arrival_bounded=bool(capabilities.get("late_arrival_bounded", horizon == 0)),
        watch_seconds=float(capabilities.get("watch_seconds", 86_400.0)),
        id_policy=str(capabilities.get("id_policy", "forever")),
        external=chosen.external,
        cash_tolerance=Decimal(str(chosen.cash_tolerance)),
    )
