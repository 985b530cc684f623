"""From settings to books that can trade: load the plugins, log in, fetch bars and rules, put each book together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trader.cycle.balancer import Balancer, OnSignal, Threshold
from trader.cycle.coverage import Coverage
from trader.cycle.cycle import Desk
from trader.cycle.exits import ExitRules
from trader.cycle.market import Market, Panel, check_bars, instant, instant64, sift
from trader.cycle.pipeline import Stage
from trader.cycle.planner import Grid
from trader.env import World
from trader.errors import ESCAPES, DataError, PluginError, Refused, SettingsError, Unreachable
from trader.model import Account, Bars, Instrument, Unavailable
from trader.plugins import KINDS, Catalogue, Plugin, Provided, provide, select
from trader.protocols import HasReferences, HasState, HasTimeframes, HasWatchlist
from trader.session.gone import Gone
from trader.session.lanes import Lane, Priority, ThreadLane
from trader.settings import BookSettings, PluginTable, Settings

Patience: TypeAlias = Callable[[Callable[[], Any]], Any]
"""How often a question is asked before whoever was asked counts as unreachable."""
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
SLACK = 10
CENTURY = 3.2e9
"""In seconds; more than that does not go into the differences of times."""
BARS_OLD = 5
"""Bars without one of its own after which a symbol gets no new orders."""


def bar_length(timeframe: str) -> timedelta:
    """The length of a time frame: 15 minutes for "15m"."""
    match = re.fullmatch(r"(\d+)([smhdw])", timeframe)
    if match is None:
        raise SettingsError(f"Expected a time frame such as 1m, 1h or 1d, was {timeframe!r}.")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _threads(name: str, timeout: float, workers: int) -> Lane:
    return ThreadLane(name, timeout=timeout, workers=workers)


@dataclass
class Kit:
    """What makes plugins: the catalogue, the settings, the world; and everything it made."""

    settings: Settings
    catalogue: Catalogue
    world: World
    provided: list[Provided] = field(default_factory=list)
    lanes: dict[str, Lane] = field(default_factory=dict)
    once: dict[tuple[str, str], Provided] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    """Data sources that are open."""

    def plugin(self, kind: str, table: PluginTable) -> Plugin:
        """The installed plugin behind a table."""
        plugin = self.catalogue.get(kind, table.plugin, where=table.origin or None)
        if not table.enabled:
            raise SettingsError(f"[{table.kind}.{table.name}] is used, but says enabled = false.", where=table.origin)
        return plugin

    def make(self, kind: str, name: str, *, book: str = "") -> Provided:
        """One new instance, as its table says."""
        table = self.settings.table(KINDS[kind].plural, name)
        plugin = self.plugin(kind, table)
        secrets = plugin.permissions.secrets
        folder = name if not book or book == "main" else f"{book}.{name}"
        door = self.world.door(
            folder, distribution=plugin.distribution, connection=table.connection or name, secrets=secrets
        )
        made = provide(plugin, table.options, door, instance=name, origin=table.origin, raw=self.settings.raw)
        self.provided.append(made)
        return made

    def shared(self, kind: str, name: str) -> Provided:
        """The one instance of a data source or an alert transport that all books use."""
        if (kind, name) not in self.once:
            self.once[kind, name] = self.make(kind, name)
        return self.once[kind, name]

    def lane(self, kind: str, made: Provided) -> Lane:
        """The lane of a connection: at most as many threads as its manifest allows."""
        table = self.settings.table(KINDS[kind].plural, made.instance)
        name = f"{kind} {table.connection or made.instance}"
        if name not in self.lanes:
            workers = int(made.plugin.capabilities.get("concurrency", 1))
            make = self.world.make_lane or _threads
            self.lanes[name] = make(name, table.timeout or 60.0, workers)
        return self.lanes[name]


LASTING = {
    "auth": "Check the keys, and that they are for the environment that the settings name.",
    "refused": "Change what the venue objects to, there or in the settings.",
    "timeframe": "Set application.coverage.timeframe to one that the source has.",
}
"""What is not answered, however often it is asked, and what to do about it."""


@dataclass(slots=True)
class Feed:
    """Where a book's bars come from."""

    made: Provided
    lane: Lane
    recorded: bool
    delay: float
    patient: Patience

    def ask(self, what: str, question: Any, *args: Any) -> Any:
        """The answer; Unreachable if there is none, DataError as the plugin raised it."""
        return self.patient(lambda: answered(self.lane, self.made, what, question, *args))


@dataclass(slots=True)
class Assembled:
    """A book put together, before its journal is opened."""

    name: str
    settings: BookSettings
    feed: Feed
    broker: Provided
    lane: Lane
    account: Account
    market: Market
    desk: Desk
    members: list[Provided]
    stateful: list[tuple[str, HasState]]
    gone: Gone

    @property
    def recorded(self) -> bool:
        return self.feed.recorded


def answered(lane: Lane, made: Provided, what: str, question: Any, *args: Any) -> Any:
    """Ask through a lane while nothing trades yet. Unreachable for silence, PluginError for a plugin that raises."""
    try:
        answer = lane.wait(Priority.QUERY, question, *args)
    except TimeoutError:
        raise Unreachable(f"It did not answer in time ({what}).", where=made.label) from None
    except (DataError, SettingsError, Refused, Unreachable, PluginError):
        raise
    except ESCAPES as exc:
        from trader.plugins import describe_fault

        raise PluginError(describe_fault(made, what, exc, "at start")) from exc
    if isinstance(answer, Unavailable):
        if answer.kind in LASTING:
            raise SettingsError(f"{what}: {answer.reason}", where=made.label, todo=LASTING[answer.kind])
        raise Unreachable(f"{what}: {answer.reason} ({answer.kind})", where=made.label)
    return answer


def _opened(lane: Lane, broker: Provided) -> Account:
    """A venue that talks nonsense at its door is as good as silent."""
    account = answered(lane, broker, "open()", broker.object.open)
    if not isinstance(account, Account):
        raise Unreachable(f"Expected open() to answer an Account, was {account!r:.100}.", where=broker.label)
    return account


def _at_once(ask: Callable[[], Any]) -> Any:
    return ask()


def assemble(kit: Kit, name: str, gone: Gone, *, patient: Patience = _at_once) -> Assembled:
    """One book: every plugin made, data and broker open, bars loaded, the account checked. What it holds already gets
    bars even if nothing covers it any more; what of that has none, or no rules, is noted in `gone`. `patient(ask)`: how
    often a broker is asked before it counts as unreachable."""
    settings = kit.settings.book(name)
    tree, where = kit.settings.raw.tree, kit.settings.path.name
    feed = _feed(kit, select(tree, "data_source", kit.catalogue, book=name, where=where), patient)
    broker = kit.make("broker", select(tree, "broker", kit.catalogue, book=name, where=where))
    _fits(feed, broker, name)
    patient = feed.patient
    lane = kit.lane("broker", broker)
    opened: Account = patient(lambda: _opened(lane, broker))
    account = _account(kit.settings, name, settings, opened, broker)
    members, stages = _pipeline(kit, name, settings, where)
    allocator = kit.make("allocator", select(tree, "allocator", kit.catalogue, book=name, where=where), book=name)
    style = kit.make(
        "execution_style", select(tree, "execution_style", kit.catalogue, book=name, where=where), book=name
    )
    rules = [kit.make("risk_rule", rule, book=name) for rule in _rule_names(kit.settings, settings)]
    members += [allocator, style, *rules]
    traded = patient(lambda: _covered(settings, feed, lane, broker, name))
    lookback = max([stage.strategy.lookback for stage in stages] + [allocator.object.lookback, 1])
    rows = max(lookback, settings.exits.max_age or 0)  # the age of what is held counts from its bar on
    symbols = list(dict.fromkeys([*traded, *gone.held, *references(stages)]))
    panel = _panel(feed, symbols, gone, settings.coverage.timeframe, rows, kit.world, name)
    market = Market(
        panel, _instruments(panel.symbols, lane, broker, gone, patient), _frames(feed, stages, panel, kit.world)
    )
    grid = Grid(panel.symbols, market.instruments, broker.plugin.capabilities.get("time_in_force", ()))
    desk = Desk(
        stages,
        (allocator.instance, allocator.object),
        (style.instance, style.object),
        Coverage(np.isin(panel.symbols, list(traded)), _oldest(settings)),
        grid,
        balancer=_balancer(settings),
        portfolio_rules=[(rule.instance, rule.object) for rule in rules if "PortfolioRule" in rule.has],
        order_rules=[(rule.instance, rule.object) for rule in rules if "RiskRule" in rule.has],
        exits=ExitRules(settings.exits.stop, settings.exits.target, settings.exits.max_age),
        cash_buffer=settings.portfolio.cash_buffer,
        allow_short=settings.portfolio.allow_short and account.shorting,
        sells_fund_buys=bool(broker.plugin.capabilities.get("sells_fund_buys", True)),
        plans=kit.settings.trading.mode != "read_only",
    )
    stateful = [(made.instance, made.object) for made in members if "HasState" in made.has]
    return Assembled(name, settings, feed, broker, lane, account, market, desk, members, stateful, gone)


def _feed(kit: Kit, name: str, patient: Patience) -> Feed:
    made = kit.shared("data_source", name)
    capabilities = made.plugin.capabilities
    if capabilities.get("recorded", False):
        patient = _at_once  # what lies on the disk will not come later
    feed = Feed(
        made,
        kit.lane("data_source", made),
        bool(capabilities.get("recorded", False)),
        float(capabilities.get("delay_seconds", 0.0)),
        patient,
    )
    if name not in kit.opened:  # it may have been silent for the book before
        feed.ask("open()", made.object.open)
        kit.opened.add(name)
    return feed


def _fits(feed: Feed, broker: Provided, book: str) -> None:
    if feed.recorded and "NeedsBars" not in broker.has:
        raise SettingsError(
            f"Book '{book}' plays recorded bars ({feed.made.instance}) on a broker that lives in the present"
            f" ({broker.instance}).",
            where=f"book '{book}'",
            todo="Use a broker that trades on the session's bars (paper), or a live data source.",
        )


def _account(settings: Settings, book: str, mine: BookSettings, account: Account, broker: Provided) -> Account:
    demo = account.kind in ("paper", "demo")
    if not demo and (settings.trading.mode == "paper" or settings.trading.require_demo):
        reason = "trading.mode is paper" if settings.trading.mode == "paper" else "trading.require_demo is on"
        raise Refused(
            f"Account {account.account_id} at {broker.instance} says that it is {account.kind}, and {reason}.",
            where=f"book '{book}'",
        )
    if demo and settings.trading.mode == "live":
        raise Refused(
            f"Account {account.account_id} at {broker.instance} is a {account.kind} account, and trading.mode is live.",
            where=f"book '{book}'",
            todo='Name the live account in the settings, or set trading.mode = "paper".',
        )
    if "withdraw" in account.permissions:
        raise Refused(
            f"The keys of account {account.account_id} at {broker.instance} may withdraw money.",
            where=f"book '{book}'",
            todo="Trading needs no such right: make keys that may read and trade, and take these back.",
        )
    if account.currency != mine.portfolio.currency:
        raise SettingsError(
            f"Book '{book}' counts in {mine.portfolio.currency},"
            f" the account {account.account_id} in {account.currency}.",
            todo=f'Set portfolio.currency = "{account.currency}", or use another account.',
        )
    return account


def _pipeline(kit: Kit, book: str, settings: BookSettings, where: str) -> tuple[list[Provided], list[Stage]]:
    pipeline = settings.models.pipeline
    if not pipeline:
        raise SettingsError(
            f"The pipeline of book '{book}' is empty.",
            where=where,
            todo='Name a strategy: pipeline = [{ name = "trend_following" }] in [application.models].',
        )
    members = [kit.make("strategy", stage.name, book=book) for stage in pipeline]
    stages = []
    for written, made in zip(pipeline, members, strict=True):
        lookback: object = made.object.lookback
        if not isinstance(lookback, int) or lookback < 1:
            raise PluginError(f"Expected a lookback of 1 bar or more, was {lookback!r}.", where=made.label)
        stages.append(Stage(written.name, made.object, written.drop_threshold, written.dropped))
    return members, stages


def references(stages: Iterable[Stage]) -> list[str]:
    """Symbols that strategies read and never trade."""
    found: dict[str, None] = {}
    for stage in stages:
        if isinstance(stage.strategy, HasReferences):
            found.update(dict.fromkeys(stage.strategy.references))
    return list(found)


def _rule_names(settings: Settings, book: BookSettings) -> list[str]:
    written = [name for name, table in settings.tables("risk_rules").items() if table.enabled]
    return written if book.risk_rules is None else list(book.risk_rules)


def _covered(settings: BookSettings, feed: Feed, lane: Lane, broker: Provided, book: str) -> list[str]:
    coverage = settings.coverage
    if coverage.source == "static":
        symbols = list(coverage.symbols)
    elif coverage.source == "pattern":
        every: Sequence[str] = feed.ask("symbols()", feed.made.object.symbols)
        symbols = [symbol for symbol in every if fnmatchcase(symbol, coverage.pattern or "")]
    elif isinstance(broker.object, HasWatchlist):
        symbols = list(answered(lane, broker, "watchlist()", broker.object.watchlist, coverage.watchlist))
    else:
        raise SettingsError(
            f"coverage.source is broker, but {broker.instance} has no watch lists.", where=f"book '{book}'"
        )
    if not symbols:
        raise SettingsError(
            f"Book '{book}' covers no symbol.",
            todo='Name some: [application.coverage] symbols = ["AAPL", "MSFT"].',
        )
    return symbols


def _fetch(
    feed: Feed, symbols: Sequence[str], timeframe: str, rows: int, world: World
) -> tuple[Bars, NDArray[np.bool_] | None]:
    """All recorded bars; of a live source the last `rows` or so, and where it had some that are wrong."""
    start, end = ALWAYS
    if not feed.recorded:
        end = world.clock.now()
        # Nights and week-ends: five times the span, and ten days, hold the rows of any exchange's calendar.
        start = end - 5 * (rows + SLACK) * bar_length(timeframe) - timedelta(days=10)
    bars: Bars = feed.ask("bars()", feed.made.object.bars, list(symbols), timeframe, start, end)
    wrong = None
    if feed.recorded:
        check_bars(bars, feed.made.label)
    else:
        bars, wrong, _ = sift(bars, feed.made.label)
    check_closed(bars, end, feed.made.label)
    return bars, wrong


def check_closed(bars: Bars, now: datetime, source: str) -> None:
    """DataError for a bar that ends after `now`: nobody can have decided on it."""
    if len(bars) and bars.end[-1] > instant64(now):
        raise DataError(f"The bar of {instant(bars.end[-1]):%Y-%m-%d %H:%M:%SZ} ends in the future.", where=source)


def _panel(feed: Feed, symbols: Sequence[str], gone: Gone, timeframe: str, rows: int, world: World, book: str) -> Panel:
    bars, wrong = _fetch(feed, symbols, timeframe, rows, world)
    absent = dict.fromkeys([*bars.missing, *(symbol for symbol in symbols if symbol not in bars.symbols)])
    for symbol, close in zip(bars.symbols, bars.close.T, strict=True):
        if len(bars) and symbol in gone.held and np.isnan(close).all():
            absent[symbol] = None
    unknown = gone.without_bars(absent, feed.made.instance)
    if unknown:
        names = ", ".join(unknown)
        has: Sequence[str] = feed.ask("symbols()", feed.made.object.symbols)
        raise DataError(
            f"Data source '{feed.made.instance}' has no bars of: {names}.",
            where=f"book '{book}'",
            todo=f"It has: {', '.join(list(has)[:20])}{' ...' if len(has) > 20 else ''}.",
        )
    if feed.recorded and len(bars) == 0:
        raise DataError(f"Data source '{feed.made.instance}' has no {timeframe} bars at all.", where=f"book '{book}'")
    return Panel.of(bars, symbols, known=gone.prices(), wrong=wrong)


def _instruments(
    symbols: Sequence[str], lane: Lane, broker: Provided, gone: Gone, patient: Patience
) -> dict[str, Instrument]:
    """What the broker says of each symbol. That it names none, not even what is held, counts after all tries only: it
    halts what is held."""
    found: Sequence[Instrument] | None = None

    def ask() -> None:
        nonlocal found
        found = None
        said = answered(lane, broker, "instruments()", broker.object.instruments, list(symbols))
        if not isinstance(said, Sequence) or not all(_usable(one) for one in said):
            raise Unreachable(f"Expected instruments() to answer Instruments, was {said!r:.100}.", where=broker.label)
        found = said
        if gone.held and not found:
            raise Unreachable("instruments() names no symbol, not even what the book holds.", where=broker.label)

    try:
        patient(ask)
    except Unreachable:
        if found is None:
            raise
    known = {rules.symbol: rules for rules in found or ()}
    return {symbol: known.get(symbol) or gone.rules(symbol, broker.instance, found or ()) for symbol in symbols}


def _usable(one: Any) -> bool:
    if not isinstance(one, Instrument):
        return False
    steps = (one.tick, one.lot, one.multiplier)
    return all(step.is_finite() and step > 0 for step in steps) and one.min_notional.is_finite()


def _frames(feed: Feed, stages: Sequence[Stage], panel: Panel, world: World) -> dict[str, tuple[Panel, int]]:
    wanted: dict[str, int] = {}
    for stage in stages:
        if isinstance(stage.strategy, HasTimeframes):
            for timeframe, rows in stage.strategy.timeframes.items():
                wanted[timeframe] = max(rows, wanted.get(timeframe, 0))
    wanted.pop(panel.timeframe, None)
    frames = {}
    for timeframe, rows in wanted.items():
        bars, wrong = _fetch(feed, panel.symbols, timeframe, rows, world)
        frames[timeframe] = (Panel.of(bars, panel.symbols, wrong=wrong), rows)
    return frames


def _oldest(settings: BookSettings) -> int | np.timedelta64:
    """How old the last bar of a symbol may be: in time as it is written, else five bars, over any night and holiday."""
    if settings.max_data_age is None:
        return BARS_OLD
    return np.timedelta64(round(min(settings.max_data_age, CENTURY) * 1e6), "us")


def _balancer(settings: BookSettings) -> Balancer:
    portfolio = settings.portfolio
    if portfolio.balancer == "on_signal":
        return OnSignal()
    return Threshold(portfolio.threshold_weight or 0.0, portfolio.threshold_relative or 0.0)
