"""trader emulate"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import click
from trader.cli.options import json_option, wants_json
from trader.errors import UsageError

if TYPE_CHECKING:
    from trader.testing.emulation import EmulatedVenue, Setup

    from trader_emulators.announcement import Running

PORTS = {"alpaca": 8011, "binance": 8012, "binance_futures": 8013, "mt5": 8014, "robinhood": 8015}
"""Where each is found if nobody says: the same settings serve the next time."""
LOOK = 0.5
"""Seconds: a wait without end cannot be interrupted on Windows."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The command line."""

    venue: str
    port: int | None
    faults: Path | None
    seed: int | None
    data: str | None
    timeframe: str
    cash: Decimal
    tick: float
    mode: str
    symbols: dict[str, float | None]
    settings: str | None


def _cash(_: click.Context, __: click.Parameter, text: str) -> Decimal:
    try:
        cash = Decimal(text.replace("_", ""))
    except InvalidOperation:
        raise click.BadParameter(f"expected an amount such as 100000, was {text!r}.") from None
    if not (cash.is_finite() and cash > 0):
        raise click.BadParameter(f"expected an amount above 0, was {text}.")
    return cash


def _symbols(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, float | None]:
    """{"AAPL": 150.0, "MSFT": None}: None where no price is given, which is then the venue's usual one."""
    found: dict[str, float | None] = {}
    for part in ",".join(texts).split(","):
        symbol, equals, text = (each.strip() for each in part.partition("="))
        if not symbol and not equals:
            continue
        try:
            price = float(text) if equals else None
        except ValueError:
            price = -1.0
        if not symbol or (price is not None and not 0 < price < float("inf")):
            raise click.BadParameter(f"expected SYMBOL or SYMBOL=PRICE with a price above 0, was {part.strip()!r}.")
        found[symbol] = price
    return found


@click.command(no_args_is_help=True)
@click.argument("venue")
@click.option("--port", type=click.IntRange(0, 65_535), metavar="N", help="0: any that is free. [default: the venue's]")
@click.option(
    "--faults", type=click.Path(path_type=Path), metavar="FILE", help="What goes wrong and how often, as TOML."
)
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of the prices; without --faults also draws faults.")
@click.option("--data", metavar="SOURCE", help="Play the closes of this data source, one a tick.")
@click.option("--timeframe", default="1d", show_default=True, metavar="T", help="Of the bars that --data plays.")
@click.option("--cash", default="100000", show_default=True, callback=_cash, metavar="AMOUNT", help="To begin with.")
@click.option(
    "--tick", type=click.FloatRange(0.01, 3600), default=1.0, show_default=True, metavar="SECONDS",
    help="So often prices move and orders fill.",
)  # fmt: skip
@click.option("--mode", default="", metavar="NAME", help='A venue\'s own choice, such as "hedging" for mt5.')
@click.option(
    "--symbols", multiple=True, callback=_symbols, metavar="LIST",
    help="What it trades: AAPL=150,MSFT (at its usual price). With --data: which of its symbols.",
)  # fmt: skip
@click.option("--settings", metavar="PATH", help="The settings file in which --data looks its source up.")
@json_option
@click.pass_context
def emulate(
    context: click.Context, venue: str, port: int | None, faults: Path | None, seed: int | None, data: str | None,
    timeframe: str, cash: Decimal, tick: float, mode: str, symbols: dict[str, float | None], settings: str | None,
) -> None:  # fmt: skip
    """Run a venue on this machine: alpaca, binance, binance_futures, mt5 or robinhood.

    An offline paper venue that speaks the venue's real protocol. It says what to paste into the settings so that
    trader goes there, and runs until Ctrl-C. Its account begins anew each time.
    """
    from trader.session.interrupts import Signals

    wishes = Wishes(venue, port, faults, seed, data, timeframe, cash, tick, mode, symbols, settings)
    emulator, running = _start(wishes)
    ended = threading.Event()
    try:
        # Who reads the announcement may end it at once: the handlers stand before it.
        with Signals(lambda _reason: ended.set()):
            from trader_emulators.announcement import as_json, as_text

            click.echo(as_json(running) if wants_json(context) else as_text(running))
            _wait(ended)
    finally:
        emulator.close()
    if not wants_json(context):
        orders, fills = len(emulator.venue.accepted), len(emulator.venue.truth_fills())
        click.echo(f"Closed after {orders} orders and {fills} fills, with {emulator.venue.truth_cash():f} in cash.")


def _start(wishes: Wishes) -> tuple[EmulatedVenue, Running]:
    """The venue, running, and what there is to say of it. Any TraderError."""
    import trader_emulators
    from trader_emulators import mischief
    from trader_emulators.announcement import Running

    setup, prices = _setup(wishes)
    try:
        emulator = trader_emulators.emulate(wishes.venue, setup)
    except OSError as error:
        raise UsageError(
            f"Port {setup.port} cannot be opened: {error.strerror or error}.",
            todo="Another program has it, perhaps another emulator. Choose one: --port N (0: any that is free).",
        ) from error
    options = dict(emulator.options)
    running = Running(
        emulator.name, _address(emulator), options, dict(getattr(emulator, "data_options", options)),
        dict(emulator.secrets), tuple(emulator.marks), wishes.cash, emulator.currency, prices,
        mischief.words(setup.faults), wishes.tick,
    )  # fmt: skip
    return emulator, running


def _setup(wishes: Wishes) -> tuple[Setup, str]:
    """How the venue begins, and where its prices come from, in words."""
    from trader.testing.emulation import Setup

    from trader_emulators import mischief

    seed = wishes.seed or 0
    faults = None
    if wishes.faults is not None:
        faults = mischief.read(wishes.faults)
    elif wishes.seed is not None:
        faults = mischief.draw(seed)
    prices: dict[str, float] | None = None
    paths: dict[str, list[float]] = {}
    said = f"at random, by seed {seed}"
    if wishes.data is not None:
        paths = _recorded(wishes, wishes.data)
        prices = {symbol: path[0] for symbol, path in paths.items()}
        longest = max(map(len, paths.values()))
        said = f"{longest} {wishes.timeframe} closes of '{wishes.data}', one a tick, then at random"
    elif wishes.symbols:
        usual = _usual(wishes)
        prices = {symbol: price or usual.get(symbol, 100.0) for symbol, price in wishes.symbols.items()}
    port = PORTS.get(wishes.venue, 0) if wishes.port is None else wishes.port
    setup = Setup(
        port=port, seed=seed, cash=wishes.cash, prices=prices, paths={name: path[1:] for name, path in paths.items()},
        faults=faults, tick_seconds=wishes.tick, mode=wishes.mode,
    )  # fmt: skip
    return setup, said


def _recorded(wishes: Wishes, source: str) -> dict[str, list[float]]:
    from trader_emulators.recording import closes

    priced = [symbol for symbol, price in wishes.symbols.items() if price is not None]
    if priced:
        raise UsageError(f"--data has the prices: write --symbols {','.join(wishes.symbols)} without any.")
    paths = closes(source, wishes.timeframe, list(wishes.symbols), settings=wishes.settings)
    if wishes.symbols:
        return paths
    known = _usual(wishes)
    both = {symbol: path for symbol, path in paths.items() if symbol in known}
    if not both:
        has, trades = ", ".join(paths), ", ".join(known)
        raise UsageError(f"'{source}' has {has}; {wishes.venue} trades none of them, it has {trades}.")
    return both


def _usual(wishes: Wishes) -> dict[str, float]:
    """What the venue trades if nobody says, and where the prices begin: asked of one that is closed at once."""
    from trader.testing.emulation import Setup

    import trader_emulators

    emulator = trader_emulators.emulate(wishes.venue, Setup(mode=wishes.mode))
    try:
        return dict(emulator.marks)
    finally:
        emulator.close()


def _address(emulator: EmulatedVenue) -> str:
    url = getattr(emulator, "url", None)
    return str(url) if url else f"127.0.0.1:{emulator.options['port']}"


def _wait(ended: threading.Event) -> None:
    """Until somebody ends it."""
    while not ended.wait(LOOK):
        pass
