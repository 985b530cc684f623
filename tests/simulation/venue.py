"""Who is at the other end: a broker, a source of bars, a strategy and a rule, as plugin objects of one life.

The venue itself outlives every process; the objects here are its clients in one of them.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from msgspec import structs
from trader.model import (
    Account,
    Array,
    Bars,
    CashEvent,
    ExitIntent,
    Fill,
    Idle,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    Outcome,
    Position,
    Refusal,
    Reset,
    Signals,
    Unavailable,
)
from trader.protocols import Book, Env, History, Plan, Positions

if TYPE_CHECKING:
    from .process import Process


class SimBroker:
    """The client of the venue in one life. Its calls are made where the lane says that they arrive."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world
        self._client = process.world.venue.connect()
        process.lines.append(self._client)

    def _ask(self, name: str, *args: Any) -> Any:
        """One call at the venue; both it and the world see that it was made."""
        self._process.touch()
        world = self._world
        world.feed()
        if self._process.former:
            args = tuple(_named(self._process.former, one) for one in args)
        try:
            answer = getattr(self._client, name)(*args)
        except Exception as error:
            world.called(name, args, repr(error))
            raise
        world.called(name, args, answer)
        return _named(self._process.renamed, answer) if self._process.renamed else answer

    def open(self) -> Account | Unavailable:
        return self._ask("open")

    def close(self) -> None:
        self._process.touch()

    def key(self, client_id: str) -> str:
        return self._client.key(client_id)

    def account(self) -> Account | Unavailable:
        return self._ask("account")

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        answer = self._ask("instruments", symbols)
        gone = self._process.delisted
        if gone and isinstance(answer, list | tuple):
            return [one for one in answer if getattr(one, "symbol", None) not in gone]
        return answer

    def positions(self) -> Sequence[Position] | Unavailable:
        return self._ask("positions")

    def orders(self) -> Sequence[OrderReport] | Unavailable:
        return self._ask("orders")

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        return self._ask("order", ref)

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        return self._ask("fills", since)

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        if self._world.timeline.seconds < self._world.no_events_until:
            self._process.touch()
            return Unavailable("server", "503 Service Unavailable")
        return self._ask("cash_events", since)

    def submit(self, order: OrderRequest) -> Outcome:
        return self._ask("submit", order)

    def cancel(self, ref: OrderRef) -> Outcome:
        return self._ask("cancel", ref)

    def cancel_all(self) -> Outcome:
        return self._ask("cancel_all")


def _named(names: dict[str, str], thing: Any) -> Any:
    """The same with symbols under their other names."""
    if isinstance(thing, list | tuple):
        return type(thing)(_named(names, one) for one in thing) if type(thing) in (list, tuple) else thing
    if isinstance(thing, str):
        return names.get(thing, thing)
    if getattr(thing, "symbol", None) in names:
        return structs.replace(thing, symbol=names[thing.symbol])
    return thing


class SimStreamBroker(SimBroker):
    """The same with a stream of orders and fills. It has one at a time."""

    def stream_orders(self) -> Iterator[Fill | OrderReport | Account | Reset | Idle]:
        self._client.close()
        self._world.note("stream")
        # Held here: whoever drops it ends it when it is closed or the next one begins, not when garbage is collected.
        self._stream = self._listened(self._client.stream_orders())
        return self._stream

    def _listened(self, stream: Any) -> Iterator[Any]:
        try:
            for event in stream:
                self._process.touch()
                self._world.feed()
                if not isinstance(event, Idle):
                    self._world.note(f"stream -> {type(event).__name__}")
                yield _named(self._process.renamed, event)
        finally:
            stream.close()


class SimBars:
    """The market's minutes, up to now."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world

    def open(self) -> None:
        self._process.touch()

    def close(self) -> None:
        self._process.touch()

    def symbols(self) -> Sequence[str]:
        return self._process.listed

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        self._process.touch()
        if self._world.source_is_down():
            return Unavailable("timeout", "the line is down")
        process = self._process
        gone = [symbol for symbol in symbols if symbol in process.delisted or symbol in process.renamed]
        known = [process.former.get(symbol, symbol) for symbol in symbols if symbol not in gone]
        bars = self._world.market.minutes(known, start, min(end, self._world.timeline.now))
        if not gone and not process.renamed:
            return bars
        names = tuple(process.renamed.get(symbol, symbol) for symbol in bars.symbols)
        return replace(bars, symbols=names, missing=(*bars.missing, *gone))


class SimOpinions:
    """A strategy without reasons: now and then it changes its mind about a symbol, sometimes it leaves one."""

    lookback = 3

    def __init__(self, env: Env, change: float, leave: float, short: bool) -> None:
        self._env, self._change, self._leave, self._short = env, change, leave, short
        self._mind: dict[str, int] = {}
        self._cycles = 0

    def score(self, history: History) -> Signals:
        rng = self._env.rng
        self._cycles += 1
        for symbol in history.symbols:
            if symbol not in self._mind or rng.random() < self._change:
                self._mind[symbol] = int(rng.integers(-1 if self._short else 0, 2))
        return Signals(np.array([self._mind[symbol] for symbol in history.symbols], float))

    def exits(self, history: History, positions: Positions) -> Iterable[ExitIntent]:
        rng = self._env.rng
        for symbol, held in zip(history.symbols, positions.quantity, strict=True):
            if held and rng.random() < self._leave:
                yield ExitIntent(symbol, "enough", float(rng.choice([0.5, 1.0])))

    def save(self) -> bytes:
        return json.dumps([self._cycles, self._mind]).encode()

    def load(self, state: bytes) -> None:
        self._cycles, self._mind = json.loads(state)


class SimCap:
    """No symbol may come to more than so many units, long or short, with all that works and may yet arrive."""

    guards: Literal["increasing", "all"] = "increasing"

    def __init__(self, units: Decimal) -> None:
        self._most = float(units)

    def limit(self, targets: Array, book: Book) -> Array:
        """As near to the cap as can be: whoever counts an order too little goes beyond it."""
        with np.errstate(invalid="ignore", divide="ignore"):
            most = self._most * np.asarray(book.price) / book.equity
        return np.clip(targets, -most, most)

    def check(self, plan: Plan, book: Book) -> Iterable[Refusal]:
        with np.errstate(invalid="ignore", divide="ignore"):
            units: Array = np.where(book.price > 0, book.exposure / book.price, 0.0)
        standing = np.maximum(0, np.column_stack([-units, units]))
        for order, (column, quantity, adds) in enumerate(
            zip(plan.column.tolist(), plan.quantity.tolist(), plan.increases.tolist(), strict=True)
        ):
            if not adds:
                continue
            side = int(quantity > 0)
            after = standing[column, side] + abs(quantity)
            if after > self._most + 1e-6:
                yield Refusal(order, "more than the cap", self._most, after)
            else:
                standing[column, side] = after
