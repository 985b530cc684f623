"""Live data: each book at work in a task of its own; the session's loop hears people, watches, and waits for none.

A book does one thing after another: what a person asks, a late answer, reconciliation, a heartbeat, a cycle. A broker
that hangs holds up its own book and no other. APScheduler (or a simulation's timetable) says when a cycle is due.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trader.cycle.market import instant
from trader.errors import IllegalTransition, StoreError, Unreachable
from trader.model import Fill, OrderReport, Severity, Unavailable
from trader.session import asking
from trader.session.asking import ask
from trader.session.bars import Again, fetch, overdue, promised_in
from trader.session.connect import Connection
from trader.session.lanes import Priority
from trader.session.report import Report
from trader.session.schedule import APTimetable, trigger
from trader.session.stream import OrderStream

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Progress, Session

POLL_SECONDS = 0.5
"""How often a session looks for what other processes ask of it."""
STORE_PAUSE = 2.0
"""Seconds before a store that failed is tried again."""
STORE_QUIET = 600.0
"""Seconds in which a store that fails again, and has kept no decision meanwhile, is the trouble that was told."""

Request = Callable[["Runner"], Awaitable[None]]


class Runner:
    """One book's task. `cycles`: so many at most (None: no end)."""

    def __init__(self, session: Session, book: Book, cycles: int | None, progress: Progress) -> None:
        self.session, self.book, self.left, self.progress = session, book, cycles, progress
        self._once_only = cycles == 1
        self.engine = book.engine
        self.settings = session.settings.application
        self.connection = Connection(self._changed)
        self.stream = OrderStream(session, book, heard=self._heard, missed=self.reconcile_soon)
        self.requests: deque[Request] = deque()
        self.events: deque[Fill | OrderReport] = deque()
        self._wake = asyncio.Event()
        self._due = True
        self._again = Again(session.world)
        self._not_before = float("-inf")
        """When the source has a bar that closed a moment ago."""
        self.stale = not book.met
        """Whether everything must be reconciled before the next decision."""
        self._broken = False
        """Whether the store failed in the middle of something: memory is not to be believed."""
        self._store_quiet = float("-inf")
        self._deciding: int | None = None
        """How many cycles were decided before the one under way."""
        self._nothing = ""
        """Why the last cycle decided nothing, if it did not."""
        self._clocks_differ = False
        now = self._now()
        self.last_beat = now
        self._next_beat = now
        self._next_look = now + book.parts.settings.reconcile.interval_seconds
        self.engine.sender.wake = self._wake.set
        self.done = False
        self.over = False
        """Whether nobody takes up what is asked of it any more."""

    def _now(self) -> float:
        return self.session.world.clock.monotonic()

    def cycle_due(self) -> None:
        """The timetable's call."""
        self._due = True
        self._again.triggered()
        self._wake.set()

    def hurry(self) -> None:
        """The session stops: do not rest any longer."""
        self._wake.set()

    def ask(self, request: Request) -> None:
        """Do this in the book's own time; a person wants it."""
        self.connection.retry()
        self.requests.append(request)
        self._wake.set()

    def reconcile_soon(self) -> None:
        """Something may have been missed."""
        self.stale = True
        self._wake.set()

    def _heard(self, event: Fill | OrderReport) -> None:
        """A stream's word."""
        self.events.append(event)
        if self.engine.reconciler.strangers.surprising(event):
            self.book.unseen.hear(event)
            self.stale |= isinstance(event, OrderReport)  # only a query shows all of somebody else's orders
        self._wake.set()

    # ---- the loop --------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until the session stops, or the cycles are played."""
        stopping = self.session.world.stopping
        while not stopping.is_set() and (self.requests or not self.done):
            try:
                await self._once()
            except StoreError as error:
                await self._store_failed(error)
            except IllegalTransition as error:
                self.session.panic(f"book '{self.book.name}': {error}")
                self._broken = True
            await self._rest()
        self.over = True

    async def _rest(self) -> None:
        waiting = self._ready()
        heard = self.events and self.connection.up  # a book that is given up leaves them where they are
        if self.requests or heard or waiting or self.done:
            return
        soonest = min(self._next_beat, self._next_look)
        if self._again.at is not None:
            soonest = min(soonest, self._again.at)
        if self._due and self._not_before > self._now():
            soonest = min(soonest, self._not_before)
        seconds = min(max(soonest - self._now(), 0.0), POLL_SECONDS if self._due or self.stale else 60.0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(seconds, 0.01))
        self._wake.clear()

    async def _once(self) -> None:
        if self._again.at is not None and self._now() >= self._again.at:
            self._again.at, self._due = None, True
        if self._broken and not await self._reload():
            return
        while self.requests:
            await self.requests.popleft()(self)
        if self.done:
            return
        if not self.connection.up:
            if not self.connection.given_up:
                await self._reconnect()
            self._next_beat = self._next_look = self._now() + self.settings.heartbeat.interval_seconds
            return
        await self._settle()
        if self._now() >= self._next_beat:
            await self._beat()
        if self.stale or self._now() >= self._next_look:
            await self.reconcile()
        if self._ready():
            self._due, self._deciding = False, self.engine.number
            await self._cycle()
            if self.engine.number > self._deciding:
                self._store_quiet = float("-inf")
            self._deciding = None

    async def _settle(self) -> None:
        """Late answers, and what a stream brought."""
        report, at = Report(), self.session.world.clock.now()
        self.engine.sender.settle_late(report, at)
        fills = []
        self.book.unseen.clear()
        while self.events:
            event = self.events.popleft()
            if isinstance(event, Fill):
                said = self.engine.ledger.said(event)
                if said is None:
                    fills.append(event)
                elif said != (event.quantity, event.price):
                    self.stale = True  # which of the two is the older word, only a query tells
            else:
                self.engine.reconciler.shown([event], report, at)
        if fills:
            await self.engine.reconciler.book(fills, report, self._row)
        self._look_for_fills()
        self.book.tell(report)

    def _look_for_fills(self) -> None:
        """An order that is over, and whose executions are not all here: some venues tell of them by query only."""
        pause = self.engine.reconciler.awaited.pause()
        if pause is not None:
            self._next_look = min(self._next_look, self._now() + pause)

    @property
    def _row(self) -> int:
        return max(self.engine.market.panel.rows - 1, 0)

    def _ready(self) -> bool:
        return self._due and self._now() >= self._not_before and self._may_decide()

    def _may_decide(self) -> bool:
        held = self.session.held or self.session.kill.halted is not None
        return not held and not self._broken and self.connection.up and not self.stale and not self.book.brakes.paused

    # ---- its parts -------------------------------------------------------------------------------------------------
    async def reconcile(self) -> Report:
        """Everything, now."""
        report, at = Report(), self.session.world.clock.now()
        self.stale = False  # what is heard while it goes on may be missing in its answers
        whole = await self.engine.reconcile(report, self._row, at)
        self._next_look = self._now() + self.book.parts.settings.reconcile.interval_seconds
        if whole:
            self.connection.heard()
        else:
            self.stale = True
            self._next_look = min(self._next_look, self._now() + STORE_PAUSE)
            self.connection.silent("; ".join(report.unreached[-1:]))
        self._look_for_fills()
        self.book.tell(report)
        if self.session.kill.halted is not None and self.engine.reconciler.shown_working:
            self.session.sweep_soon()
        return report

    async def _beat(self) -> None:
        interval = self.settings.heartbeat.interval_seconds
        self._next_beat = self._now() + interval
        broker, lane, asked = self.engine.broker, self.engine.lane, self.engine.clock.now()
        account = await ask(lane, Priority.QUERY, broker.account, fits=asking.is_account)
        heard = self.engine.clock.now()
        positions = await ask(lane, Priority.QUERY, broker.positions, fits=asking.are_positions)
        if isinstance(account, Unavailable) or isinstance(positions, Unavailable):
            why = account if isinstance(account, Unavailable) else positions
            self.connection.silent(why.reason)
            return
        self.last_beat = self._now()
        self.engine.account = account
        self.connection.heard()
        self.book.heartbeat(account, positions)
        self._compare_clocks(asked, account.time, heard)

    def _compare_clocks(self, asked: datetime, there: datetime, heard: datetime) -> None:
        """The venue looked at its clock between question and answer; what it said then must not be far from that."""
        ahead = max((asked - there).total_seconds(), (there - heard).total_seconds())
        differs = ahead > self.settings.heartbeat.clock_limit_seconds
        if differs and not self._clocks_differ:
            says = f"Clocks differ: the broker of book '{self.book.name}' says {there}, this machine says {heard}."
            text = f"{says} Set the one that is wrong."
            self.session.alerts.raise_(Severity.ERROR, "clock_differs", text, same=f"{self.book.name} {there}")
        self._clocks_differ = differs

    async def _cycle(self) -> None:
        """Fetch what closed since the last cycle; decide on the newest bar."""
        try:
            decided = await self._decide()
        except Unreachable as error:
            await self._bars_not_taken(error)
            return
        if decided:
            self._count()
        elif self._once_only and not self._due:
            self.done = True
            self.session.ended(self._nothing)

    def _count(self) -> None:
        if self.left is not None:
            self.left -= 1
            self.done = self.left <= 0

    async def _decide(self) -> bool:
        if self._just_closed():
            return False
        trouble = await fetch(self.session, self.book)
        self._nothing = "no new bar to decide on" if trouble is None else "the data source did not answer"
        if trouble is not None:
            self._again.failed(trouble)
            return False
        self._look_for_late()
        panel = self.engine.market.panel
        if panel.rows == 0 or self.book.next_row >= panel.rows:
            return False
        first = panel.rows - 1 if self.engine.cycle_id is None else self.book.next_row
        for row in range(first, panel.rows - 1):
            # Bars that closed while nobody decided: the venue trades on them, the book is marked, no cycle is made up.
            self.book.tell(await self.engine.catch_up(row, news=row == first))
        if not self._may_decide():
            self._due = True
            return False
        report = await self.book.step(panel.rows - 1)
        self.progress(self.book, report)
        if report.unreached:
            self.connection.silent(report.unreached[-1])
        return True

    def _just_closed(self) -> bool:
        """Whether the newest bar closed so short a time ago that its source does not have it yet: the cycle waits for
        it, once, and is not decided on the bar before."""
        now, waited = self.session.world.clock.now(), self._not_before > float("-inf")
        seconds = promised_in(self.engine.market.panel, now, self.book.parts.feed.delay)
        if waited or seconds == 0.0:
            self._not_before = float("-inf")
            return False
        self._not_before, self._due = self._now() + seconds, True
        return True

    def _look_for_late(self) -> None:
        """Whether the newest bar is there; if not it is asked for again, and that it does not come is told."""
        panel, feed = self.engine.market.panel, self.book.parts.feed
        if not overdue(panel, self.session.world.clock.now(), feed.delay):
            self._again.well()
        elif self._again.late(panel.timeframe):
            newest = f"{instant(panel.end[panel.rows - 1]):%Y-%m-%d %H:%M}" if panel.rows else ""
            known = f" newer than that of {newest}" if newest else ""
            text = (
                f"Book '{self.book.name}': data source '{feed.made.instance}' has no {panel.timeframe} bar{known},"
                " and one is due. Nothing is decided until it comes."
            )
            self.session.log.warning("bars_late", book=self.book.name, source=feed.made.instance, newest=newest)
            self.session.alerts.raise_(Severity.WARNING, "bars_late", text, same=f"{self.book.name} {newest}")

    # ---- trouble ---------------------------------------------------------------------------------------------------
    def _changed(self, connected: bool, reason: str) -> None:
        self.session.connection_changed(self.book, connected, reason)
        self.stale = True

    async def _bars_not_taken(self, error: Unreachable) -> None:
        """By a venue that trades on ours. They are brought again: those that it has by then it takes no second time."""
        self._due = True
        self.book.tell(Report(unreached=[error.what]))
        self.connection.silent(error.what)
        await asyncio.sleep(STORE_PAUSE)

    async def _reconnect(self) -> None:
        broker, lane = self.engine.broker, self.engine.lane

        async def reopen() -> Any:
            await ask(lane, Priority.QUERY, broker.close)
            return await ask(lane, Priority.QUERY, broker.open, fits=asking.is_account)

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds)

        if await self.connection.again(self.settings.connect, self.session.world, reopen, sleep):
            await self.reconcile()

    async def _store_failed(self, error: StoreError) -> None:
        """Nothing is sent that is not stored: the book stands still until the store is back, and then begins anew
        from it."""
        if not self._broken:
            self._broken = True
            self.session.log.error("store_failed", book=self.book.name, text=str(error))
            text = f"Book '{self.book.name}' stands still, its journal cannot be written: {error.what}"
            if self._now() >= self._store_quiet:
                self.session.alerts.raise_(Severity.CRITICAL, "store_failed", text)
            self._store_quiet = self._now() + STORE_QUIET
        await asyncio.sleep(STORE_PAUSE)

    async def _reload(self) -> bool:
        """What the store holds is true: take that place again, as after a restart."""
        self.engine.resume(self.session.load(self.engine.journal))
        if self._deciding is not None:
            if self.engine.number > self._deciding:
                self._count()
            else:  # the journal does not have it: it is still to be decided
                self._due = True
            self._deciding = None
        report, at = Report(), self.session.world.clock.now()
        self.stale = False
        if not await self.engine.awaken(report, self._row, at):
            self.stale = True
        panel = self.engine.market.panel
        if panel.rows:
            self.engine.standing.look(min(max(self.book.next_row - 1, 0), panel.rows - 1))
        self._broken = False
        self.session.log.warning("store_back", book=self.book.name)
        self.book.tell(report)
        return True


# ---- the session's loop --------------------------------------------------------------------------------------------
async def live(session: Session, cycles: int | None, progress: Progress) -> None:
    """Run live cycles until the session stops, or each book has decided `cycles` times."""
    runners = [Runner(session, book, cycles, progress) for book in session.books]
    session.runners = runners
    make = session.world.make_timetable or APTimetable
    table = make()
    for runner in runners:
        parts = runner.book.parts
        plan = trigger(parts.settings.schedule, runner.engine.market.panel.timeframe, parts.feed.delay)
        table.add(plan, runner.cycle_due)
    table.start()
    tasks = [asyncio.ensure_future(runner.run()) for runner in runners]
    streams = [asyncio.ensure_future(runner.stream.listen()) for runner in runners]
    try:
        while not session.world.stopping.is_set() and not all(task.done() for task in tasks) and not _failed(tasks):
            await session.obey()
            _watch(session, runners)
            await asyncio.wait(tasks, timeout=POLL_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        if _failed(tasks):
            session.stop("a fault of the program")
        for runner in runners:
            runner.hurry()
        await _finish(session, tasks)
    finally:
        table.stop()
        for task in [*tasks, *streams]:
            task.cancel()
        await asyncio.gather(*tasks, *streams, return_exceptions=True)
    if not session.world.stopping.is_set():
        session.stop("cycles")


def _failed(tasks: Sequence[asyncio.Future[None]]) -> bool:
    return any(task.done() and (task.cancelled() or task.exception() is not None) for task in tasks)


async def _finish(session: Session, tasks: Sequence[asyncio.Future[None]]) -> None:
    """Let what is under way come to its end, at most for the grace; a fault of a book ends the session."""
    grace = session.settings.application.shutdown.grace
    session.stop_by = session.world.clock.monotonic() + grace
    if tasks:
        await asyncio.wait(tasks, timeout=grace)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()


def _watch(session: Session, runners: list[Runner]) -> None:
    """What nobody else would notice: a book that hangs, an order that nobody can place."""
    now, interval = session.world.clock.monotonic(), session.settings.application.heartbeat.interval_seconds
    for runner in runners:
        runner.book.look_at_the_unknown()
        if not runner.done and now - runner.last_beat > 2 * interval + POLL_SECONDS:
            text = f"Book '{runner.book.name}' has had no heartbeat for {now - runner.last_beat:.0f} s."
            session.alerts.raise_(
                Severity.ERROR, "heartbeat_missed", text, same=f"{runner.book.name} {runner.last_beat}"
            )
