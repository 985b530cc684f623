"""What may leave, and when: kill switch, blocks, caps."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from .case import Case, Judge
from .rows import Standing

ZERO = Decimal(0)
T_CANCEL = timedelta(seconds=60)
"""How long after a trip an order may still work, once nothing stands in the way of cancelling it."""


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
    """I9: some time after a trip nothing works at the venue any more."""

    def __init__(self, case: Case, halted: Halted) -> None:
        super().__init__(case)
        self._halted = halted

    def end(self) -> None:
        since, watched = self._halted.since, self.case.watched
        free = max(filter(None, (since, watched.healed_at)), default=None)
        if since is None or free is None or watched.now - free < T_CANCEL:
            return
        for order in watched.venue.truth_working():
            self.case.object("I9", f"{order.key or order.venue_id} works at the venue; halted since {since:%H:%M:%S}")


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
            rest = sum(
                (each.quantity - each.filled for each in watched.venue.truth_working()
                 if each.symbol == symbol and each.side is side), ZERO,
            )  # fmt: skip
            worst = held + rest if side == "buy" else held - rest
            if abs(worst) > cap:
                self.case.object("I5", f"{symbol}: {held} held and {rest} working to {side}; the cap is {cap}")
