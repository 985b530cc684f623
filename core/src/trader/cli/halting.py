"""What `trader kill` does through the database: store the halt, ask a running session for its part, look what it has.

It has a thread of its own: a database that hangs keeps nobody from the venues.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trader.cli.asking import POLL_SECONDS, who
from trader.cli.state import Runs, look, running
from trader.clock import Clock
from trader.errors import ESCAPES, TraderError

if TYPE_CHECKING:
    from trader.store.blocks import Block
    from trader.store.commands import Command
    from trader.store.database import Store

BUSY_SECONDS = 1.5
DOUBTFUL = ("submitting", "unknown", "replace_unknown")
"""States of an order whose last word never came: it may still turn up at a venue that shows none."""


class Halting:
    """What is known so far. `go` is the thread's work; set `stopping` to end it."""

    def __init__(self, target: Callable[[], str | Path], reason: str, clock: Clock) -> None:
        self.stored = False
        self.unstored = ""
        """Why the halt is not in the database."""
        self.unread = ""
        """Why nothing can be said about orders and sessions."""
        self.runs = Runs(False)
        self.answer: Command | None = None
        self.doubtful: list[str] = []
        """Beginnings of the ids of orders that may still turn up."""
        self.looked = False
        """Whether it is known if a session runs."""
        self.over = False
        self.stopping = threading.Event()
        self._target, self._reason, self._clock = target, reason, clock
        self._news = 0
        self._before: Counter[str] = Counter()
        self._open: Counter[str] = Counter()

    def start(self) -> None:
        threading.Thread(target=self.go, name="kill database", daemon=True).start()

    @property
    def asked(self) -> bool:
        """Whether a session runs, or may run."""
        return self.runs.alive is not False

    @property
    def answered(self) -> bool:
        return self.answer is not None and self.answer.state == "done"

    @property
    def swept(self) -> bool:
        """Whether the session saw its venues without an order; that it halts does not say so."""
        from trader.safety.sweep import TRYING

        return self.answer is not None and self.answered and not str(self.answer.answer).endswith(TRYING)

    @property
    def open_orders(self) -> dict[str, int]:
        """How many each book has, as the journal says."""
        return {book: count for book, count in self._open.items() if count}

    def left(self, books: tuple[str, ...]) -> int:
        """Open orders of these books, as the session has booked them."""
        return sum(self._open[book] for book in books)

    def cancelled(self, books: tuple[str, ...]) -> int:
        return sum(self._before[book] for book in books) - self.left(books)

    def go(self) -> None:
        """Until the session has answered and has no open order, or nobody waits any more."""
        try:
            target = self._target()
            reader = look(target)
        except ESCAPES as error:
            self.unread = self.unstored = _said(error)
            self.looked = self.over = True
            return
        try:
            if reader is not None:
                self._work(target, reader)
        except ESCAPES as error:
            self.unread = _said(error)
        finally:
            self.looked = self.over = True
            if reader is not None:
                reader.close()

    def _work(self, target: str | Path, reader: Store) -> None:
        from trader.store.database import open_store

        self.runs = running(reader)
        self._count(reader)
        self._before = self._open
        self.looked = True
        try:
            store = open_store(target, create=False, check=False, busy_seconds=BUSY_SECONDS, clock=self._clock)
        except ESCAPES as error:
            self.unstored = _said(error)
            return
        try:
            number = self._write(store)
            while number is not None and not self.stopping.is_set():
                number = self._listen(store, number)
                if self.answer is not None and (self.swept or not self.answered) and not self._open.total():
                    break
                self.stopping.wait(POLL_SECONDS)
            self._count(reader)
        finally:
            store.close()

    def _write(self, store: Store) -> int | None:
        """The halt, and the wish if a session runs; the wish's number."""
        from trader.store import blocks, commands

        try:
            blocks.block(store, blocks.EVERYTHING, "halt", self._reason)
            self.stored = True
            return commands.ask(store, "kill", {"reason": self._reason}, by=who()) if self.asked else None
        except ESCAPES as error:
            self.unstored = _said(error)
            return None

    def _listen(self, store: Store, number: int) -> int:
        """The number of the wish to look for next."""
        from trader.store import blocks, commands

        answer = commands.look(store, number)
        self._count(store)
        self.answer = self.answer if answer.state == "waiting" else answer
        if self.answered and self._open.total() and not self._news:  # cancelled there, and not booked here yet
            self._news = commands.ask(store, "reconcile", {"book": None, "adopt": None}, by=who())
        if answer.state == "done" and not self.swept and any(map(_latched, blocks.standing(store))):
            return commands.ask(store, "kill", {"reason": self._reason}, by=who())
        return number

    def _count(self, store: Store) -> None:
        from trader.cli.orders import unresolved
        from trader.cli.output import short
        from trader.store import reading

        rows = reading.orders(store, None, *unresolved())
        self._open = Counter(str(row["book"]) for row in rows)
        self.doubtful = [short(row["client_id"]) for row in rows if row["state"] in DOUBTFUL]


def _latched(block: Block) -> bool:
    from trader.store.blocks import EVERYTHING

    return (block.scope, block.level) == (EVERYTHING, "halt")


def _said(error: BaseException) -> str:
    """What it was; what to do about a database is for another hour."""
    text = error.what if isinstance(error, TraderError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split()).rstrip(".")
