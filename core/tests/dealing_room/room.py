"""A room to trade in: one venue a book, one database, people, and the sessions that live there one after another."""

import asyncio
import hashlib
from collections import Counter, defaultdict, deque
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import cache
from itertools import count

import numpy as np
from dealing_room import parts
from dealing_room.acts import Acts
from dealing_room.eyes import Eyes
from dealing_room.life import Crash, Life, Loop, Time
from dealing_room.line import Line, Lines
from trader.cycle.planner import MARKET
from trader.env import World
from trader.errors import StoreError
from trader.model import Instrument
from trader.plugins import Catalogue, Plugin, loading
from trader.plugins.kinds import API_VERSION
from trader.plugins.manifest import Permissions
from trader.session import Session
from trader.session.lanes import Priority
from trader.settings import load
from trader.simulation import Faults, FaultyVenue, SimulatedVenue, Terms
from trader.store.database import Store

_load = cache(loading.load)
SETTINGS = """
[application]
broker = "client"
data = "minutes"
allocator = "even"
execution = "style"
coverage = {{ symbols = [{symbols}], timeframe = "{timeframe}" }}
models.pipeline = [{{ name = "wants" }}]
reconcile = {{ {reconcile} }}
heartbeat.interval_seconds = 30
connect = {{ {connect} }}
shutdown = {{ {shutdown} }}
[brokers.client]
timeout = 10
[observability]
log_file = false
"""
TWO = """
[brokers.second]
plugin = "client"
book = "other"
[strategies.wants_too]
plugin = "wants"
book = "other"
[books.other]
broker = "second"
models.pipeline = [{ name = "wants_too" }]
coverage = { symbols = ["AAA", "BBB"], timeframe = "1m" }
"""
"""Settings of a second book, `other`, for `text`; with books=("main", "other")."""


class Timetable:
    """Fires when the test says so."""

    def __init__(self):
        self.calls = []

    def add(self, _trigger, call, /):
        self.calls.append(call)

    def start(self):
        pass

    def stop(self):
        self.calls.clear()


class Room(Acts, Eyes):
    """`horizon`, `bounded`, `ids`: what the broker's manifest says. `reconcile` and `shutdown` are lines of settings,
    `text` more of them. All figures are of book `main` unless another is named."""

    def __init__(
        self, folder, monkeypatch, *, symbols=("AAA", "BBB"), horizon=30, bounded=True, ids="forever", stream=False,
        reconcile="interval_seconds = 20", shutdown="grace = 20",
        connect="tries = 400, first_seconds = 1, longest_seconds = 10", text="", books=("main",), terms=None,
        base_fee=0, rules=(), cash=100_000, faults=None, expiry=None, timeframe="1m",
    ):  # fmt: skip
        monkeypatch.setattr(loading, "load", _load)
        self.folder, self.symbols, self.stream = folder, symbols, stream
        self.time, self.lines = Time(), Lines()
        known = {symbol: Instrument(symbol) for symbol in symbols} | {one.symbol: one for one in rules}
        self.venues = {
            book: FaultyVenue(
                SimulatedVenue(
                    Decimal(cash), terms=terms or Terms(), instruments=known.values(), account_id=f"A-{book}"
                ),
                clock=self.time, seed=1, ids=ids, base_fee=Decimal(str(base_fee)), faults=faults or Faults(),
                expiry_seconds=expiry,
            )
            for book in books
        }  # fmt: skip
        self.said, self.calls = parts.scripts(), defaultdict(Counter)
        self.before, self.after, self.instead, self.bars_said = {}, {}, {}, deque()
        self.want, self.wants, self.leg = {}, defaultdict(dict), MARKET
        self.guard = {}
        """Symbol -> price of a stop that the strategy wants to stand; to be set before the session."""
        self.heard, self.alerts, self.post = defaultdict(list), [], []
        self._prices = [(np.datetime64("1970-01-01", "ns"), dict.fromkeys(symbols, 100.0))]
        self._capabilities = {"horizon_seconds": horizon, "late_arrival_bounded": bounded, "id_policy": ids}
        self._text = SETTINGS.format(
            symbols=", ".join(f'"{symbol}"' for symbol in symbols), reconcile=reconcile, shutdown=shutdown,
            connect=connect, timeframe=timeframe
        ) + text  # fmt: skip
        self.at = {}
        """Named place -> what is done there, in the life that runs."""
        self.life, self.session, self.table = Life(self.time, self.at), None, Timetable()
        self._store, self._deadly, self.cycles, self.lives = None, None, Counter(), 0
        self.left_open = 0
        """What the last session had not let go of when it ended."""
        self.store_fails = ""
        """"write" or "all": what the session's database does not do now."""
        for name in ("transaction", "reading"):
            monkeypatch.setattr(Store, name, self._troubled(name, getattr(Store, name)))

    def _troubled(self, name, real):
        @contextmanager
        def troubled(store):
            failing = self.store_fails == "all" or (self.store_fails == "write" and name == "transaction")
            if failing and store is getattr(self.session, "store", None):
                raise StoreError("The disk is full.", where=store.where)
            with real(store) as connection:
                yield connection

        return troubled

    # ---- the market ------------------------------------------------------------------------------------------------
    def price_at(self, moment, symbol):
        return next(prices[symbol] for since, prices in reversed(self._prices) if since < moment)

    def trade(self, *, volume=float("nan"), book="main", **prices):
        """The venue trades, at the last prices unless others are said; bars that close from now on show them."""
        now = self._prices[-1][1] | prices
        if prices:
            self._prices.append((np.datetime64(self.time.now().replace(tzinfo=None), "ns"), now))
        self.venues[book].tick(now, volume)

    @property
    def venue(self):
        return self.venues["main"]

    # ---- what goes wrong -------------------------------------------------------------------------------------------
    def say(self, call, *answers, book="main"):
        """What the broker's next calls answer: a value, an exception to raise, a function of (the real call, its
        arguments), or ... for the venue's own."""
        self.said[book][call].extend(answers)

    def always(self, call, answer):
        """What the broker answers to every such call, a function of (the real call, its arguments); None: its own."""
        self.instead[call] = answer

    def line(self, priority, *fates):
        """What happens to the next calls of this priority: Late, Slow, Lost, Never, or None."""
        self.lines.next[Priority[priority]].extend(fates)

    def die_at(self, point, number=1):
        """The present session, or else the next one, dies at this named place."""
        if self.session is not None:
            self.life.die_at(point, number)
        else:
            self._deadly = (point, number)

    # ---- a session -------------------------------------------------------------------------------------------------
    def play(self, story=None, **options):
        """A session from its start to its end, while `story()` is played in its time. The room's first story begins
        after a first cycle; after a story the session is stopped. Its summary; None: it died on the way."""
        self.life, self.lives = Life(self.time, self.at), self.lives + 1
        if self._deadly is not None:
            self.life.die_at(*self._deadly)
        self._deadly = None
        self.table, self._loop, self._story = Timetable(), Loop(self.time), None
        parts.PRESENT[:] = [self]
        try:
            self.session = Session(self._settings(), world=self._world(), plugins=self._catalogue())
            self.session.start(**options)
            self._story = story or _nothing
            summary = self.session.run(progress=lambda book, _report: self.cycles.update([book.name]))
        except Crash:
            return None
        else:
            assert not self._loop.errors, self._loop.errors
            return summary
        finally:
            self._bury()

    def _settings(self):
        path = self.folder / "settings.toml"
        path.write_text(self._text, encoding="utf-8")
        return load(path, environ={})

    def _world(self):
        numbers = count()

        def entropy(size):
            return hashlib.shake_128(f"{self.lives} {self.time.monotonic()} {next(numbers)}".encode()).digest(size)

        return World(
            self.folder, self.folder / "var", self.life, entropy=entropy, environ={}, point=self.life.point,
            make_lane=lambda name, timeout, _workers: Line(self.life, self.lines, name, timeout),
            make_timetable=lambda: self.table, run=self._run, aside=lambda work: work(),
        )  # fmt: skip

    def _catalogue(self):
        return Catalogue([
            _plugin(
                "broker", "client", **self._capabilities, needs_bars=False, order_types=["market", "limit", "stop"],
                time_in_force=["day", "gtc", "ioc"],
            ),
            _plugin("data_source", "minutes", recorded=False, delay_seconds=1), _plugin("strategy", "wants"),
            _plugin("allocator", "even"), _plugin("execution_style", "style"), _plugin("alert_transport", "post"),
        ])  # fmt: skip

    def _run(self, work):
        asyncio.set_event_loop(None)
        self._loop.run_until_complete(work if self._story is None else self._told(work))

    async def _told(self, work):
        task = asyncio.ensure_future(work)
        story = asyncio.ensure_future(self._tell())
        await asyncio.wait([task, story], return_when=asyncio.FIRST_COMPLETED)
        ended = not story.done()
        if ended:
            story.cancel()
        else:
            self.session.stop("told")
        with suppress(asyncio.CancelledError):
            await asyncio.gather(task, return_exceptions=True)
        task.result()
        assert not ended, "the session ended before the story"
        story.result()

    async def _tell(self):
        if self.lives == 1:
            await self.until(lambda: self.cycles["main"] > 0, what="a first cycle")
        await self._story()

    def _bury(self):
        self.life.dead = True
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
            with suppress(BaseException):
                self._loop.run_until_complete(task)
        self._loop.close()
        session, self.session = self.session, None
        if session is None:
            return
        self.left_open = len(session.closing)
        while session.closing:
            with suppress(BaseException):
                session.closing.pop()()
        self.cycles.clear()


async def _nothing():
    """No story."""


def _plugin(kind, name, **capabilities):
    trades = Permissions(submits_orders=True) if kind == "broker" else Permissions()
    return Plugin(
        kind, name, f"dealing_room.plugins.{kind}", "dealing-room", "0", api=API_VERSION, summary="of the tests",
        capabilities=capabilities, permissions=trades, manifest=True,
    )  # fmt: skip
