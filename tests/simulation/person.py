"""People and other programs: what they do at the venue, to the account, and to a session, by the profile's rates."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from trader.errors import DataError, StoreError
from trader.model import Side
from trader.safety.stop import Trip, write_stop
from trader.store import commands
from trader.store.database import Store, open_store

from .keyboard import Keyboard
from .market import COARSE

if TYPE_CHECKING:
    from .world import SimWorld


class People:
    """Everybody but the session. What they will do is drawn and put on the timeline at the beginning."""

    def __init__(self, world: SimWorld) -> None:
        self._world, self._dice = world, world.dice("people")
        rates = world.profile.person
        for name, rate in (
            ("trade", rates.trades),
            ("cancel_at_venue", rates.cancels),
            ("split", rates.splits),
            ("dividend", rates.dividends),
            ("correct", rates.corrections),
            ("rename", rates.renames),
            ("maintain", rates.maintenance),
            ("kill", rates.kills),
            ("pause", rates.pauses),
            ("order", rates.orders),
            ("question", rates.questions),
            ("stop", rates.stops),
            ("lock", world.profile.locks),
        ):
            self._plan(name, rate)
        self.keyboard = Keyboard(world, self)

    def _plan(self, name: str, an_hour: float) -> None:
        """So many times an hour on average, while faults are on."""
        if not an_hour:
            return
        world, dice = self._world, Random(f"{self._world.seed} {name}")
        writes = name in ("kill", "pause", "order", "question", "stop")
        moment = dice.expovariate(an_hour / 3_600)
        while moment < world.profile.seconds:
            # Half of what stops a session comes while it decides and sends: in the seconds after a bar's end.
            busy = name in ("kill", "pause", "stop", "lock") and dice.random() < 0.5
            when = moment - moment % COARSE + 1 + dice.uniform(0, 2) if busy else moment
            world.timeline.at(when, self.doing(getattr(self, f"_{name}")), writes=writes)
            moment += dice.expovariate(an_hour / 3_600)

    def doing(self, act: Callable[[], None]) -> Callable[[], None]:
        """The act, when there is something to act on."""

        def do() -> None:
            if not self._world.venue.requests:
                return  # what happened before the opening balance was read is in it, or a person's to explain
            self._world.feed()
            act()
            self._world.happened()

        return do

    # ---- at the venue ----------------------------------------------------------------------------------------------
    def _symbol(self) -> str:
        return self._dice.choice(self._world.market.symbols)

    def _trade(self) -> None:
        world, symbol = self._world, self._symbol()
        side = self._dice.choice([Side.BUY, Side.SELL])
        quantity = Decimal(self._dice.randint(1, 60))
        outcome = world.venue.manual_trade(symbol, side, quantity)
        world.note(f"by hand {side} {quantity} {symbol} -> {outcome}")

    def _cancel_at_venue(self) -> None:
        working = self._world.venue.truth_working()
        if working:
            order = self._dice.choice(working)
            self._world.note(f"by hand cancel {order.venue_id} -> {self._world.venue.manual_cancel(order.venue_id)}")

    def _split(self) -> None:
        symbol, ratio = self._symbol(), self._dice.choice([Decimal(2), Decimal("0.5"), Decimal(3)])
        try:
            self._world.venue.split(symbol, ratio)
        except DataError:
            return
        self._world.note(f"split {ratio} {symbol}")

    def _dividend(self) -> None:
        kind, amount = self._dice.choice([("dividend", 1), ("fee", -1), ("interest", 1), ("interest", -1)])
        money = amount * Decimal(self._dice.randint(1, 5_000)) / 100
        self._world.note(f"cash {kind} {self._world.venue.cash(kind, money).event_id} {money}")  # type: ignore[arg-type]

    def _correct(self) -> None:
        fills = self._world.venue.truth_fills()
        if fills:
            fill = self._dice.choice(fills)
            price = fill.price + Decimal(self._dice.choice([-5, -1, 1, 5])) / 100
            self._world.venue.correct(fill.execution_id, price)
            self._world.note(f"correct {fill.execution_id} to {price}")

    def _rename(self) -> None:
        working = self._world.venue.truth_working()
        if working:
            order = self._dice.choice(working)
            self._world.note(f"rename {order.venue_id} to {self._world.venue.rename(order.venue_id)}")

    def _maintain(self) -> None:
        seconds = self._dice.uniform(5, 90)
        self._world.venue.maintenance(seconds)
        self._world.note(f"maintenance {seconds:.3f}")

    def _lock(self) -> None:
        seconds, what = self._dice.uniform(2, 30), self._dice.choice(["locked", "full"])
        self._world.disturb_store(self._world.timeline.seconds, seconds, what)
        self._world.note(f"store {what} {seconds:.3f}")

    # ---- to the session --------------------------------------------------------------------------------------------
    def ask(self, kind: str, **args: Any) -> int | None:
        """As the command line does: a row in the database. Its number; None if it could not be stored."""
        try:
            number = commands.ask(self.store, kind, args, by="somebody")
        except StoreError as error:
            self._world.note(f"ask {kind}: {error.what}")
            return None
        self._world.note(f"ask {kind} {args}")
        return number

    @property
    def store(self) -> Store:
        """A database connection of their own."""
        world = self._world
        if world.person is None:
            world.person = open_store(world.history.database, create=False, check=False, clock=world)
        return world.person

    def _later(self, low: float, high: float, act: Callable[[], object]) -> None:
        self._world.timeline.at(self._world.timeline.seconds + self._dice.uniform(low, high), act, writes=True)

    def _kill(self) -> None:
        world = self._world
        if self._dice.random() < 0.5:
            write_stop(world.history.database.parent, Trip("a person wrote STOP", "somebody", world.timeline.now))
            world.note("STOP")
        else:
            self.ask("kill", reason="a person asked for it")

    def alarmed(self) -> None:
        """Somebody saw that everything is halted: it is armed again after a while."""
        world = self._world
        if world.phase == 1 and self._dice.random() < 0.8:
            self._later(20, 240, lambda: self.ask("rearm", scope="", reason="looked at it"))

    def halted(self, scope: str) -> None:
        """Somebody saw that a book or a symbol is halted: the venue is believed, and it is armed again."""

        def act() -> None:
            symbol = scope.partition("/")[2]
            self.ask("reconcile", book=None, adopt=symbol or None)
            self.ask("rearm", scope=scope, reason="looked at it")

        if self._world.phase == 1 and self._dice.random() < 0.7:
            self._later(20, 240, act)

    def _pause(self) -> None:
        scope = self._dice.choice(["main", "opinions"])
        self.ask("pause", scope=scope)
        self._later(20, 180, lambda: self.ask("release", scope=scope) if self._world.phase == 1 else None)

    def _order(self) -> None:
        venue, dice = self._world.venue, self._dice
        working = {order.key for order in venue.truth_working()}
        named = [each.client_id for each in venue.requests if each.key in working] or [
            each.client_id for each in venue.requests[-3:]
        ]
        if named and dice.random() < 0.8:
            self.ask("cancel", order=dice.choice(named)[:12])
        else:
            self.ask("close", symbol=self._symbol(), book=None)

    def _question(self) -> None:
        self.ask("reconcile", book=None, adopt=None)

    def _stop(self) -> None:
        self.ask("stop")
