"""What the spot broker and the futures broker have in common: opening, symbols, trades, the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, ClassVar, Literal, TypeVar

from msgspec import structs
from trader.allowance import Allowance
from trader.errors import BadPayload
from trader.model import (
    Accepted,
    Account,
    Fill,
    Idle,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    Outcome,
    Rejected,
    Reset,
    Unavailable,
    Unknown,
)
from trader.protocols import Env
from trader.wire import EPOCH, Fields, Trouble, outcome, unavailable

from trader_broker_binance import troubles, wire
from trader_broker_binance.history import History
from trader_broker_binance.memory import Memory
from trader_broker_binance.names import Names, parts, venue_id
from trader_broker_binance.rest import TROUBLE, Answer, Rest
from trader_broker_binance.settings import Account as AccountSettings
from trader_broker_binance.stream import UserStream
from trader_broker_binance.troubles import Product

KEY, SECRET = "BINANCE_API_KEY", "BINANCE_API_SECRET"
PAGE = 1_000
LAG = timedelta(minutes=1)
"""Within which the venue may show a trade, and not yet its order."""
BEGINNING = datetime(2017, 7, 1, tzinfo=EPOCH.tzinfo)
"""Before it the venue was not."""
NEW_KEYS = {
    ("spot", "testnet"): "https://testnet.binance.vision",
    ("futures", "testnet"): "https://testnet.binancefuture.com",
    ("spot", "mainnet"): "https://www.binance.com, API Management",
    ("futures", "mainnet"): "https://www.binance.com, API Management, with futures enabled",
}
T = TypeVar("T")


class BinanceBroker:
    """Base of the two. `open` connects; before it, and after `close`, questions are Unavailable."""

    product: ClassVar[Product]

    def __init__(self, settings: AccountSettings, env: Env) -> None:
        self.account_settings, self.env = settings, env
        self.memory = Memory(env.folder)
        self.names, self._rules = Names(), dict[str, Instrument]()
        self._named_ever: dict[str, str] = {}
        self.rights: tuple[str, ...] = ()
        self._rest: Rest | None = None
        self._streams: list[UserStream] = []
        self._lock, self._closed = Lock(), False
        self.trades: History[Fill] = History(self.now)

    # ---- what the product says ---------------------------------------------------------------------------------------
    def prepare(self) -> Trouble | Unavailable | None:
        """What has to be asked or set before the first order."""
        raise NotImplementedError

    def account(self) -> Account | Unavailable:
        """Cash, equity, what the key may do."""
        raise NotImplementedError

    def read_trades(self, symbol: str, start: datetime) -> Sequence[Fill] | Trouble:
        """All executions in a symbol from a moment on; they know the venue's number of their order only."""
        raise NotImplementedError

    def read_owners(self, symbol: str, numbers: set[str]) -> Trouble | None:
        """Ask whose orders these are, into `memory`."""
        raise NotImplementedError

    def traded(self, since: datetime) -> set[str] | Trouble:
        """Venue's names of all symbols in which there may be trades."""
        raise NotImplementedError

    # ---- opening -----------------------------------------------------------------------------------------------------
    def open(self) -> Account | Unavailable:
        """Log in: keys, clock, symbols. SettingsError without keys."""
        rest = Rest(
            self.account_settings, self.product, self.env, self.shared_allowance(), key=self.env.secret(KEY),
            secret=self.env.secret(SECRET), recv_window=self.account_settings.recv_window,
        )  # fmt: skip
        with self._lock:
            former, self._rest, self._closed = self._rest, rest, False
        if former is not None:
            former.close()
        self.memory.load()
        for step in (rest.measure, self.list_symbols, self.prepare):
            trouble = step()
            if isinstance(trouble, Unavailable):
                return self._opening(trouble)
            if trouble is not None:
                return self._opening(unavailable(trouble))
        account = self.account()
        return self._opening(account) if isinstance(account, Unavailable) else account

    def shared_allowance(self) -> Allowance:
        """One for all that ask this venue from this connection."""
        where = (self.product, self.account_settings.environment, self.account_settings.url)
        return self.env.shared(("allowance", *where), lambda: Allowance(self.env.now))

    def _opening(self, trouble: Unavailable) -> Unavailable:
        """Refused keys, explained."""
        if trouble.kind != "auth":
            return trouble
        place, product = self.account_settings.name, self.product
        fresh = NEW_KEYS[product, self.account_settings.environment]
        return Unavailable(
            "auth",
            f"The {place} of Binance {product} refused the keys {KEY} and {SECRET}: {trouble.reason}. Keys of testnet,"
            f" of mainnet, of spot and of futures are four different pairs; this one must be of {place}, {product}."
            f" Check that it was not deleted, has not expired, allows this address and may trade; make one at {fresh}.",
        )

    @property
    def kind(self) -> Literal["demo", "live"]:
        """An account does not say what it is: demo where testnet was asked, or an emulator on this machine answers."""
        place = self.account_settings
        demo = bool(self.rest.emulator) if place.url else place.environment == "testnet"
        return "demo" if demo else "live"

    @property
    def rest(self) -> Rest:
        """The connection; one that is closed where there is none."""
        rest = self._rest
        if rest is None:
            rest = Rest(self.account_settings, self.product, self.env, self.shared_allowance())
            rest.close()
        return rest

    def now(self) -> datetime:
        """The venue's time."""
        return self.rest.now()

    def close(self) -> None:
        """Let go of everything, from any thread."""
        with self._lock:
            self._closed = True
            rest, self._rest = self._rest, None
            streams, self._streams = self._streams, []
        for stream in streams:
            stream.close()
        if rest is not None:
            rest.close()

    # ---- asking ------------------------------------------------------------------------------------------------------
    def ask(self, method: str, **params: str) -> Answer:
        """One signed request."""
        return self.rest.ask(method, params)

    def urge(self, method: str, **params: str) -> Answer:
        """One that makes things safer: it may use what is kept of the rate limit."""
        return self.rest.ask(method, params, urgent=True)

    def read(self, answer: Answer, read: Callable[[Any], T]) -> T | Trouble:
        """What an answer means; the trouble if there is one, or if it cannot be read."""
        if isinstance(answer, TROUBLE):
            return answer
        try:
            return read(answer)
        except BadPayload as bad:
            return troubles.garbled(bad)

    def key(self, client_id: str) -> str:
        """The client id itself: the venue takes it as newClientOrderId, or as clientAlgoId."""
        return client_id

    # ---- symbols -----------------------------------------------------------------------------------------------------
    def list_symbols(self) -> Trouble | None:
        """exchangeInfo: names, rules, limits."""
        method = "get_exchange_info" if self.product == "spot" else "futures_exchange_info"
        found = self.read(self.rest.ask(method, signed=False), wire.listed)
        if isinstance(found, TROUBLE):
            return found
        rows, limits = found
        rules = []
        former = {rule.tags["venue"]: rule for rule in self._rules.values()}
        for row in rows:
            try:
                rules.append(wire.instrument(row, self.product))
            except BadPayload as bad:  # one odd symbol among thousands does not keep the others
                self.env.log.warning("symbol_left_out", reason=str(bad))
                known = former.get(str(row.raw("symbol", "")))
                if known is not None:  # what is held of it is a position still
                    rules.append(structs.replace(known, tradable=False))
        if not rules:
            return Unknown("payload", "the venue lists no symbol that can be read")
        self._rules = {rule.symbol: rule for rule in rules}
        # What is listed no more keeps its name: an execution under two names would be booked twice.
        self._named_ever |= {rule.tags["venue"]: rule.symbol for rule in rules}
        self.names = Names(self._named_ever)
        self.rest.limits.update(limits)
        return None

    def lists(self, symbol: str) -> bool:
        """Whether the venue has one of our symbols."""
        return symbol in self._rules

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        """The rules of each now; what the venue does not list is left out."""
        trouble = self.list_symbols()
        if trouble is not None:
            return unavailable(trouble)
        rules = self._rules
        return [rules[symbol] for symbol in symbols if symbol in rules] if symbols else list(rules.values())

    # ---- executions --------------------------------------------------------------------------------------------------
    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        """In every symbol that was ever traded here, as far as it is known; see the README for what is."""
        symbols = self.traded(since)
        if isinstance(symbols, TROUBLE):
            return unavailable(symbols)
        found: list[Fill] = []
        for symbol in sorted(symbols):
            trades = self.trades.since(symbol, max(since, BEGINNING), self.read_trades)
            if isinstance(trades, TROUBLE):
                return unavailable(trades)
            named = self._named(symbol, [trade for trade in trades if trade.time >= since])
            if isinstance(named, Unavailable):
                return named
            found += named
        return sorted(found, key=lambda fill: (fill.time, fill.execution_id.zfill(20)))

    def _named(self, symbol: str, trades: Sequence[Fill]) -> list[Fill] | Unavailable:
        """With the keys of their orders, which the venue does not say with a trade."""
        numbers = {parts(trade.venue_id)[2] for trade in trades}
        unknown = {number for number in numbers if self.memory.owner(symbol, number) is None}
        if unknown:
            trouble = self.read_owners(symbol, unknown)
            if trouble is not None:
                return unavailable(trouble)
        named = []
        for trade in trades:
            owner = self.memory.owner(symbol, parts(trade.venue_id)[2])
            if owner is None and trade.time > self.now() - LAG:
                return Unavailable("server", f"the venue shows trade {trade.execution_id}, and not yet its order")
            named.append(structs.replace(trade, key=owner.key, venue_id=owner.venue_id) if owner is not None else trade)
        return named

    # ---- orders ------------------------------------------------------------------------------------------------------
    def named_by(self, ref: OrderRef, space: str = "") -> tuple[str, str] | None:
        """(venue's symbol, its number) of a reference into one space of ids; None where the number is of another."""
        symbol, of, number = parts(ref.venue_id) if ref.venue_id else ("", space, "")
        return (symbol or self.names.theirs(ref.symbol), number) if of == space else None

    def found(self, answer: Answer, read: Callable[[Any], OrderReport]) -> OrderReport | NotFound | Unavailable:
        """One order, looked up."""
        report = self.read(answer, read)
        if isinstance(report, Rejected) and report.kind == "not_found":
            return NotFound(report.reason)
        return unavailable(report) if isinstance(report, TROUBLE) else report

    def accepted(self, answer: Answer, symbol: str, key: str, *, id_field: str, key_field: str, space: str) -> Outcome:
        """What the answer to a new order means: it has to name our order."""
        named = self.read(answer, lambda told: _named_in(told, id_field, key_field))
        if isinstance(named, TROUBLE):
            return outcome(named)
        number, told_key = named
        if told_key != key:
            return Unknown("payload", f"the venue's answer is about order {told_key!r}, not about {key!r}")
        return Accepted(venue_id(symbol, number, space))

    def touch(self, symbols: Iterable[str]) -> None:
        """Remember what was seen; a full disk is told, and keeps nobody from reading."""
        try:
            self.memory.touch(*symbols)
        except OSError as error:
            self.env.log.warning("symbols_not_kept", reason=error.strerror or type(error).__name__)

    def noted(self, symbol: str) -> Rejected | None:
        """Before an order leaves: its symbol on the disk, so that no restart forgets to ask for its trades."""
        try:
            self.memory.touch(symbol, sent=True)
        except OSError as error:
            return Rejected("refused", f"not sent: {symbol} cannot be noted on the disk ({error.strerror})")
        return None

    # ---- the stream --------------------------------------------------------------------------------------------------
    def make_stream(self) -> UserStream:
        """Not yet connected."""
        return UserStream(
            self.account_settings, self.product, self.env.secret(KEY), self.env.secret(SECRET), offset=self.offset,
            silence_seconds=self.account_settings.silence_seconds, log=self.env.log,
        )  # fmt: skip

    def offset(self) -> int:
        """Milliseconds that the venue's clock is ahead."""
        return self.rest.offset

    def events(self, payload: Any) -> Iterable[Fill | OrderReport | Account | Reset]:
        """What one message of the stream says."""
        raise NotImplementedError

    def stream_orders(self) -> Iterator[Fill | OrderReport | Account | Reset | Idle]:
        """Hints from the user stream, until `close`. A trade has the id here that `fills` shows."""
        stream = self.make_stream()
        with self._lock:
            if self._closed or self._rest is None:
                return
            self._streams.append(stream)
        try:
            stream.start()
            for message in stream.inbox:
                if isinstance(message, Reset | Idle):
                    yield message
                    continue
                try:
                    said = list(self.events(message))
                except BadPayload as bad:
                    yield Reset(f"a message that cannot be read: {bad}")
                    continue
                yield from said
        finally:
            stream.close()
            with self._lock:
                if stream in self._streams:
                    self._streams.remove(stream)


def _named_in(told: Any, id_field: str, key_field: str) -> tuple[str, str]:
    fields = Fields(told, "order")
    return fields.text(id_field), fields.text(key_field)
