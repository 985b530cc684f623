"""What plugins are handed, made by hand from the real parts: bars, history, positions, env."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from trader.clock import VirtualClock
from trader.cycle.market import Market, Panel, Window, check_bars, instant, instant64
from trader.cycle.portfolio import Held, Portfolio
from trader.env import Door, World
from trader.errors import UsageError
from trader.model import Array, Bars, Instrument
from trader.session.assemble import bar_length

START = datetime(2020, 1, 1, tzinfo=UTC)
Column = Sequence[float | None] | Array
Columns = Mapping[str, Column]


def bars(
    close: Columns,
    *,
    open: Columns | None = None,  # noqa: A002 - the field's name everywhere
    high: Columns | None = None,
    low: Columns | None = None,
    volume: Columns | None = None,
    fields: Mapping[str, Columns] | None = None,
    timeframe: str = "1d",
    start: datetime = START,
) -> Bars:
    """Bars by hand: `bars({"AAPL": [10, 11, 12], "FB": [None, None, 40]})`. None or NaN: no bar of that symbol there.

    What is not given is filled in: open is the close before (so that what is ordered at a close fills at that price),
    high and low just enclose open and close, volume is 1,000,000. The first bar starts at `start` (aware); one follows
    the other without a gap, week-ends too. Symbols that a mapping does not name keep what is filled in.

    Raises:
        UsageError: columns of different length, or a start without a time zone.
        DataError: prices that nobody can trade at (0, negative, infinite).
    """
    if start.tzinfo is None:
        raise UsageError(f"Expected a start with a time zone, was {start!r}.", where="bars(start=...)")
    symbols = tuple(close)
    closes = _table(close, symbols, "close", None)
    previous = np.vstack([closes[:1], closes[:-1]])
    opens = _table(open, symbols, "open", np.where(np.isnan(previous), closes, previous))
    highs = _table(high, symbols, "high", np.maximum(opens, closes))
    lows = _table(low, symbols, "low", np.minimum(opens, closes))
    volumes = _table(volume, symbols, "volume", np.full(closes.shape, 1e6))
    holes = np.isnan(closes)
    for values in (opens, highs, lows, volumes):
        values[holes] = np.nan
    step = np.timedelta64(int(bar_length(timeframe).total_seconds()), "s")
    starts = instant64(start) + np.arange(len(closes)) * step
    unknown = np.full(closes.shape, np.nan)
    more = {name: _table(columns, symbols, name, unknown) for name, columns in (fields or {}).items()}
    made = Bars(symbols, timeframe, starts, starts + step, opens, highs, lows, closes, volumes, (), more)
    check_bars(made, "bars()")
    return made


def _table(columns: Columns | None, symbols: Sequence[str], what: str, otherwise: Array | None) -> Array:
    """(time, symbol) of what is given, `otherwise` where nothing is."""
    given = {} if columns is None else columns
    unknown = [symbol for symbol in given if symbol not in symbols]
    if unknown:
        raise UsageError(f"Expected {what} of {', '.join(symbols)}; was also of {unknown[0]}.", where="bars()")
    arrays = {symbol: np.array(values, dtype=np.float64) for symbol, values in given.items()}  # None becomes NaN
    rows = len(otherwise) if otherwise is not None else max(map(len, arrays.values()), default=0)
    table = np.full((rows, len(symbols)), np.nan) if otherwise is None else otherwise.copy()
    for symbol, values in arrays.items():
        if values.shape != (rows,):
            raise UsageError(
                f"Expected {what} of {symbol} of shape ({rows},), was {values.shape}.",
                where="bars()",
                todo="A symbol that is listed later begins with None.",
            )
        table[:, symbols.index(symbol)] = values
    return table


def random_walk(
    symbols: Sequence[str] = ("AAA", "BBB", "CCC", "DDD"),
    rows: int = 250,
    *,
    seed: int = 0,
    volatility: float = 0.02,
    timeframe: str = "1d",
    start: datetime = START,
) -> Bars:
    """Bars of prices that wander: `volatility` is the standard deviation of a bar's log return. The same seed and
    shape give the same bars."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, volatility, (rows, len(symbols)))
    first = rng.uniform(20, 200, len(symbols))
    close: Array = np.maximum(0.01, np.round(first * np.exp(np.cumsum(steps, axis=0)), 2))
    wick = np.abs(rng.normal(0.0, volatility / 2, (2, *close.shape)))
    before = np.vstack([close[:1], close[:-1]])
    high: Array = np.maximum(before, close) * (1 + wick[0])
    low: Array = np.minimum(before, close) * (1 - np.minimum(wick[1], 0.5))
    volume: Array = np.round(rng.uniform(1e5, 1e6, close.shape))

    def columns(table: Array) -> dict[str, Array]:
        return {symbol: table[:, index] for index, symbol in enumerate(symbols)}

    return bars(
        columns(close), high=columns(high), low=columns(low), volume=columns(volume), timeframe=timeframe, start=start
    )


def market(
    of: Bars,
    *,
    frames: Mapping[str, Bars] | None = None,
    shown: Mapping[str, int] | None = None,
    instruments: Mapping[str, Instrument] | None = None,
) -> Market:
    """A real `Market` of these bars. Symbols without rules of their own have lot 1, tick 0.01, USD. `shown`: rows of
    each other time frame that a strategy sees; else all."""
    rules = {symbol: Instrument(symbol) for symbol in of.symbols} | dict(instruments or {})
    panels = {
        timeframe: (Panel.of(more, of.symbols), (shown or {}).get(timeframe, len(more)))
        for timeframe, more in (frames or {}).items()
    }
    return Market(Panel.of(of), rules, panels)


def history(
    close: Columns | None = None,
    *,
    open: Columns | None = None,  # noqa: A002 - the field's name everywhere
    high: Columns | None = None,
    low: Columns | None = None,
    volume: Columns | None = None,
    fields: Mapping[str, Columns] | None = None,
    timeframe: str = "1d",
    start: datetime = START,
    of: Bars | None = None,
    rows: int | None = None,
    frames: Mapping[str, Bars] | None = None,
    instruments: Mapping[str, Instrument] | None = None,
) -> Window:
    """A real history: `history(close={"AAPL": [10, 11, 12]})`; the arguments are those of `bars`, or `of=` ready Bars.

    It shows all rows, or the last `rows`. A hole repeats the last close with volume 0, as in a session; before its
    first bar a symbol is NaN. `frames`: bars of other time frames, for `history.on("1h")`.
    """
    if (close is None) is (of is None):
        raise UsageError("Expected either close={...} or of=bars.", where="history()")
    made = of
    if made is None:
        made = bars(
            close or {}, open=open, high=high, low=low, volume=volume, fields=fields, timeframe=timeframe, start=start
        )
    return market(made, frames=frames, instruments=instruments).window(len(made) - 1, rows or len(made))


def positions(
    history: Window,
    quantity: Mapping[str, float],
    *,
    entry_price: Mapping[str, float] | None = None,
    bars: Mapping[str, int] | None = None,
    equity: float = 100_000.0,
) -> Held:
    """What a book holds, aligned with `history`: `positions(history, {"AAPL": 100}, bars={"AAPL": 3})`.

    `quantity`: signed units of each of the history's symbols, none of them 0 (`history.of("AAPL")` shows fewer).
    `bars`: how many bars ago it was entered, 0 where not said. `entry_price`: else the close of that bar. `best` is the
    best price since, from high and low.
    """
    symbols = history.symbols
    if set(quantity) != set(symbols) or not all(quantity.values()):
        raise UsageError(
            f"Expected a quantity other than 0 of each of {', '.join(symbols)}; was {dict(quantity)}.",
            where="positions()",
            todo="Flat symbols are not shown: cut the history with history.of(...).",
        )
    last = len(history) - 1
    portfolio = Portfolio.empty(len(symbols), equity)
    for column, symbol in enumerate(symbols):
        entered = last - (bars or {}).get(symbol, 0)
        if not 0 <= entered <= last:
            age = last - entered
            raise UsageError(f"Expected an age from 0 to {last} bars of {symbol}, was {age}.", where="positions()")
        held = quantity[symbol]
        portfolio.quantity[column], portfolio.lots[column] = held, round(held)
        portfolio.entry_price[column] = (entry_price or {}).get(symbol, history.close[entered, column])
        portfolio.entry_time[column], portfolio.entry_row[column] = history.time[entered], entered
        since = history.high[entered:, column] if held > 0 else history.low[entered:, column]
        portfolio.best[column] = since.max() if held > 0 else since.min()
    multiplier = np.array([float(history.instrument(symbol).multiplier) for symbol in symbols])
    return Held(portfolio, np.arange(len(symbols)), history.close[-1], multiplier, last)


def fake_env(
    name: str = "test",
    *,
    secrets: Mapping[str, str] | None = None,
    seed: int = 0,
    now: datetime = START,
    root: Path | None = None,
    connection: str | None = None,
) -> Door:
    """The real `env` of one plugin instance, in a world of its own.

    Its clock is virtual: it stands at `now` and moves when somebody sleeps. Its secrets are `secrets` and no others
    (neither the environment's nor the keyring's). `root` is the folder of the settings file, for `env.file`; without
    one a temporary folder that lasts as long as the env.
    """
    world = fake_world(root, secrets=secrets or {}, seed=seed, now=now)
    door = world.door(name, distribution="test", connection=connection, secrets=tuple(secrets or ()))
    if root is None:
        weakref.finalize(door, shutil.rmtree, world.root, ignore_errors=True)
    return door


def fake_world(root: Path | None, *, secrets: Mapping[str, str], seed: int, now: datetime) -> World:
    """A world with a virtual clock and nobody else's secrets; `root` is made if it is None."""
    folder = Path(tempfile.mkdtemp(prefix="trader-test-")) if root is None else root
    return World(
        folder,
        folder / "var",
        clock=VirtualClock(now),
        entropy=_entropy(seed),
        seed=seed,
        environ=dict(secrets),
        moment=now.isoformat(),
    )


def _entropy(seed: int) -> Callable[[int], bytes]:
    """Bytes that look random and are the same for the same seed."""
    drawn = 0

    def draw(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_128(f"{seed}|{drawn}".encode()).digest(count)

    return draw


def end_of(made: Bars, row: int = -1) -> datetime:
    """When a bar ends, aware UTC."""
    return instant(made.end[row])
