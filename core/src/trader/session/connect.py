"""Reaching a broker, and reaching it again: exponential backoff with jitter, a bounded number of tries, a last word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from trader.env import World
from trader.errors import PluginError, Unreachable
from trader.model import Account, Unavailable
from trader.settings import Connect

SLIPS = (AssertionError, AttributeError, ImportError, LookupError, NameError, SystemExit, TypeError)
"""What a plugin raises where its author slipped, told at once; anything else may be the network's doing."""
LOST_AFTER = 3
"""So many silent looks in a row, and a broker counts as lost."""


def pauses(connect: Connect, world: World) -> Iterator[float]:
    """Seconds to wait before each further try: doubling, each between half and the whole of it."""
    pause = connect.first_seconds
    for _ in range(connect.tries - 1):
        jitter = int.from_bytes(world.entropy(2), "big") / 65_535
        yield pause * (0.5 + jitter / 2)
        pause = min(2 * pause, connect.longest_seconds)


def reach(connect: Connect, world: World, ask: Callable[[], Any], told: Callable[[int, str], None]) -> Any:
    """Before anything runs: ask until there is an answer. Unreachable with a last word after all tries."""
    waits = pauses(connect, world)
    for number in range(1, connect.tries + 1):
        try:
            return ask()
        except (Unreachable, PluginError) as error:
            if isinstance(error, PluginError) and isinstance(error.__cause__ or TypeError(), SLIPS):
                raise
            told(number, error.what)
            pause = next(waits, None)
            if pause is None or world.stopping.is_set():
                if isinstance(error, PluginError):
                    raise
                raise Unreachable(
                    f"{error.what} Given up after {number} {'try' if number == 1 else 'tries'}.",
                    where=error.where,
                    todo="Check the venue's status, the network and the keys; then start again.",
                ) from error
            world.rest(pause)
    raise AssertionError("there is at least one try")


class Connection:
    """Whether a book's broker answers. `changed(connected, reason)` hears of each change."""

    def __init__(self, changed: Callable[[bool, str], None]) -> None:
        self._changed = changed
        self.up, self.given_up = True, False
        self._silent = 0
        self._in_vain = 0
        """How often in a row it was reached again, and answered nothing that it was asked then."""

    def heard(self) -> None:
        """It answered."""
        self._silent = self._in_vain = 0

    def silent(self, why: str) -> None:
        """It did not; three times in a row and it is lost."""
        self._silent += 1
        if self.up and self._silent >= LOST_AFTER:
            self.up = False
            self._changed(False, why)

    def retry(self) -> None:
        """A person asked something of it: what was given up is tried again."""
        self.given_up = False

    async def again(
        self,
        connect: Connect,
        world: World,
        reopen: Callable[[], Awaitable[Any]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> bool:
        """Try to reach it once more, all tries. True when it answers; False: given up, a person must act."""
        why = "no answer"
        again = min(connect.first_seconds * 2 ** min(self._in_vain, 16), connect.longest_seconds)
        for pause in (again if self._in_vain else 0.0, *pauses(connect, world)):
            if pause:
                await sleep(pause)
            if world.stopping.is_set():
                return False
            answer = await reopen()
            if isinstance(answer, Account):
                self.up, self._silent = True, 0
                self._in_vain += 1
                self._changed(True, "reached again")
                return True
            why = answer.reason if isinstance(answer, Unavailable) else str(answer)
            if isinstance(answer, Unavailable) and answer.kind == "auth":  # no number of tries makes a key right
                return self._give_up(f"the keys are refused: {why}")
        return self._give_up(f"given up after {connect.tries} tries: {why}")

    def _give_up(self, why: str) -> bool:
        self.given_up = True
        self._changed(False, f"{why} (to try again: trader reconcile)")
        return False
