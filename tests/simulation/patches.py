"""The doors that the program does not ask for: its transactions, its lock, its alerts, its log. They are hung into the
program's own functions while a run goes on, and taken out again.

Nothing here changes what the program does, but for the faults of the store that a profile asks for. What is the same
in each start (installed plugins, questions that a database answers as long as nobody wrote to it) is asked once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import OperationalError
from trader.alerts import Alerts
from trader.errors import StoreError
from trader.model import Alert
from trader.plugins import loading, shape
from trader.session import live
from trader.store import blocks, commands, connect
from trader.store.database import Store
from trader.store.lock import InstanceLock
from trader.telemetry.logs import set_up

if TYPE_CHECKING:
    from .world import SimWorld

_load = cache(loading.load)
TEXTS = {"locked": "database is locked", "full": "database or disk is full"}


@contextmanager
def doors(world: SimWorld) -> Iterator[None]:
    """While it lasts, the program's store, alerts and log are those of this world."""
    with ExitStack() as stack:

        def put(owner: Any, name: str, thing: Any) -> Any:
            before = vars(owner)[name]
            stack.callback(setattr, owner, name, before)
            setattr(owner, name, thing)
            return before

        set_up(None, level="info" if world.logged else "error", terminal=None)
        put(loading, "load", _load)
        put(live, "POLL_SECONDS", world.profile.poll)
        put(Store, "transaction", _transaction(world, Store.transaction))
        put(Store, "reading", _reading(world, Store.reading))
        put(loading, "check_object", _once_a_type(shape.check_object))
        put(loading, "optional_protocols", _once_a_type(shape.optional_protocols))
        put(blocks, "standing", _remembered(world, blocks.standing))
        put(commands, "waiting", _remembered(world, commands.waiting))
        put(InstanceLock, "acquire", _acquire(world, InstanceLock.acquire))
        put(Alerts, "raise_", _raise(world, Alerts.raise_))
        put(logging, "lastResort", _Log(world) if world.logged else logging.NullHandler())
        put(connect, "create_engine", _engine)
        yield


def _once_a_type(real: Callable[..., Any]) -> Callable[..., Any]:
    """What is said of one object of a class is said of all."""
    known: dict[Any, Any] = _known.setdefault(real, {})

    def ask(made: Any, plugin: Any, where: str) -> Any:
        if type(made) not in known:
            known[type(made)] = real(made, plugin, where)
        return known[type(made)]

    return ask


_known: dict[Any, dict[Any, Any]] = {}


# ---- the store -----------------------------------------------------------------------------------------------------
_first: list[Engine] = []


def _engine(*args: Any, **options: Any) -> Engine:
    """Statements are compiled once, not once in each life: all engines share what the first one knows."""
    engine = create_engine(*args, **options)
    if not _first:
        _first.append(engine)
    engine.dialect = engine.pool._dialect = _first[0].dialect
    engine._compiled_cache = _first[0]._compiled_cache
    return engine


def _of_a_process(world: SimWorld, store: Store) -> bool:
    """Whether it is the process's own: a person's program has a store too."""
    if store is world.person:
        return False
    process = world.process
    if process is None:
        return False
    if store not in process.stores:
        process.stores.append(store)
    return True


def _transaction(world: SimWorld, real: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def transaction(self: Store) -> Iterator[Connection]:
        process = world.process
        if process is None or not _of_a_process(world, self):
            with real(self) as connection:
                yield connection
            world.written()
            return
        process.door("begin", 2.0)
        fault = world.store_fault()
        world.timeline.busy = True
        try:
            with real(self) as connection:
                if fault is not None:
                    raise OperationalError("INSERT", None, Exception(TEXTS[fault]))
                yield connection
                process.door("commit", 4.0)
        finally:
            world.timeline.busy = False
        world.written()
        process.door("committed", 4.0)
        if world.loses_commit():
            world.note("commit lost its answer")
            raise StoreError("The connection was lost while the end was committed.", where=self.where)

    return transaction


def _reading(world: SimWorld, real: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def reading(self: Store) -> Iterator[Connection]:
        process = world.process
        if process is not None and _of_a_process(world, self):
            process.touch()
        with real(self) as connection:
            yield connection

    return reading


def _remembered(world: SimWorld, real: Callable[[Store], list[Any]]) -> Callable[[Store], list[Any]]:
    """The same question has the same answer until somebody commits."""
    then, known = -1, list[Any]()

    def ask(store: Store) -> list[Any]:
        nonlocal then, known
        if world.process is not None and store is not world.person:
            world.process.touch()
        if then != world.commits:
            then, known = world.commits, real(store)
        return list(known)

    return ask


def _acquire(world: SimWorld, real: Callable[..., InstanceLock]) -> Callable[..., InstanceLock]:
    def acquire(self: InstanceLock) -> InstanceLock:
        lock = real(self)
        if world.process is not None:
            world.process.locks.append(lock)
        return lock

    return acquire


# ---- what people hear ----------------------------------------------------------------------------------------------
def _raise(world: SimWorld, real: Callable[..., Alert | None]) -> Callable[..., Alert | None]:
    def raise_(self: Alerts, *args: Any, **more: Any) -> Alert | None:
        if world.process is not None:
            world.process.touch()
        alert = real(self, *args, **more)
        if alert is not None:
            world.raised(alert)
        return alert

    return raise_


class _Log(logging.Handler):
    """What the program logs, in the trace that a person reads."""

    def __init__(self, world: SimWorld) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        facts = dict(record.msg) if isinstance(record.msg, dict) else {"event": record.getMessage()}
        event = facts.pop("event", "")
        for name in ("timestamp", "session", "level"):
            facts.pop(name, None)
        self._world.log(f"{record.levelname.lower()} {event} " + " ".join(f"{k}={v}" for k, v in facts.items()))
