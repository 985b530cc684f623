"""What a session tells of itself: observers by their hooks, the log, and people by alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trader.model import Alert, Severity
from trader.plugins import Observers, Provided, describe_fault
from trader.store import blocks
from trader.store.blocks import EVERYTHING

if TYPE_CHECKING:
    from trader.safety.stop import Trip
    from trader.session.books import Book
    from trader.session.session import Session

START_EVENTS = {"cold": "cold_start", "warm": "warm_start"}


class Announcer:
    """Speaks for one session; what a book does, the book tells. Nobody observes before `address`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.observers = Observers((), self._observer_fault)
        self._deaf = False

    def address(self, members: Sequence[Provided]) -> None:
        """From now on those of these plugin objects that observe are told."""
        self.observers = Observers(members, self._observer_fault)

    # ---- start and stop --------------------------------------------------------------------------------------------
    def started(self, hold: bool) -> None:
        """The session is ready, and every broker and source is connected."""
        session = self._session
        mode = session.settings.trading.mode
        names = [book.name for book in session.books]
        session.log.info(START_EVENTS[session.kind], mode=mode, books=names, hold=hold)
        self.observers.notify("on_session_start", session=session.id, mode=mode, at=session.world.now())
        for book in session.books:
            book.retell()
        for name in dict.fromkeys(
            made.instance for book in session.books for made in (book.parts.feed.made, book.parts.broker)
        ):
            self.observers.notify("on_connection", name=name, connected=True, reason="start")

    def stopped(self, reason: str) -> None:
        """The session is over."""
        session = self._session
        self.observers.notify("on_session_stop", session=session.id, reason=reason)
        working = sum(len(book.engine.open_orders()) for book in session.books)
        session.log.info("loop_shutdown", reason=reason, open_orders=working)

    # ---- what may trade --------------------------------------------------------------------------------------------
    def state_changed(self, scope: str, state: str, reason: str) -> None:
        """Trading changed its state."""
        self._session.log.warning("state", scope=scope, state=state, reason=reason)
        self.observers.notify("on_state_change", scope=scope, state=state, reason=reason)

    def blocked(self, scope: str, level: str, reason: str) -> None:
        """A block was set."""
        self.state_changed(scope, _state(level), reason)
        self._alert_block(scope, level, reason)

    def standing(self) -> None:
        """At a start: the process that set a block may have died before it told anybody."""
        for block in blocks.standing(self._session.store):
            if block.level in ("reduce", "halt") and block.scope != EVERYTHING:
                self._alert_block(block.scope, block.level, block.reason)

    def _alert_block(self, scope: str, level: str, reason: str) -> None:
        """People hear of it, at each start again."""
        text = f"{scope} is {_state(level)}: {reason}"
        self._session.alerts.raise_(Severity.CRITICAL, "halted", text, same=f"{scope} {reason}")

    def tripped(self, trip: Trip) -> None:
        """The kill switch, told from any thread; observers are told on the loop, by `halted`."""
        session = self._session
        session.log.error("kill_switch", state="halted", reason=trip.reason, by=trip.by)
        session.alerts.raise_(Severity.CRITICAL, "kill_switch", f"Everything is halted: {trip.reason} ({trip.by}).")

    def halted(self, trip: Trip) -> None:
        """The kill switch, for observers."""
        self.observers.notify("on_state_change", scope="everything", state="halted", reason=trip.reason)

    # ---- troubles --------------------------------------------------------------------------------------------------
    def deaf(self, deaf: bool) -> None:
        """Whether the database cannot be read; told once until it can."""
        if deaf and not self._deaf:
            session = self._session
            session.log.error("store_failed", text="the database cannot be read: everything is halted until it can")
            text = "The database cannot be read: everything is halted."
            session.alerts.raise_(Severity.CRITICAL, "store_failed", text)
        self._deaf = deaf

    def connection_changed(self, book: Book, connected: bool, reason: str) -> None:
        """A broker was lost, or reached again."""
        name = book.parts.broker.instance
        self._session.log.warning("connection", broker=name, connected=connected, reason=reason)
        self.observers.notify("on_connection", name=name, connected=connected, reason=reason)
        if not connected:
            text = (
                f"Broker '{name}' of book '{book.name}' is lost: {reason}. The book decides nothing until it is back."
            )
            self._session.alerts.raise_(Severity.ERROR, "connection_lost", text)

    def call_fault(self, made: Provided, method: str, error: BaseException) -> None:
        """A plugin failed in a call."""
        text = describe_fault(made, method, error)
        self._session.log.error("plugin_fault", text=text)
        self._session.alerts.raise_(Severity.ERROR, "plugin_fault", text)

    def _observer_fault(self, made: Provided, hook: str, error: BaseException) -> None:
        self._session.log.error("observer_fault", hook=hook, text=describe_fault(made, f"{hook}(...)", error))

    # ---- alerts ----------------------------------------------------------------------------------------------------
    def alert_raised(self, alert: Alert) -> None:
        """Observers hear of an alert before any transport has it."""
        self.observers.notify("on_alert", alert=alert)

    def alert_fault(self, transport: str, reason: str) -> None:
        """A transport did not deliver."""
        self._session.log.error("alert_failed", transport=transport, reason=reason)


def _state(level: str) -> str:
    return "halted" if level == "halt" else "reduce only"
