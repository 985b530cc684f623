"""The person at the keyboard: every command that there is, at any moment, by the road that the command line takes.

Also what makes no sense: ids and symbols that are unknown or have ended, the same thing twice at once, things that
contradict each other, a release of what is not paused. Whoever asks waits for a while and takes the wish back then, as
the command line does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from trader.errors import StoreError
from trader.store import commands

from .market import COARSE

if TYPE_CHECKING:
    from .person import People
    from .world import SimWorld

BOOKS = (None, None, None, "main", "main", "nowhere")
PATIENCE = (2.0, 10.0, 20.0, 60.0)
"""Seconds until a wish is withdrawn that nobody answered."""


class Keyboard:
    """Draws of its own: a seed in which nobody types is what it was before there was a keyboard."""

    def __init__(self, world: SimWorld, people: People) -> None:
        self._world, self._people, self._dice = world, people, world.dice("keyboard")
        rates = world.profile.person
        self._kinds: list[tuple[float, Callable[[], None]]] = [
            (5.0, self._cancel), (4.0, self._close), (3.0, self._pause), (3.0, self._release), (4.0, self._reconcile),
            (3.0, self._rearm), (1.0, self._kill), (0.6, self._stop), (0.4, self._nonsense),
        ]  # fmt: skip
        self._last: tuple[str, dict[str, Any]] | None = None
        self._plan("commands", rates.commands, self.command)
        self._plan("transfers", rates.transfers, self._transfer)
        self._plan("delistings", rates.delistings, self._delist)
        self._plan("silences", rates.silences, self._silence)

    def _plan(self, name: str, an_hour: float, act: Callable[[], None]) -> None:
        if not an_hour:
            return
        world, dice = self._world, Random(f"{self._world.seed} keyboard {name}")
        moment = dice.expovariate(an_hour / 3_600)
        while moment < world.profile.seconds:
            # Many come while it decides and sends: in the seconds after a bar's end.
            busy = name == "commands" and dice.random() < 0.4
            when = moment - moment % COARSE + 1 + dice.uniform(0, 3) if busy else moment
            world.timeline.at(when, self._people.doing(act), writes=True)
            moment += dice.expovariate(an_hour / 3_600)

    # ---- a process begins ------------------------------------------------------------------------------------------
    def holds(self) -> bool:
        """Whether the process that starts now is started with --hold."""
        world, chance = self._world, self._world.profile.person.holds
        if not chance or world.phase != 1 or self._dice.random() >= chance:
            return False
        if self._dice.random() < 0.9:
            self._later(5, 120, lambda: self._people.ask("release"))
        return True

    def began(self) -> None:
        """Somebody types while it starts: what was asked of the one before, or the next thing."""
        if self._world.profile.person.commands and self._world.phase == 1 and self._dice.random() < 0.4:
            self._later(0, 6, self._people.doing(self.command))

    def ended(self) -> None:
        """Somebody types in the moment in which it dies, and is not told that nobody is there."""
        if self._world.profile.person.commands and self._world.phase == 1 and self._dice.random() < 0.2:
            self._later(0, 0.2, self._people.doing(self.command))

    def _later(self, low: float, high: float, act: Callable[[], object]) -> None:
        def do() -> None:
            if self._world.phase == 1:
                act()

        timeline = self._world.timeline
        timeline.at(timeline.seconds + self._dice.uniform(low, high), do, writes=True)

    # ---- commands --------------------------------------------------------------------------------------------------
    def command(self) -> None:
        """One of them; sometimes twice, sometimes two at once; sometimes the process dies over it."""
        dice = self._dice
        act = dice.choices([act for _, act in self._kinds], [weight for weight, _ in self._kinds])[0]
        self._last = None
        act()
        again = dice.random()
        if again < 0.12 and self._last is not None:
            kind, args = self._last
            self._ask(kind, **args)
        elif again < 0.2:
            dice.choice(self._kinds)[1]()
        if dice.random() < 0.12:
            self._world.fate.hurry(dice.uniform(0, 60))

    def _ask(self, kind: str, **args: Any) -> None:
        """Asked, and withdrawn after a while if nobody answered."""
        self._last = kind, args
        number = self._people.ask(kind, **args)
        if number is None:
            return
        patience = self._dice.choice(PATIENCE)

        def withdraw() -> None:
            with suppress(StoreError):
                commands.answer(self._people.store, number, "withdrawn: nobody answered in time", refused=True)
                self._world.note(f"withdrawn {kind}")

        timeline = self._world.timeline
        timeline.at(timeline.seconds + patience, withdraw, writes=True)

    def _symbol(self) -> str:
        return self._dice.choice([*self._world.market.symbols * 3, *self._world.renamed.values(), "ZZZ"])

    def _order(self) -> str:
        """An order that works, that has ended, that nobody knows; whole, its beginning, or what many begin with."""
        venue, dice = self._world.venue, self._dice
        asked = [request.client_id for request in venue.requests]
        working = {order.key for order in venue.truth_working()}
        live = [request.client_id for request in venue.requests if request.key in working]
        foreign = [order.venue_id for order in venue.truth_working() if order.key not in {*asked}]
        drawn = dice.random()
        if live and drawn < 0.5:
            name = dice.choice(live)
        elif foreign and drawn < 0.65:
            return dice.choice(foreign)
        elif asked and drawn < 0.9:
            name = dice.choice(asked[-8:])
        else:
            return dice.choice(["t", "t0000000000", "V1", "none"])
        return name if dice.random() < 0.5 else name[:12]

    def _scope(self) -> str:
        return self._dice.choice(["main", "main", "opinions", "opinions", "main:opinions", "nobody", "main/AAA"])

    def _cancel(self) -> None:
        self._ask("cancel", order=self._order())

    def _close(self) -> None:
        there, names = self._world.venue.truth_positions(), self._world.renamed
        held = [names.get(symbol, symbol) for symbol, units in there.items() if units]
        symbol = self._dice.choice(held) if held and self._dice.random() < 0.7 else self._symbol()
        self._ask("close", symbol=symbol, book=self._dice.choice(BOOKS))

    def _pause(self) -> None:
        scope = self._scope()
        self._ask("pause", scope=scope)
        if self._dice.random() < 0.9:
            self._later(1, 150, lambda: self._ask("release", scope=scope))

    def _release(self) -> None:
        self._ask("release", scope=self._dice.choice([self._scope(), ""]))

    def _reconcile(self) -> None:
        drawn, differing = self._dice.random(), self._differing()
        adopt: str | None
        if differing and drawn < 0.4:
            adopt = self._dice.choice(differing)
        elif drawn < 0.6:
            adopt = self._dice.choice([None, "cash"])
        else:
            adopt = self._order() if drawn < 0.8 else self._symbol()
        self._ask("reconcile", book=self._dice.choice(BOOKS), adopt=adopt)

    def _differing(self) -> list[str]:
        """What a person sees on the venue's own page and not in `trader positions`, orders too."""
        world = self._world
        held = {symbol: Decimal(units) for symbol, units in world.rows("SELECT symbol, quantity FROM holding")}
        there = {world.renamed.get(name, name): units for name, units in world.venue.truth_positions().items()}
        found = [name for name in sorted({*held, *there}) if held.get(name, 0) != there.get(name, 0)]
        working = {order.key for order in world.venue.truth_working()}
        for client_id, key in world.rows("SELECT client_id, key FROM intent WHERE open = 1 ORDER BY cycle, line"):
            if key not in working:
                found.append(client_id)
        return found

    def _rearm(self) -> None:
        symbol = self._symbol()
        scope = self._dice.choice(["", "", "main", symbol, f"main/{symbol}", "nowhere"])
        self._ask("rearm", scope=scope, reason="it will be all right")

    def _kill(self) -> None:
        self._ask("kill", reason=self._dice.choice(["a person asked for it", ""]))
        if self._dice.random() < 0.3:  # at once, or before anybody has seen to it
            self._later(0, 5, lambda: self._ask("rearm", scope="", reason="a mistake"))

    def _stop(self) -> None:
        self._ask("stop")

    def _nonsense(self) -> None:
        kind = self._dice.choice(["dance", "cancel", "close", "pause", "rearm"])
        self._people.ask(kind)

    # ---- at the venue ----------------------------------------------------------------------------------------------
    def _transfer(self) -> None:
        """Paid in, or taken out: not more than there is."""
        world, dice = self._world, self._dice
        share = dice.uniform(0.02, 0.4)
        cash = max(world.venue.truth_cash(), Decimal(0))
        pays = dice.random() < 0.5 or cash < 1_000
        money = Decimal(round(share * (world.profile.cash if pays else -float(cash)), 2)).quantize(Decimal("0.01"))
        world.note(f"cash transfer {world.venue.cash('transfer', money).event_id} {money}")

    def _delist(self) -> None:
        """What starts from now on is not told of it, or by another name: one symbol each at most, so that there is
        something left to trade."""
        world, symbol = self._world, self._dice.choice(self._world.market.symbols)
        if self._dice.random() < 0.5 and not world.renamed and symbol not in world.delisted:
            world.renamed = {symbol: f"{symbol}X"}
            world.note(f"{symbol} is {symbol}X")
        elif not world.delisted and symbol not in world.renamed:
            world.delisted = (symbol,)
            world.note(f"delisted {symbol}")

    def _silence(self) -> None:
        seconds = self._dice.uniform(60, 600)
        self._world.no_events_until = self._world.timeline.seconds + seconds
        self._world.note(f"no cash events {seconds:.3f}")
