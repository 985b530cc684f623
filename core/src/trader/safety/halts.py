"""What is halted, reduced or paused short of everything: the stored blocks, as planner and gate ask for them.

A scope is a book ("main"), a symbol of it ("main/AAPL") or a strategy of it ("main:trend_following"). Level "halt" lets
no order of the scope out, "reduce" none that adds risk, "pause" decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from trader.errors import StoreError
from trader.model import Fill, OrderReport, OrderRequest, Refusal
from trader.store.blocks import Block, Level


class Halts:
    """One book's view of the blocks, and the gate's check. `add(scope, level, reason)` stores a new block and tells
    people; `increases(order)` says whether an order adds risk (set it before the first one)."""

    def __init__(self, book: str, *, add: Callable[[str, Level, str], None]) -> None:
        self.book = book
        self._add = add
        self._unstored: list[tuple[str, Level, str]] = []
        self.increases: Callable[[OrderRequest], bool] = _always
        self.level = ""
        """The book's own: "", "reduce" or "halt"; the strictest counts."""
        self.paused = False
        self.reasons: dict[str, str] = {}
        self.symbols: frozenset[str] = frozenset()
        self.strategies: frozenset[str] = frozenset()

    def update(self, standing: Iterable[Block]) -> None:
        """Take over what stands in the store."""
        levels, symbols, strategies, reasons = [""], set(), set(), {}
        paused = False
        for block in standing:
            if block.scope == self.book and block.level == "pause":
                paused = True
            elif block.scope == self.book:
                levels.append(block.level)
            elif block.scope.startswith(f"{self.book}/"):
                symbols.add(block.scope[len(self.book) + 1 :])
            elif block.scope.startswith(f"{self.book}:"):
                strategies.add(block.scope[len(self.book) + 1 :])
            else:
                continue
            reasons[block.scope] = block.reason
        for scope, level, reason in self._take_unstored():
            if "/" in scope:
                symbols.add(scope[len(self.book) + 1 :])
            else:
                levels.append(level)
            reasons[scope] = reason
        self.level, self.paused = max(levels, key=ORDER.index), paused
        self.symbols, self.strategies, self.reasons = frozenset(symbols), frozenset(strategies), reasons

    def _take_unstored(self) -> list[tuple[str, Level, str]]:
        waiting, self._unstored = self._unstored, []
        for one in waiting:
            self._keep(*one)
        return waiting

    def halt_symbol(self, symbol: str, reason: str) -> None:
        """No order in this symbol until a person lifts it."""
        if symbol not in self.symbols:
            self.symbols |= {symbol}
            self._keep(f"{self.book}/{symbol}", "halt", reason)

    def block_book(self, level: Level, reason: str) -> None:
        """Halt the book, or only its new risk."""
        if ORDER.index(level) > ORDER.index(self.level):
            self.level = level
            self._keep(self.book, level, reason)

    def _keep(self, scope: str, level: Level, reason: str) -> None:
        """Store it; what the store does not take now holds all the same, and is stored with the next `update`."""
        try:
            self._add(scope, level, reason)
        except StoreError:
            self._unstored.append((scope, level, reason))

    def refuse(self, order: OrderRequest) -> Refusal | None:
        """The gate's last look."""
        if self.level == "halt" or order.symbol in self.symbols:
            scope = self.book if self.level == "halt" else f"{self.book}/{order.symbol}"
            return Refusal(0, f"{scope} is halted: {self.reasons.get(scope, '')}".rstrip(": "), 0.0, 0.0, "block")
        if self.level == "reduce" and self.increases(order):
            return Refusal(0, f"book '{self.book}' may only reduce", 0.0, 0.0, "block")
        return None


class Unseen:
    """The gate's check that limits saw all that is known. They are asked once, of a whole plan; while its orders wait
    for their turn a stream may tell of somebody else's trade, that is booked only after them. Until then, nothing that
    adds risk leaves.

    `increases(order)`: whether an order adds risk; `is_news(fact)`: whether positions and limits still know nothing of
    it (set both before the first order).
    """

    def __init__(self) -> None:
        self.increases: Callable[[OrderRequest], bool] = _always
        self.is_news: Callable[[Fill | OrderReport], bool] = _always
        self._heard: tuple[Fill | OrderReport, ...] = ()

    def hear(self, fact: Fill | OrderReport) -> None:
        """It waits to be booked."""
        self._heard = (*self._heard, fact)

    def clear(self) -> None:
        """What was heard is booked before anything else is decided."""
        self._heard = ()

    def refuse(self, order: OrderRequest) -> Refusal | None:
        """The gate's last look."""
        if self._heard and self.increases(order):
            for fact in self._heard:
                if self.is_news(fact):
                    what = f"{fact.side} {fact.quantity:f} {fact.symbol} ({fact.venue_id or fact.key})"
                    return Refusal(0, f"limits have not seen {what} yet", 0.0, 0.0, "limits")
        return None


class Alone:
    """The gate's check that this is still the one session on its database: a lease that ran out may be another's."""

    def __init__(self, left: Callable[[], float]) -> None:
        self._left = left

    def refuse(self, order: OrderRequest) -> Refusal | None:  # noqa: ARG002 - it refuses whatever the order is
        """The gate's last look."""
        left = self._left()
        if left > 0:
            return None
        return Refusal(0, "the lease on the database has run out", 0.0, left, "lease")


def _always(_what: object) -> bool:
    return True


ORDER = ("", "reduce", "halt")
