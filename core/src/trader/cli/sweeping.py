"""To the venues without the session: a connection of one's own to each broker, and cancels until it shows no order.

Each broker has a thread of its own, so that one that hangs or is broken keeps no other waiting. Only its own table of
the settings is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trader.clock import Clock
from trader.errors import ESCAPES, Refused, TraderError, redacted

if TYPE_CHECKING:
    from trader.plugins import Catalogue
    from trader.protocols import Broker
    from trader.settings import Raw

FIRST_SECONDS, LONGEST_SECONDS = 0.25, 5.0
"""The pause between two rounds at a venue; it doubles."""
LOOKS = 2
"""So many times in a row the venue must show no order: what was sent a moment ago may not show at once."""


class Visit:
    """One broker and what was found there so far. `go` is its thread's work; set `stopping` to end it."""

    def __init__(self, name: str, books: tuple[str, ...], make: Callable[[], Broker], clock: Clock) -> None:
        self.name, self.books = name, books
        self.trouble = ""
        """Why it is not confirmed yet; a sentence without its full stop."""
        self.taken = False
        """Another process has this account to itself."""
        self.left: int | None = None
        """Orders that worked when it last answered; None: it has not."""
        self.positions: int | None = None
        self.confirmed: datetime | None = None
        """When the venue was seen without an order."""
        self.over = False
        self.stopping = threading.Event()
        self._make, self._clock = make, clock
        self._seen: set[str] = set()
        self._clean = self._looks = 0
        self._opened = False

    @property
    def cancelled(self) -> int:
        """Orders that worked there and do not any more."""
        return len(self._seen) - (self.left or 0)

    def start(self) -> None:
        threading.Thread(target=self.go, name=f"kill {self.name}", daemon=True).start()

    def go(self) -> None:
        """Until it is clean, it cannot be done, or nobody waits any more."""
        try:
            broker = self._make()
        except ESCAPES as error:
            self.trouble, self.over = said(error), True
            return
        pause = FIRST_SECONDS
        while not self.stopping.is_set() and self.confirmed is None:
            self._round(broker)
            if self.trouble or self.left:
                self.stopping.wait(pause)
                pause = min(2 * pause, LONGEST_SECONDS)
            elif self.confirmed is None:
                self.stopping.wait(FIRST_SECONDS)
        self.over = True
        with suppress(*ESCAPES):
            broker.close()

    def _round(self, broker: Broker) -> None:
        from trader.safety.sweep import PATIENT_LOOKS, sweep

        if not self._opened and not self._open(broker):
            return
        self._looks += 1
        swept = sweep(broker, one_by_one=self._looks > PATIENT_LOOKS)
        self.trouble = swept.trouble
        self._seen |= {one.venue_id or one.key for one in swept.shown}
        if swept.trouble:
            self._clean, self._opened = 0, False  # the connection may be what is broken
            with suppress(*ESCAPES):
                broker.close()
            return
        self.left = len(swept.shown)
        self._clean = self._clean + 1 if swept.clean else 0
        if self._clean >= LOOKS:
            self._count(broker)
            self.confirmed = self._clock.now()

    def _open(self, broker: Broker) -> bool:
        from trader.model import Unavailable

        try:
            answer = broker.open()
        except Refused as error:
            self.taken, self.trouble = True, error.what.rstrip(".")
            return False
        except ESCAPES as error:
            self.trouble = said(error)
            return False
        if isinstance(answer, Unavailable):
            self.trouble = f"it does not let us in: {answer.reason}"
            return False
        self.taken, self.trouble, self._opened = False, "", True
        return True

    def _count(self, broker: Broker) -> None:
        from trader.model import Unavailable

        try:
            held = broker.positions()
            self.positions = None if isinstance(held, Unavailable) else sum(1 for each in held if each.quantity)
        except ESCAPES:
            self.positions = None  # only told, nothing hangs on it


def visits(raw: Raw, state: Path, clock: Clock) -> list[Visit]:
    """Every broker that a book names, once; one that cannot be found is a visit that says so."""
    from trader.plugins import catalogue, select
    from trader.plugins.selection import books

    installed = catalogue()
    names: dict[str, list[str]] = {}
    found: list[Visit] = []
    for book in books(raw.tree):
        try:
            names.setdefault(select(raw.tree, "broker", installed, book=book), []).append(book)
        except TraderError as error:
            found.append(_lost(book, said(error), clock))
    for name, its in names.items():
        found.append(Visit(name, tuple(its), _maker(raw, state, clock, installed, name), clock))
    return found


def _lost(book: str, why: str, clock: Clock) -> Visit:
    def make() -> Broker:
        raise Refused(f"{why}: nobody knows where book '{book}' trades.")

    return Visit(f"book {book}", (book,), make, clock)


def _maker(raw: Raw, state: Path, clock: Clock, installed: Catalogue, name: str) -> Callable[[], Any]:
    def make() -> Any:
        """As a session makes it, from its own table alone, in a world of its own."""
        from trader.env import World
        from trader.plugins import plugin_of, provide
        from trader.settings.document import PluginKeys

        table = raw.get("brokers", name, default={})
        origin = raw.origin(("brokers", name))
        plugin = installed.get("broker", plugin_of(raw.tree, "broker", name), where=origin)
        options = {key: value for key, value in table.items() if key not in PluginKeys.model_fields}
        world = World(raw.path.parent, state, clock)
        connection = str(table.get("connection") or name)
        secrets = plugin.permissions.secrets
        door = world.door(name, distribution=plugin.distribution, connection=connection, secrets=secrets)
        return provide(plugin, options, door, instance=name, origin=origin, raw=raw).object

    return make


def said(error: BaseException) -> str:
    """An error as part of a line."""
    text = str(error) if isinstance(error, TraderError) else f"{type(error).__name__}: {error}"
    return " ".join(redacted(text).split()).rstrip(".")
