"""A session: start, run, stop.

    summary = Session(settings).start().run()

`start` puts every book together and resumes it from its journal; `run` plays cycles until there is a reason to stop;
`shutdown` lets go of everything. Plugins are called in lanes; only this loop is asynchronous.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from trader import __version__
from trader.alerts import Alerts
from trader.clock import SystemClock
from trader.cycle.market import instant
from trader.env import World
from trader.errors import Refused, SettingsError, StoreError
from trader.model import Severity
from trader.orders.gate import Gate
from trader.orders.lifecycle import UNRESOLVED
from trader.orders.store_journal import StoreJournal
from trader.plugins import Catalogue, Observers, Provided, catalogue, describe_fault
from trader.session.assemble import Assembled, Kit, assemble
from trader.session.books import Book, members_of
from trader.session.engine import Engine, Report
from trader.session.interrupts import Signals, complete
from trader.session.playback import POLL_SECONDS, play
from trader.session.summary import Summary
from trader.settings import Settings, load
from trader.store import DATABASE, commands
from trader.store.database import Store, open_store
from trader.store.reading import fingerprint, holdings
from trader.store.reading import orders as stored_orders
from trader.store.runs import current_epoch, open_epoch, start_session, stop_session
from trader.telemetry.logs import logger, set_up

START_EVENTS = {"cold": "cold_start", "warm": "warm_start"}
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
        self.id = self.world.entropy(6).hex()
        self.held = False
        self.kind = ""
        self._reason: str | None = None
        self._started = False
        self._closing: list[Callable[[], object]] = []
        self._observers: Observers | None = None
        self.market_now: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown("error" if error else None)

    # ---- start -----------------------------------------------------------------------------------------------------
    def start(self, *, cold_start: bool = False, fresh: bool = False, hold: bool = False) -> Self:
        """Open everything; warm by default, cold for an empty store or if asked. Nothing is decided yet.

        `fresh`: archive the state and begin again (recorded data on a broker that trades on our bars only). `hold`:
        decide nothing until `trader release`. Errors: any TraderError; nothing is left open then.
        """
        try:
            self._start(cold_start, fresh, hold)
        except BaseException:
            self._close()
            raise
        return self

    def _start(self, cold: bool, fresh: bool, hold: bool) -> None:
        settings, state = self.settings, self.settings.state_dir
        if settings.trading.mode == "live":
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
        self.log = logger("session").bind(session=self.id)
        kit = Kit(settings, self._catalogue or catalogue(), self.world)
        self._refuse_unlike(kit, fresh)
        store = open_store(state / DATABASE)
        self._closing.append(store.close)
        lock = store.lock()
        self._closing.append(lock.release)
        if fresh:
            store = self._archive(store)
        self.store: Store = store
        self.alerts = self._open_alerts(kit)
        parts = self._assemble(kit)
        recorded = parts[0].recorded
        self.recorded = recorded
        self._open_epoch(recorded, cold, fresh)
        digest = hashlib.sha256(repr(sorted(settings.raw.tree.items())).encode()).hexdigest()
        start_session(store, self.id, mode=settings.trading.mode, version=__version__, settings_hash=digest)
        self._started = True
        self.books = [self._open_book(part) for part in parts]
        self._observers = Observers(members_of(self.books), self._observer_fault)
        self.world.market_now = (lambda: self.market_now or self.world.clock.now()) if recorded else None
        self.held = hold
        complete(self._meet())
        names = [book.name for book in self.books]
        self.log.info(START_EVENTS[self.kind], mode=settings.trading.mode, books=names, hold=hold)
        self._observers.notify("on_session_start", session=self.id, mode=settings.trading.mode, at=self.world.now())
        for name in dict.fromkeys(made.instance for part in parts for made in (part.feed.made, part.broker)):
            self._observers.notify("on_connection", name=name, connected=True, reason="start")

    def _refuse_unlike(self, kit: Kit, fresh: bool) -> None:
        """Before anything is opened: clocks that cannot run together, and --fresh where it would lose the truth."""
        from trader.plugins import select

        clocks: dict[str, bool] = {}
        where = self.settings.path.name
        for name in self.settings.book_names:
            chosen = select(self.settings.raw.tree, "data_source", kit.catalogue, book=name, where=where)
            table = self.settings.table("data_sources", chosen)
            clocks[name] = bool(kit.plugin("data_source", table).capabilities.get("recorded", False))
            broker = self.settings.table(
                "brokers", select(self.settings.raw.tree, "broker", kit.catalogue, book=name, where=where)
            )
            needs_bars = kit.plugin("broker", broker).capabilities.get("needs_bars", False)
            if fresh and not (clocks[name] and needs_bars):
                raise Refused(
                    f"--fresh begins again from nothing; the account of book '{name}' does not.",
                    todo="It is for recorded data on a broker that trades on our bars (paper).",
                )
        if len(set(clocks.values())) > 1:
            kinds = ", ".join(f"{name}: {'recorded' if known else 'live'}" for name, known in clocks.items())
            raise SettingsError(
                f"Recorded and live data cannot share a session, each has its own clock ({kinds}).",
                where=where,
                todo="Run them as two sessions, each with a settings file and a state folder of its own.",
            )

    def _archive(self, store: Store) -> Store:
        """Move the database and what plugins keep to archive/, and open an empty one."""
        import shutil

        state = self.settings.state_dir
        self._closing.remove(store.close)
        folder = store.archive("fresh")
        if (state / "plugins").exists():
            shutil.move(state / "plugins", folder / "plugins")
        self.log.info("archived", folder=folder.name)
        store = open_store(state / DATABASE)
        self._closing.append(store.close)
        return store

    def _open_alerts(self, kit: Kit) -> Alerts:
        tables = [table for table in self.settings.tables("alert_transports").values() if table.enabled]
        made = [kit.shared("alert_transport", table.name) for table in tables]
        for one in made:
            failed = one.object.check()
            if failed is not None:
                raise SettingsError(f"It cannot deliver: {failed.reason}", where=one.label)
        alerts = Alerts(
            [(one.instance, one.object) for one in made],
            now=self.world.clock.now,
            fault=self._alert_fault,
            raised=lambda alert: self._listening().notify("on_alert", alert=alert),
        )
        self._closing.append(alerts.close)
        return alerts

    def _assemble(self, kit: Kit) -> list[Assembled]:
        self._closing.append(lambda: self._close_plugins(kit))
        parts = [assemble(kit, name, self._held(name)) for name in self.settings.book_names]
        accounts: dict[tuple[str, str], str] = {}
        for part in parts:
            key = (part.broker.plugin.name, part.account.account_id)
            if key in accounts:
                raise SettingsError(
                    f"Books '{accounts[key]}' and '{part.name}' trade one account, {part.account.account_id}.",
                    where=self.settings.path.name,
                    todo="An account belongs to one book: give each a broker table with its own account.",
                )
            accounts[key] = part.name
        return parts

    def _held(self, book: str) -> list[str]:
        """Symbols that a book holds or has orders in: they need bars, whether the settings cover them or not."""
        if current_epoch(self.store) is None:
            return []
        held = [str(row["symbol"]) for row in holdings(self.store, book) if row["quantity"]]
        return list(
            dict.fromkeys([*held, *(str(row["symbol"]) for row in stored_orders(self.store, book, *UNRESOLVED))])
        )

    def _close_plugins(self, kit: Kit) -> None:
        for made in reversed(kit.provided):
            close = getattr(made.object, "close", None)
            if close is not None:
                try:
                    close()
                except Exception as error:  # noqa: BLE001 - the others must be closed too
                    self.log.error("plugin_fault", text=describe_fault(made, "close()", error))
        for lane in kit.lanes.values():
            lane.close()
        self.world.close()

    def _open_epoch(self, recorded: bool, cold: bool, fresh: bool) -> None:
        present = current_epoch(self.store)
        if present is not None and not cold:
            self.kind = "warm"
            return
        if present is not None and recorded:
            raise Refused(
                "A cold start keeps the account as it is, and recorded bars were played on it already.",
                todo="Begin again from the first bar: trader run --fresh",
            )
        number = present.number + 1 if present else 1
        seed = f"{self.settings.application.seed}|{number}".encode()
        nonce = hashlib.blake2b(seed, digest_size=16).digest() if recorded else self.world.entropy(16)
        open_epoch(self.store, nonce, "cold" if present else "fresh" if fresh else "first")
        self.kind = "cold"

    def _open_book(self, part: Assembled) -> Book:
        journal = StoreJournal(
            self.store,
            book=part.name,
            venue=part.broker.plugin.name,
            account=part.account.account_id,
            session=self.id,
            clock=self.world.clock,
        )
        gate = Gate(
            part.broker.object,
            fault=lambda method, error: self._call_fault(part.broker, f"{method}()", error),
            dry_run=self.settings.trading.dry_run,
        )
        engine = Engine(
            part.name,
            desk=part.desk,
            market=part.market,
            broker=part.broker.object,
            account=part.account,
            journal=journal,
            gate=gate,
            lane=part.lane,
            state=journal.load(),
            recorded=part.recorded,
            horizon_seconds=part.broker.plugin.capabilities.get("horizon_seconds"),
            stateful=part.stateful,
            moment=self._set_moment,
        )
        return Book(part, engine, observers=self._listening, alerts=self.alerts, log=self.log)

    async def _meet(self) -> None:
        """The first words with each venue: learn what happened meanwhile, and agree on what is held."""
        for book in self.books:
            engine, panel = book.engine, book.engine.market.panel
            row = min(book.next_row, max(panel.rows - 1, 0))
            at = instant(panel.start[row]) if self.recorded else self.world.clock.now()
            report = Report()
            if engine.number == 0 and not engine.ledger.holdings and engine.ledger.cash == 0:
                await engine.open_book(report, at)
            else:
                await engine.sync(report, row, at, resolve=True)
                await engine.agree()
                await engine.repeat_cancels(report, at)
                if book.next_row > 0:
                    engine.standing.look(book.next_row - 1)
            book.tell(report)

    # ---- run -------------------------------------------------------------------------------------------------------
    def run(self, *, cycles: int | None = None, pace: float | None = None, progress: Progress | None = None) -> Summary:
        """Play until there is a reason to stop, then let go of everything.

        `cycles`: at most so many; `pace`: recorded bars a second (None: as fast as they decide). Errors: TraderError;
        the journal is intact in any case.
        """
        began = self.world.clock.monotonic()
        if not self.settings.application.schedule.run_forever:
            cycles = 1
        try:
            complete(self._run(cycles, pace, progress or _quiet))
        except BaseException as error:
            self._reason = f"error: {type(error).__name__}"
            with suppress(StoreError):  # the first error is the one to tell: a full disk fails here too
                self.shutdown(self._reason)
            self._close()
            raise
        summary = self._summary(self.world.clock.monotonic() - began)
        self.shutdown(self._reason)
        return summary

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
        with Signals(self.stop):
            await self._while_held()
            if self.recorded:
                await play(self, cycles, pace, progress)
            else:
                from trader.session.schedule import follow

                await follow(self, cycles, progress)

    async def _while_held(self) -> None:
        if self.held:
            self.log.info("held", todo="trader release")
            self._listening().notify("on_state_change", scope="session", state="held", reason="--hold")
        while self.held and not self.world.stopping.is_set():
            self.obey()
            if self.held:
                await asyncio.sleep(POLL_SECONDS)

    def obey(self) -> None:
        """Answer what other processes asked for."""
        for command in commands.waiting(self.store):
            if command.kind == "release":
                was, self.held = self.held, False
                commands.answer(self.store, command.id, "released" if was else "nothing was held")
                self.log.info("released", by=command.requested_by)
                reason = f"released by {command.requested_by}"
                self._listening().notify("on_state_change", scope="session", state="released", reason=reason)
            elif command.kind == "stop":
                commands.answer(self.store, command.id, "stopping after the present step")
                self.stop("trader stop")
            else:
                commands.answer(self.store, command.id, f"unknown command {command.kind!r}", refused=True)

    # ---- stop ------------------------------------------------------------------------------------------------------
    def shutdown(self, reason: str | None = None) -> None:
        """Let go of everything; twice is once."""
        if self._started:
            self._started = False
            reason = reason or self._reason or "shut down"
            self._listening().notify("on_session_stop", session=self.id, reason=reason)
            self.log.info("loop_shutdown", reason=reason)
            stop_session(self.store, self.id, reason)
        self._close()

    def _close(self) -> None:
        while self._closing:
            self._closing.pop()()

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

    def _alert_fault(self, transport: str, reason: str) -> None:
        self.log.error("alert_failed", transport=transport, reason=reason)


def _quiet(_book: Book, _report: Report) -> None:
    """Nobody watches."""
