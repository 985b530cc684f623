"""trader kill. What must be quick comes first; everything else is imported when the gate is closed."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trader.cli.asking import sentence, who
from trader.cli.options import json_option, load_raw, overrides, set_option, settings_option, settings_path, wants_json
from trader.cli.output import answer_json, clean, counted, facts, only_answers, unread
from trader.cli.state import Facts, database, state_folder
from trader.clock import SystemClock
from trader.errors import SettingsError, TraderError, Unreachable, storable
from trader.safety.stop import FILE, Trip, read_stop, write_stop

if TYPE_CHECKING:
    from trader.cli.halting import Halting
    from trader.cli.sweeping import Visit

SESSION_SECONDS = 5.0
"""So long a session may take for its answer where nothing but the answer is waited for."""
POLL_SECONDS = 0.05
STATE = "application.state_dir"


@click.command()
@click.option("--reason", default="by hand", show_default=True, metavar="TEXT", help="Why; it is kept with the halt.")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long until every venue shows no order.",
)
@settings_option
@set_option
@json_option
@click.pass_context
def kill(context: click.Context, reason: str, timeout: float) -> None:
    """Halt everything at once: no order passes, every working order is cancelled. Positions are kept.

    It needs no running session and no database: it writes the file STOP, goes to the venues itself, and asks a running
    session for the same. It stays halted over restarts until `trader rearm`.

    Exit code 0: every venue was seen without an order. 7: something could not be confirmed; it says what.
    """
    killing = Killing(context, reason)
    killing.latch()
    try:
        with only_answers(killing.quiet):
            killing.start()
            killing.wait(timeout)
    except KeyboardInterrupt:
        killing.note("interrupted", "nobody waits for the venues any more")
    killing.end()
    context.exit(0 if killing.clean else Unreachable.exit_code)


class Killing:
    """One use of the kill switch, step by step; each step is told when it is done."""

    def __init__(self, context: click.Context, reason: str) -> None:
        self.context, self.quiet, self.clock = context, wants_json(context), SystemClock()
        self.folder, self.unreadable = _folder(context)
        self.trip = Trip(storable(reason), who(), self.clock.now())
        self.unwritten = ""
        self.halting: Halting | None = None
        self.visits: list[Visit] = []
        self.started = False
        """Whether every venue is visited: without that nothing can be clean."""
        self.told: set[object] = set()

    # ---- the file --------------------------------------------------------------------------------------------------
    def latch(self) -> None:
        """Close the gate: the file first, before anything that could take long or fail."""
        before, pressed = read_stop(self.folder), self.clock.now()
        try:
            write_stop(self.folder, self.trip)
        except OSError as problem:
            self.unwritten = f"{problem.strerror or problem}"
        closed = self.clock.now()
        if self.unwritten:
            self.say("Kill switch: the gate is NOT closed by the file, the rest is tried.")
            self.note("file", f"{self.folder / FILE} cannot be written: {self.unwritten}")
            return
        self.say(f"Kill switch HALTED for everything, {clean(self.trip.reason)} ({self.trip.by}), {_at(self.trip.at)}.")
        if before is None:
            took = (closed - pressed).total_seconds() * 1000
            self.note("gate closed", f"{_at(closed)} ({took:.0f} ms)")
            return
        since = f" since {before.at:%Y-%m-%d} {_at(before.at)}" if before.at else ""
        self.note("before", f"it was halted already{since}: {before.reason} ({before.by})")
        self.trip = before

    # ---- database, session, venues ---------------------------------------------------------------------------------
    def start(self) -> None:
        """All at the same time."""
        from trader.cli.halting import Halting
        from trader.cli.sweeping import visits
        from trader.telemetry.logs import set_up

        set_up(None, terminal=None if self.quiet else "error")
        if self.unreadable:
            self.note("settings", f"they cannot be read, so no venue was asked: {self.unreadable}")
        else:
            raw = load_raw(self.context)
            self.halting = Halting(lambda: database(self.context), self.trip.reason, self.clock)
            self.halting.start()
            self.visits = visits(raw, self.folder, self.clock)
        for visit in self.visits:
            visit.start()
        self.started = not self.unreadable

    def wait(self, timeout: float) -> None:
        """Until all is confirmed, or cannot be."""
        began = self.clock.monotonic()
        while (passed := self.clock.monotonic() - began) < timeout:
            self._tell()
            if all(visit.over or self._by_session(visit) for visit in self.visits) and self._heard(passed):
                return
            self.clock.sleep(POLL_SECONDS)

    def _heard(self, passed: float) -> bool:
        """Whether there is nothing more to hear from database and session."""
        halting = self.halting
        if halting is None or halting.over or passed > SESSION_SECONDS:
            return True
        return halting.answered and not halting.doubtful

    def _by_session(self, visit: Visit) -> bool:
        """The session has this account to itself, and says that no order is open there."""
        halting = self.halting
        return visit.taken and halting is not None and halting.swept and halting.left(visit.books) == 0

    # ---- words -----------------------------------------------------------------------------------------------------
    def say(self, text: str) -> None:
        if self.quiet:
            return
        try:
            click.echo(text)
        except OSError:  # words that nobody can read keep no order working
            unread()

    def note(self, label: str, text: str) -> None:
        self.say(facts([(f"{label:<15}", text)]))

    def _tell(self) -> None:
        """What has become certain since."""
        if self.halting is not None and self.halting.stored:
            self._once("stored", "database", "the halt is stored there too")
        for visit in self.visits:
            if visit.confirmed or self._by_session(visit):
                self._once(visit, visit.name, self._outcome(visit))

    def _once(self, key: object, label: str, text: str) -> None:
        if key not in self.told:
            self.told.add(key)
            self.note(label, text)

    def _outcome(self, visit: Visit) -> str:
        if visit.confirmed:
            text = f"{counted(visit.cancelled, 'working order')} cancelled, 0 left (confirmed {_at(visit.confirmed)})"
            return text if visit.positions is None else f"{text}; {counted(visit.positions, 'position')} kept"
        if self.halting is not None and self._by_session(visit):
            return f"{counted(self.halting.cancelled(visit.books), 'open order')} cancelled by the session, 0 left"
        left = "" if visit.left is None else f"{counted(visit.left, 'order')} left; "
        return f"NOT confirmed: {left}{visit.trouble or 'it has not answered in time'}"

    def end(self) -> None:
        """Everything that was not told yet, and what to do next."""
        for visit in self.visits:
            visit.stopping.set()
        if self.halting is not None:
            self.halting.stopping.set()
        self._tell()
        for visit in self.visits:
            self._once(visit, visit.name, self._outcome(visit))
        for label, text in self._about_store():
            self.note(label, text)
        if self.quiet:
            try:
                answer_json(self.as_json())
            except OSError:  # the exit code says it to those who do not read
                unread()
            return
        if self.halting is not None and self.halting.asked:
            self.say(self._about_session(self.halting))
        if not self.clean:
            self.say("Not everything is confirmed. Try again (trader kill), or look at the venue's own page.")
            if self.halting is not None and self.halting.answered:
                self.say("The session goes on trying.")
        if self.latched:
            self.say('It stays halted over restarts. When the cause is mended: trader rearm --reason "..."')

    def _about_store(self) -> list[tuple[str, str]]:
        halting = self.halting
        if halting is None:
            return []
        lines = []
        if not halting.looked:
            lines.append(("database", "it does not answer; the file holds"))
        elif halting.unread:
            lines.append(("database", f"it cannot be read, the file holds: {halting.unread}"))
        elif halting.unstored:
            lines.append(("database", f"it did not take the halt, the file holds: {halting.unstored}"))
        if halting.doubtful:
            some = ", ".join(halting.doubtful[:5]) + (" ..." if len(halting.doubtful) > 5 else "")
            number = counted(len(halting.doubtful), "order")
            lines.append(("on its way", f"{number} whose answer never came, may still turn up: {some}"))
        for book, count in self._unvisited().items():
            number = counted(count, "open order")
            lines.append((f"book {book}", f"NOT confirmed: not in the settings any more, {number} by the journal"))
        return lines

    def _unvisited(self) -> dict[str, int]:
        """Books with open orders that the settings do not name: nobody knows their broker."""
        visited = {book for visit in self.visits for book in visit.books}
        opened = self.halting.open_orders if self.halting is not None and self.started else {}
        return {book: count for book, count in opened.items() if book not in visited}

    @staticmethod
    def _about_session(halting: Halting) -> str:
        if halting.answer is None:
            return f"The session did not answer ({halting.runs}); this was done without it."
        return f"The session ({halting.runs}) answered: {sentence(halting.answer)}."

    # ---- outcome ---------------------------------------------------------------------------------------------------
    @property
    def latched(self) -> bool:
        """Whether file or database keep it halted."""
        return not self.unwritten or (self.halting is not None and self.halting.stored)

    @property
    def clean(self) -> bool:
        """Everything that the promise says was seen."""
        if not self.latched or not self.started or self.halting is None:
            return False
        sure = self.halting.looked and not self.halting.unread and not self.halting.doubtful
        return (
            sure and not self._unvisited() and all(visit.confirmed or self._by_session(visit) for visit in self.visits)
        )

    def as_json(self) -> Facts:
        halting = self.halting
        answer = halting and halting.answer
        return {
            "clean": self.clean,
            "halted": self.latched,
            "reason": self.trip.reason,
            "by": self.trip.by,
            "at": self.trip.at,
            "file": None if self.unwritten else str(self.folder / FILE),
            "stored": halting is not None and halting.stored,
            "session": {
                "running": halting.runs.alive if halting else None,
                "process": halting.runs.process if halting else None,
                "answer": answer.answer if answer else None,
            },
            "brokers": [self._visit(visit) for visit in self.visits],
            "doubtful": halting.doubtful if halting else [],
            "trouble": [text for text in (self.unwritten, self.unreadable) if text]
            + [f"{label}: {text}" for label, text in self._about_store() if label != "on its way"],
        }

    def _visit(self, visit: Visit) -> Facts:
        by_session = visit.confirmed is None and self._by_session(visit)
        confirmed = visit.confirmed is not None or by_session
        return {
            "broker": visit.name,
            "books": list(visit.books),
            "confirmed": confirmed,
            "by": "session" if by_session else "venue",
            "cancelled": self.halting.cancelled(visit.books) if by_session and self.halting else visit.cancelled,
            "left": 0 if by_session else visit.left,
            "positions": visit.positions,
            "confirmed_at": visit.confirmed,
            "trouble": "" if confirmed else visit.trouble or "it has not answered in time",
        }


def _folder(context: click.Context) -> tuple[Path, str]:
    """The state folder, and what is wrong with the settings: a mistake in them keeps nobody from halting."""
    try:
        path = settings_path(context)
    except SettingsError as error:
        raise SettingsError(
            f"{error.what} Nothing was halted.",
            where=error.where,
            todo="Name the session's: trader kill --settings PATH",
        ) from None
    try:
        return state_folder(context), ""
    except TraderError as error:
        return path.parent / Path(_written_folder(path, overrides(context))).expanduser(), " ".join(str(error).split())


def _written_folder(path: Path, given: tuple[str, ...]) -> str:
    """application.state_dir as it is written somewhere, where the settings as a whole cannot be read."""
    import re

    found = ["var"]
    for file in (path, path.with_name("settings.local.toml")):
        if file.is_file():
            text = file.read_text("utf-8", "replace")
            found += re.findall(r"""^[^#\n]*\bstate_dir\s*=\s*["']([^"']+)["']""", text, re.MULTILINE)
    found.append(os.environ.get("TRADER_APPLICATION__STATE_DIR") or found[-1])
    found += [value.strip("\"' ") for key, _, value in (each.partition("=") for each in given) if key.strip() == STATE]
    return found[-1] or "var"


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}Z"
