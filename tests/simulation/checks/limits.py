"""What may leave, and when: kill switch, blocks, caps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from trader.model import OrderReport

from .case import Case, Judge
from .rows import Standing

ZERO = Decimal(0)
T_CANCEL = timedelta(seconds=90)
"""How long after a trip an order may still work: cancels and questions get lost, and are repeated."""


class Halted(Judge):
    """I4: while everything is halted nothing leaves, and nothing that adds risk leaves in a scope that is blocked."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.since: datetime | None = None
        """When everything was halted (the file STOP, its block, or a person's command); None while it is not."""
        self._stop = self.case.watched.database.parent / "STOP"
        self._blocks: list[Standing] = []
        self._asked = False
        self._held: dict[str, Decimal] = {}

    def each(self) -> None:
        before, blocks, held = self.since, self._blocks, self._held
        if self.case.changed:
            self._blocks, self._held = self.case.rows.blocks(), self.case.rows.holdings()
            self._asked = self.case.rows.asked_to_halt()
        halted = self.peek()
        standing = {each.id for each in self._blocks}
        for request in self.case.requests:
            if before is not None and halted:
                self.case.object("I4", f"{request.client_id} left; everything is halted since {before:%H:%M:%S}")
            else:
                self._blocked(request.client_id, [each for each in blocks if each.id in standing], held)

    def peek(self) -> bool:
        """Whether everything is halted now: another process may write STOP while nothing else happens."""
        halted = os.path.lexists(self._stop) or any(each.scope == "*" for each in self._blocks) or self._asked
        self.since = (self.since or self.case.watched.now) if halted else None
        return halted

    def _blocked(self, client_id: str, blocks: Iterable[Standing], held: dict[str, Decimal]) -> None:
        intent = self.case.rows.intents.get(client_id)
        if intent is None:
            return
        position = held.get(intent.symbol, ZERO)
        reduces = position * intent.signed < 0 and abs(intent.signed) <= abs(position)
        for each in blocks:
            if each.level == "pause" or each.scope not in (intent.book, f"{intent.book}/{intent.symbol}"):
                continue  # a pause stands in the way of deciding, not of sending what was decided
            if each.level == "halt" or not reduces:
                self.case.object(
                    "I4", f"{client_id} ({intent.side} {intent.quantity} {intent.symbol}) left; {each.scope} is blocked"
                    f" ({each.level}: {each.reason})"
                )  # fmt: skip


class Swept(Judge):
    """I9: some time after a trip no order of ours works at the venue, and at rest nobody's does."""

    def __init__(self, case: Case, halted: Halted) -> None:
        super().__init__(case)
        self._halted = halted
        profile = case.watched.profile
        # The longest that cancels may have to wait: a venue that is closed, a process that is frozen.
        self._patience = T_CANCEL + timedelta(
            seconds=90 * (profile.person.maintenance > 0) + profile.longest_freeze * (profile.freezes > 0)
        )

    def peek(self) -> None:
        """Whether a halt has lasted long enough, with one process to see to it."""
        since, watched = self._halted.since, self.case.watched
        if since is None or watched.now - since < self._patience or not watched.lives:
            return
        if watched.lives[-1].ended is None and watched.now - watched.lives[-1].began >= self._patience:
            edge = watched.now - self._patience
            ours = {each.venue_id for each in watched.venue.accepted if not each.external and each.moment < edge}
            self._look(lambda order: order.venue_id in ours)

    def end(self) -> None:
        since, watched = self._halted.since, self.case.watched
        if since is None or watched.healed_at is None:
            return
        if watched.now - max(since, watched.healed_at) >= T_CANCEL:
            self._look(lambda _order: True)

    def _look(self, counts: Callable[[OrderReport], bool]) -> None:
        for order in self.case.watched.venue.truth_working():
            if counts(order):
                name, since = order.key or order.venue_id, self._halted.since
                self.case.object("I9", f"{name} works at the venue; halted since {since:%H:%M:%S}")


class Capped(Judge):
    """I5: the venue's position and all that works there never exceed the cap, at every accept of an order of ours."""

    def each(self) -> None:
        watched = self.case.watched
        for accepted in self.case.accepted:
            if accepted.external:
                continue
            symbol, side = accepted.order.symbol, accepted.order.side
            cap = watched.caps.get(symbol)
            if cap is None:
                continue
            held = watched.venue.truth_positions().get(symbol, ZERO)
            worst = self._worst(symbol, side, held)
            if abs(worst) > cap:
                self.case.object("I5", f"{symbol}: {held} held, {worst} once all works to {side}; the cap is {cap}")

    def _worst(self, symbol: str, side: str, held: Decimal) -> Decimal:
        """The position once all that works on a side is filled, in the worst order. What may only reduce is held to
        that by the venue: it brings a position to nothing at most."""
        venue, sign = self.case.watched.venue, 1 if side == "buy" else -1
        careful = {each.venue_id for each in venue.accepted if each.order.reduce_only}
        opens, reduces = ZERO, ZERO
        for each in venue.truth_working():
            if each.symbol == symbol and each.side == side:
                left = each.quantity - each.filled
                opens, reduces = (opens, reduces + left) if each.venue_id in careful else (opens + left, reduces)
        towards = held * sign
        return (max(towards, min(towards + reduces, ZERO)) + opens) * sign
