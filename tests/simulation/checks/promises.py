"""I20 to I22: what a person at the keyboard was promised, against the venue and the journal."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .case import Case, Judge
from .rows import EPOCH, moment

ZERO = Decimal(0)
HELD = "session"
"""The scope of --hold."""
TOOK = re.compile(r"(t\w+): (?:cancel asked for|may or may not be at the venue)")
SENT = re.compile(r"^(?:buy|sell) \S+ (\S+) at market, order (t\w+)")
BEGUN = timedelta(minutes=4)
"""What was begun of a command when it was withdrawn may go on for so long: cancels that are waited for, a venue that
does not answer, a frozen process."""
GONE = timedelta(minutes=5)
"""So long a venue may be asked again and again for a cancel."""
ENDS = timedelta(seconds=120)
"""How long a session may take to stop: a step under way, twice the grace, a look for what works."""


@dataclass(slots=True)
class Asked:
    """A row of `command`."""

    number: int
    kind: str
    args: dict[str, Any]
    asked_at: datetime
    state: str
    answered_at: datetime | None
    answer: str

    def may_have_done(self, at: datetime) -> bool:
        """Whether it was, or was being, obeyed then."""
        if at < self.asked_at:
            return False
        if self.answered_at is None:
            return True
        return at <= self.answered_at + (BEGUN if self.answer.startswith("withdrawn") else timedelta(0))


class Cancelled(Judge):
    """I20: an order of ours that a person cancelled does not work for long after the answer, whatever was lost on the
    way, if one process lasts so long."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        profile = case.watched.profile
        self._patience = GONE + timedelta(
            seconds=profile.faults.late_seconds + 90 * (profile.person.maintenance > 0)
            + profile.longest_freeze * (profile.freezes > 0)
        )  # fmt: skip
        self._number = 0
        self._waiting: dict[str, datetime] = {}
        """Key -> since when it is to be gone."""

    def each(self) -> None:
        case, watched = self.case, self.case.watched
        if case.changed:
            sql = "SELECT id, answer FROM command WHERE kind = 'cancel' AND state = 'done' AND id > ? ORDER BY id"
            for number, answer in case.rows.all(sql, self._number):
                self._number = number
                intent = case.rows.intents.get(found[1]) if (found := TOOK.match(answer)) else None
                if intent is not None:
                    self._waiting.setdefault(intent.key, watched.now)
        if not self._waiting or not watched.lives:
            return
        edge = watched.now - self._patience
        late = [key for key, since in self._waiting.items() if max(since, watched.lives[-1].began) <= edge]
        if late:
            working = {order.key for order in watched.venue.truth_working()}
            for key in late:
                del self._waiting[key]
                if key in working:
                    case.object("I20", f"{key} was cancelled by a person, and works at the venue")


class Commands(Judge):
    """I20 and I21 at rest: an order that was to be cancelled does not work, a stop stopped, what was closed is named in
    the answer; and every order by hand has a command of its own that asked for it, every block that a person lifted a
    command that asked for that."""

    def end(self) -> None:
        commands = self._commands()
        self._cancelled(commands)
        self._stopped(commands)
        self._closed(commands)
        self._lifted(commands)

    def _commands(self) -> list[Asked]:
        sql = (
            "SELECT id, kind, args, requested_at, state, answered_at, coalesce(answer, '') FROM command"
            " WHERE requested_by = 'somebody' ORDER BY id"
        )
        return [
            Asked(number, kind, json.loads(args), moment(at), state, None if then is None else moment(then), answer)
            for number, kind, args, at, state, then, answer in self.case.rows.all(sql)
        ]

    def _cancelled(self, commands: list[Asked]) -> None:
        working = {order.key for order in self.case.watched.venue.truth_working()}
        for command in commands:
            if command.kind == "cancel" and command.state == "done" and (found := TOOK.match(command.answer)):
                intent = self.case.rows.intents.get(found[1])
                if intent is not None and intent.key in working:
                    self.case.object("I20", f"command {command.number}: {command.answer}; it works at the venue")

    def _stopped(self, commands: list[Asked]) -> None:
        watched = self.case.watched
        profile = watched.profile
        patience = ENDS + timedelta(seconds=4 * profile.timeout + profile.longest_freeze * (profile.freezes > 0))
        for command in commands:
            if command.kind != "stop" or command.state != "done" or command.answered_at is None:
                continue
            life = [one for one in watched.lives if one.began <= command.answered_at][-1]
            if (life.ended or watched.now) - command.answered_at > patience:
                self.case.object("I20", f"command {command.number}, stop, was answered; the process went on")

    def _closed(self, commands: list[Asked]) -> None:
        case = self.case
        named: dict[str, int] = {}
        closes = [command for command in commands if command.kind == "close"]
        for command in closes:
            found = SENT.match(command.answer) if command.state == "done" else None
            if found is None:
                continue
            symbol, client_id = found.groups()
            intent = case.rows.intents.get(client_id)
            if intent is None or (intent.symbol, intent.purpose) != (symbol, "manual"):
                case.object("I20", f"command {command.number}: {command.answer}; the journal has no such order")
            if client_id in named:
                case.object("I21", f"{client_id} answers commands {named[client_id]} and {command.number}")
            named[client_id] = command.number
        if case.watched.profile.stop_positions == "close":
            return  # a stop sends such orders too
        free = [command for command in closes if command.number not in named.values()]
        for client_id, symbol, at in case.rows.all(
            "SELECT i.client_id, i.symbol, e.recorded_at FROM intent i JOIN order_event e ON e.seq = i.cycle"
            " WHERE i.purpose = 'manual' ORDER BY i.cycle"
        ):
            mine = [one for one in free if one.args.get("symbol") == symbol and one.may_have_done(moment(at))]
            if client_id in named:
                continue
            if mine:
                free.remove(mine[0])
            else:
                case.object("I21", f"{client_id} closes {symbol} by hand, and nobody asked for it (any more)")

    def _lifted(self, commands: list[Asked]) -> None:
        for scope, level, at in self.case.rows.all(
            "SELECT scope, level, lifted_at FROM block WHERE lifted_by = 'somebody' ORDER BY id"
        ):
            kind = "release" if level == "pause" else "rearm"
            if not any(one.kind == kind and one.may_have_done(moment(at)) for one in commands):
                self.case.object("I21", f"{scope} ({level}) was lifted at {moment(at):%H:%M:%S}, nobody asked for it")


class Paused(Judge):
    """I20: after a pause at most the step that was under way decides, in the process that heard of it, and none in any
    later one; of a paused strategy no order but exits and orders by hand leave the plan; held, nothing is decided."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._standing: dict[int, tuple[str, int, int]] = {}
        """Block -> its scope, the life that set it, and how many cycles were decided since in that life."""
        self._seq = -1

    def each(self) -> None:
        case = self.case
        if not case.changed:
            return
        now = {one.id: one.scope for one in case.rows.blocks() if one.level == "pause"}
        if any(event.kind == "decided" for event in case.news.events):
            cycles = case.rows.all("SELECT seq FROM cycle WHERE seq > ? AND number > 0 ORDER BY seq", self._seq)
            for (seq,) in cycles:
                self._seq = seq
                for number in now.keys() & self._standing.keys():
                    self._decided(number, seq)
        lives = len(case.watched.lives)
        self._standing = {number: self._standing.get(number, (scope, lives, 0)) for number, scope in now.items()}

    def _decided(self, number: int, cycle: int) -> None:
        scope, life, count = self._standing[number]
        lives = len(self.case.watched.lives)
        self._standing[number] = scope, life, count + (life == lives)
        if scope != HELD and life == lives and count == 0:
            return
        if ":" in scope:
            orders = [one for one in self.case.news.intents if one.cycle == cycle and one.denied is None]
            if any(one.purpose == "rebalance" for one in orders):
                self.case.object("I20", f"{scope} is paused, and cycle {cycle} trades for it")
        else:
            self.case.object("I20", f"{scope} is paused, and cycle {cycle} was decided")


class Adopted(Judge):
    """I20: when a person takes the venue's word for a symbol, the books hold then what the venue showed."""

    def each(self) -> None:
        case = self.case
        for fill in case.news.fills:
            if fill.execution_id.startswith("adjustment "):
                self._agrees(fill.symbol)

    def _agrees(self, symbol: str) -> None:
        case, venue = self.case, self.case.watched.venue
        if case.watched.profile.person.delistings or any(split.symbol == symbol for split in venue.splits):
            return  # what it showed under this name is no sum of executions
        profile, now = case.watched.profile, case.watched.now
        # What it showed may be as old as its lag, the way back and a freeze.
        lag = profile.faults.position_lag + 4 * profile.timeout + profile.line.slack
        edge = now - timedelta(seconds=lag + profile.longest_freeze * (profile.freezes > 0))
        units, shown = ZERO, {ZERO} if not venue.truth_fills() else set()
        before = ZERO
        for fill in venue.truth_fills():
            if fill.symbol == symbol:
                units += fill.side.sign * fill.quantity
                if fill.time < edge:
                    before = units
                else:
                    shown.add(units)
        shown.add(before)
        held = case.rows.account().get(symbol, ZERO)
        if held not in shown:
            case.object("I20", f"{symbol} was adopted, the books have {held}, the venue showed {sorted(shown)}")


class Flows(Judge):
    """I22: money that is paid in or taken out leaves the drawdown what it was: the peak moves with the equity. Looked
    at from the cycle before a transfer was booked to the one in which it must have been valued."""

    SLACK = Decimal("0.02")
    """What prices move a peak by within minutes, and between two looks at them, at most."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._before: tuple[Decimal, Decimal] | None = None
        """Equity and peak of the last cycle before the transfers that are looked at."""
        self._flow, self._late, self._spoiled = ZERO, ZERO, False
        self._since: datetime = EPOCH

    def each(self) -> None:
        case = self.case
        for event in case.news.cash:
            if event.kind == "transfer" and not event.event_id.startswith("opening "):
                self._late += event.amount
            self._spoiled |= event.kind == "adjustment"
        self._spoiled |= any(fill.execution_id.startswith("adjustment ") or "~" in fill.execution_id
                             for fill in case.news.fills)  # fmt: skip
        if any(event.kind == "decided" for event in case.news.events):
            rows = case.rows.all("SELECT number, equity FROM cycle ORDER BY seq DESC LIMIT 1")
            if rows and rows[0][0] > 0:
                self._cycle(Decimal(rows[0][1]))

    def _cycle(self, equity: Decimal) -> None:
        case, watched = self.case, self.case.watched
        (row,) = case.rows.all("SELECT peak_equity FROM book WHERE epoch = ?", case.rows.epoch)
        if row[0] is None:
            return
        peak = Decimal(row[0])
        if self._late:  # booked since the last cycle: it may be valued in this one or in the next
            self._flow, self._late = self._flow + self._late, ZERO
            return
        quiet = watched.now - self._since < timedelta(minutes=10) and not self._spoiled and not watched.venue.splits
        if self._flow and quiet and self._before is not None:
            self._compare(*self._before, equity, peak)
        self._before, self._flow, self._spoiled, self._since = (equity, peak), ZERO, False, watched.now

    def _compare(self, was: Decimal, top: Decimal, equity: Decimal, peak: Decimal) -> None:
        worth = equity - self._flow
        if was <= 0 or top <= 0 or worth <= 0 or peak <= 0:
            return
        drawdown, now = was / top, equity / peak
        # Without the flow the equity went from `was` to `worth`; the share of the peak went with it, up to 1.
        expected = min(Decimal(1), drawdown * worth / was)
        if not abs(now - expected) <= self.SLACK:
            before, after = f"equity {was:.2f} of peak {top:.2f}", f"{equity:.2f} of {peak:.2f}"
            self.case.object("I22", f"{self._flow:+f} were paid: {before} became {after}")
