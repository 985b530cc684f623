"""What a plugin's object is handed and what it does. Conventions, said once:

* A symbol is a string ("AAPL", "BTC/USD"); the last axis of every array is `history.symbols`, in that order.
* One moment is an aware UTC `datetime`, many are `datetime64[ns]`. A bar's time is its END: when it may first be known.
* Estimates (bars, scores, weights, exposures) are float64; what is owed (orders, fills, cash) is `Decimal`.
* A weight is signed market value / book equity. NaN as score or weight: no opinion, keep what is held. 0: be flat.
* What a plugin lets escape becomes the cautious outcome: submit Unknown, query Unavailable, score "hold all", rule
  refusal, alert Failed. An answer of wrong shape, infinite or out of range counts as raised.
* Rejected, Unknown and Unavailable carry `kind` (rate_limited, auth, funds, symbol, ...), `reason`, `retry_after`.
* A protocol `Has...` is optional, found by its methods when the plugin is loaded. All are synchronous.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from trader.model import Array, Instrument, OrderType, Quote, Refusal, Signals, TimeInForce, Times, Weights

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

    from trader.env import Secret
    from trader.model import (
        Account,
        Alert,
        Bars,
        CashEvent,
        Delivered,
        ExitIntent,
        Failed,
        Fill,
        Idle,
        NotFound,
        OrderRef,
        OrderReport,
        OrderRequest,
        Outcome,
        Position,
        Reset,
        Trade,
        Unavailable,
    )

T = TypeVar("T")
API_VERSION = 1


# ---- what a strategy and an allocator see --------------------------------------------------------------------------
class History(Protocol):
    """Closed bars up to now: read-only (time, symbol) arrays, newest row last, exactly `lookback` rows.

    For `score` without NaN: a hole repeats the last close with volume 0, and a symbol with fewer bars is dropped
    before, with the reason. Prices are adjusted for splits (not dividends) as of now, so that `close[-1]` is a price
    one can trade at; volume is adjusted likewise. `timeframe` is the book's ("1m", "1h", "1d") unless asked by `on`.
    """

    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def timeframe(self) -> str: ...
    @property
    def time(self) -> Times:
        """(time,) ends of the bars."""

    @property
    def now(self) -> datetime:
        """The cycle's moment, >= time[-1]; the only clock that a pure plugin needs."""

    @property
    def open(self) -> Array: ...
    @property
    def high(self) -> Array: ...
    @property
    def low(self) -> Array: ...
    @property
    def close(self) -> Array: ...
    @property
    def volume(self) -> Array: ...
    @property
    def traded(self) -> NDArray[np.bool_]:
        """True: a real bar; False: a carried one."""

    def __len__(self) -> int:
        """Rows."""

    def __getitem__(self, name: str) -> Array:
        """Any field of the source, (time, symbol): history["funding_rate"]. KeyError names what there is."""

    def on(self, timeframe: str) -> History:
        """Same symbols, a time frame the strategy declared; ends at its last bar closed by now."""

    def of(self, *symbols: str) -> History:
        """These columns only, declared references too: history.of("SPY")."""

    def instrument(self, symbol: str) -> Instrument:
        """Tick, lot, currency, tags["sector"]."""

    def to_pandas(self, field: str = "close") -> pd.DataFrame:
        """One field, wide: index time (UTC), columns symbols. Needs pandas."""

    def ohlcv(self, symbol: str) -> pd.DataFrame:
        """One symbol: index time, columns open high low close volume. Needs pandas."""

    def to_polars(self) -> pl.DataFrame:
        """Everything, long: time symbol open high low close volume. Needs polars."""


class Positions(Protocol):
    """What the book holds, aligned with `history.symbols`; shape (symbols,), none of them flat."""

    @property
    def quantity(self) -> Array:
        """Signed units."""

    @property
    def weight(self) -> Array:
        """Signed, of book equity, at the last close."""

    @property
    def entry_price(self) -> Array:
        """Average of entries since flat, without fees."""

    @property
    def entry_time(self) -> Times:
        """First fill since flat."""

    @property
    def bars(self) -> NDArray[np.int64]:
        """Bars of the book closed since that fill; 0 on its own bar."""

    @property
    def best(self) -> Array:
        """Best price since entry: highest for a long, lowest for a short."""

    @property
    def gain(self) -> Array:
        """Fraction of the entry price, > 0 is profit."""


# ---- strategy, allocator, execution style --------------------------------------------------------------------------
@runtime_checkable
class Strategy(Protocol):
    """Scores symbols. One instance a book, one call a cycle, one thread; same arguments, same answer."""

    lookback: int

    def score(self, history: History) -> Signals | Weights:
        """One opinion for each of history.symbols, at history.now. Exactly `lookback` rows are shown."""


@runtime_checkable
class HasExits(Protocol):
    def exits(self, history: History, positions: Positions) -> Iterable[ExitIntent]:
        """A word on what is held, said anew each cycle; asked first, also for symbols that coverage dropped
        (their oldest rows may be NaN here)."""


@runtime_checkable
class HasTimeframes(Protocol):
    timeframes: Mapping[str, int]
    """Rows of other time frames than the book's: {"1d": 30} for history.on("1d")."""


@runtime_checkable
class HasReferences(Protocol):
    references: tuple[str, ...]
    """Symbols read, never traded: ("SPY",) for history.of("SPY")."""


@runtime_checkable
class HasPanel(Protocol):
    def score_panel(self, history: History) -> Signals | Weights:
        """All times at once, for backtests: row t from rows t-lookback+1 .. t; NaN where unlisted. Proved against
        `score` on samples. Not together with HasState."""


@runtime_checkable
class HasState(Protocol):
    """What must survive a restart (any kind of plugin), kept in the transaction that stores the Decision."""

    def save(self) -> bytes:
        """After each decided cycle; unchanged bytes are not stored again; never pickle."""

    def load(self, state: bytes) -> None:
        """Before the first call, and to roll back after a call that raised."""


@runtime_checkable
class Allocator(Protocol):
    """Scores to target weights. Gets only symbols with an opinion other than 0."""

    lookback: int

    def allocate(self, signals: Signals, history: History, held: Array) -> Array:
        """Weights (symbols,) with sum |w| <= 1 of what may be invested; the rest is cash. `held`: today's weights on
        the same scale. What is held by NaN is set aside before. NaN: keep what is held."""


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Planned trades of one cycle, in sending order; arrays have shape (trades,)."""

    symbols: tuple[str, ...]
    sign: Array
    """+1 buy, -1 sell."""
    quantity: Array
    """Units, > 0, before rounding to lots."""
    price: Array
    """Last close; what the trade was planned at."""
    bid: Array
    ask: Array
    """NaN where the source has no quotes."""


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """How the trades go out. `limit` is (trades,), for limit orders; the planner rounds it to the tick, towards less
    risk. `fraction` of the quantity goes with this leg, in (0, 1]."""

    type: OrderType
    time_in_force: TimeInForce = TimeInForce.DAY
    fraction: float = 1.0
    limit: Array | None = None


@runtime_checkable
class ExecutionStyle(Protocol):
    def legs(self, trades: Trades) -> Sequence[Leg]:
        """How to send them: market, limit at touch, slices. Fractions sum to at most 1. Pure."""


# ---- risk ----------------------------------------------------------------------------------------------------------
class Plan(Protocol):
    """The orders of one cycle (or one exit order, alone), in sending order; arrays have shape (orders,)."""

    @property
    def orders(self) -> Sequence[OrderRequest]:
        """Rounded, Decimal; made on demand: a rule that works on the arrays costs no object."""

    @property
    def column(self) -> NDArray[np.intp]:
        """Order -> index in book.symbols."""

    @property
    def quantity(self) -> Array:
        """Signed units."""

    @property
    def price(self) -> Array:
        """What the order may pay or get at worst by its own words: the limit price, else the mark."""

    @property
    def notional(self) -> Array:
        """Signed, book currency, at the mark; away from zero."""

    @property
    def increases(self) -> NDArray[np.bool_]:
        """Adds risk. An order that would flip a position is split before."""


class Book(Protocol):
    """Where the book stands; arrays have shape (symbols,) over all that is held, working or planned."""

    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def now(self) -> datetime: ...
    @property
    def equity(self) -> float:
        """Book currency, like cash and day_pnl."""

    @property
    def cash(self) -> float: ...
    @property
    def price(self) -> Array:
        """Last marks."""

    @property
    def exposure(self) -> Array:
        """Signed worst case before this plan: positions + working + unresolved orders, book currency."""

    @property
    def day_pnl(self) -> float:
        """Since the calendar's day began (UTC midnight without one), without money paid in or taken out."""

    @property
    def drawdown(self) -> float:
        """[0, 1] from the highest equity; money paid in or taken out does not change it."""

    @property
    def sent(self) -> Times:
        """Passes of the gate, last 24 h."""

    @property
    def account(self) -> Account | None:
        """As last synced; this book's own. None where nobody asked yet."""

    @property
    def history(self) -> History | None:
        """If the rule has a `lookback`."""

    def instrument(self, symbol: str) -> Instrument:
        """Tick, lot, currency, tags["sector"]."""

    def quote(self, symbol: str) -> Quote | None:
        """Last bid and ask with their time, if the source has them."""


@runtime_checkable
class RiskRule(Protocol):
    """Says no. It cannot approve, change or send: the core approves what no rule refused."""

    guards: Literal["increasing", "all"]
    """ "increasing": however broken, it never stands in the way of an exit."""

    def check(self, plan: Plan, book: Book) -> Iterable[Refusal]:
        """Refusal(order, reason, limit, value), one an order."""


@runtime_checkable
class HasAssess(Protocol):
    def assess(self, book: Book) -> Iterable[Refusal]:
        """Looks at the book on a clock, with or without a plan: what is beyond its limit now."""


@runtime_checkable
class PortfolioRule(Protocol):
    def limit(self, targets: Array, book: Book) -> Array:
        """Shrinks targets between allocator and balancer, before anything is rounded: (symbols,) weights over
        book.symbols, each unchanged, nearer to 0, or as held. NaN is kept (hold)."""


# ---- the outside world: blocks, in a lane, one call at a time unless the manifest says concurrency = n ---------------
@runtime_checkable
class DataSource(Protocol):
    """Closed bars. Without HasBarStream the session asks `bars` after each bar's end + the manifest's delay_seconds."""

    def open(self) -> Unavailable | None:
        """Log in. provide_data_source does no network."""

    def close(self) -> None:
        """Let go of everything; at any time, from any thread; ends a blocked call."""

    def symbols(self) -> Sequence[str] | Unavailable:
        """All it has bars for; coverage patterns match here."""

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        """start < bar's end <= end; all pages or Unavailable; who is unknown goes to Bars.missing, the others come."""


@runtime_checkable
class HasBarStream(Protocol):
    def stream_bars(self, symbols: Sequence[str], timeframe: str) -> Iterator[Bars | Quote | Trade | Reset | Idle]:
        """Yields what arrives; Idle(seconds) at least once a second if nothing; Reset after each (re)connect."""


@runtime_checkable
class HasQuotes(Protocol):
    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote] | Unavailable:
        """Best bid and ask of each now."""


@runtime_checkable
class HasTrades(Protocol):
    def trades(self, symbol: str, start: datetime, end: datetime) -> Sequence[Trade] | Unavailable:
        """Public trades, start < time <= end."""


@runtime_checkable
class Broker(Protocol):
    """One account. Queries answer whole (all pages, all id spaces) or Unavailable. A call is a request: no retries."""

    def open(self) -> Account | Unavailable:
        """Log in; say whose account it is, demo or live, with what permissions."""

    def close(self) -> None:
        """As DataSource.close."""

    def key(self, client_id: str) -> str:
        """The id the venue will show (uuid, magic): pure, journalled before the send."""

    def account(self) -> Account | Unavailable:
        """Cash, equity, margin, permissions, the venue's time."""

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        """Rules of each now; () = all."""

    def positions(self) -> Sequence[Position] | Unavailable:
        """(): the venue said that there is none."""

    def orders(self) -> Sequence[OrderReport] | Unavailable:
        """The working ones."""

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        """By venue id, else key; open or closed."""

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        """Executions at or after `since`, venue time, oldest first."""

    def submit(self, order: OrderRequest) -> Outcome:
        """Rejected only if the venue said no."""

    def cancel(self, ref: OrderRef) -> Outcome:
        """Accepted: asked for; gone is what `order` says."""


@runtime_checkable
class HasOrderStream(Protocol):
    """Without it the session polls `orders` and `fills`. An execution has one execution_id on every road; where that is
    unproven yield OrderReport only: `fills` books."""

    def stream_orders(self) -> Iterator[Fill | OrderReport | Account | Reset | Idle]:
        """Hints; see stream_bars."""


@runtime_checkable
class NeedsBars(Protocol):
    """A broker that trades on our bars (paper). Manifest: needs_bars = true."""

    def on_bars(self, bars: Bars) -> Unavailable | None:
        """Each closed bar, before the cycle that sees it; idempotent by bar time."""


@runtime_checkable
class HasCashEvents(Protocol):
    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        """Dividends, fees, funding, interest, transfers at or after `since`."""


@runtime_checkable
class HasCancelAll(Protocol):
    def cancel_all(self) -> Outcome:
        """Every working order of the account, in every id space. Without it the core cancels what `orders` lists."""


@runtime_checkable
class HasWatchlist(Protocol):
    def watchlist(self, name: str) -> Sequence[str] | Unavailable:
        """A list kept there, for coverage.source = "broker"."""


@runtime_checkable
class AlertTransport(Protocol):
    """Delivers one alert once. Retries, digests, routing and failover are the core's."""

    def check(self) -> Failed | None:
        """Preflight: prove address and credentials, send nothing."""

    def send(self, alert: Alert, earlier: Delivered | None) -> Delivered | Failed:
        """alert.id stays the same over retries (transaction id); `earlier`: the receipt of the same fingerprint."""


# ---- what @hookimpl provide_<kind>(settings: Settings, env: Env) is handed -------------------------------------------
class Env(Protocol):
    """The instance's one door to the world. In score, exits, allocate, check and limit only `log` and `rng`."""

    name: str
    """The instance, as in the settings: "alpaca_ira"."""
    connection: str
    """The table's `connection`, else the name: whose secrets, lane, process it uses."""

    @property
    def folder(self) -> Path:
        """Private, durable, archived by --fresh."""

    @property
    def log(self) -> Any:
        """structlog, bound: env.log.info("event_name", symbol=...)."""

    @property
    def rng(self) -> np.random.Generator:
        """Seeded before each call from (the run's seed, name, cycle): a replay draws the same."""

    def now(self) -> datetime:
        """Market time, aware UTC: the system's when live, the source's on recorded data."""

    def sleep(self, seconds: float) -> None:
        """Virtual in simulations; ends early at stop."""

    def time_left(self) -> float:
        """Seconds until the lane gives this call up: your client's timeout."""

    def secret(self, name: str) -> Secret:
        """By its name in the manifest; never prints; .reveal() where it is used. SettingsError if nobody has it."""

    def file(self, path: str | Path) -> Path:
        """Relative to settings.toml; must exist (SettingsError); its hash joins the run's record."""

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """The one T of this distribution for (connection, key): opened once, T.close() after its last user."""
