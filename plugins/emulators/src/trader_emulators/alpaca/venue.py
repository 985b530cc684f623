"""The emulated Alpaca: a margin account, a score of stocks, two coins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from math import ceil
from typing import Any, ClassVar

from aiohttp import web
from trader.model import ZERO, Fill, Instrument, OrderReport
from trader.simulation import Terms
from trader.testing.emulation import Mishap, Setup

from trader_emulators.alpaca.assets import ASSETS
from trader_emulators.alpaca.books import Books
from trader_emulators.alpaca.desk import Desk
from trader_emulators.alpaca.history import History
from trader_emulators.alpaca.ledger import Ledger
from trader_emulators.alpaca.listing import Listing
from trader_emulators.alpaca.streams import Streams
from trader_emulators.alpaca.tape import CRYPTO, Tape
from trader_emulators.alpaca.text import Names
from trader_emulators.http import Answer, Asked, HttpEmulator, Route

KEY, SECRET = "PKEMULATOR0000000000", "emulated-secret-that-opens-nothing"
LEVERAGE = Decimal(2)
FEEDS = "iex|sip|delayed_sip|boats|overnight|test"
SHIFT = 1 + 2e-15
"""A volume is counted in lots of 10^-9: this keeps whole units whole in float64."""


class AlpacaEmulator(HttpEmulator):
    """A margin account: shorts, exposure up to twice the equity; buys are paid from cash. No fees. The market is
    always open. Brackets, trailing stops and auctions
    are not emulated, and refused in words of the emulator's own."""

    name: ClassVar[str] = "alpaca"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.names = Names(self.clock.now())
        self.ledger = Ledger(self.venue, self.names)
        self.desk, self.books = Desk(self), Books(self)
        self.streams = Streams(self)

    def instruments(self) -> Iterable[Instrument]:
        begin = {**self.prices(), **(self.setup.prices or {})}
        return [asset.rules(begin[asset.symbol]) for asset in ASSETS.values()]

    def prices(self) -> Mapping[str, float]:
        return {asset.symbol: asset.price for asset in ASSETS.values()}

    def terms(self) -> Terms:
        return Terms(shorting=True, leverage=LEVERAGE)

    @property
    def options(self) -> Mapping[str, Any]:
        return {"url": self.url}

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET}

    # ---- what it is asked --------------------------------------------------------------------------------------------
    def routes(self) -> list[Route]:
        return [
            *self.desk.routes(), *self.books.routes(), *History(self).routes(), *Listing(self).routes(),
            *Tape(self).routes(),
        ]  # fmt: skip

    def socket_routes(self) -> dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]:
        return {
            "/stream": self.streams.trading,
            f"/v2/{{feed:{FEEDS}}}": self.streams.stocks,
            "/v1beta3/crypto/us": self.streams.crypto,
        }

    def authorized(self, asked: Asked, call: str) -> Answer | None:  # noqa: ARG002 - all calls need the same keys
        key, secret = (asked.headers.get(name) for name in ("apca-api-key-id", "apca-api-secret-key"))
        if key is None and secret is None and asked.path.startswith(CRYPTO):
            return None  # coins' prices are for everybody
        return None if self.knows(key, secret) else self.trouble(Mishap.UNAUTHORIZED)

    def knows(self, key: object, secret: object) -> bool:
        """Whether these are the account's keys."""
        return not self.revoked and key == KEY and secret == SECRET

    def trouble(self, what: Mishap) -> Answer:
        if what is Mishap.UNAUTHORIZED:
            return Answer(401, {"message": "unauthorized"})
        if what is Mishap.RATE_LIMITED:
            left = {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": self._reset(self.reopens or 1.0)}
            return Answer(429, {"code": 42910000, "message": "rate limit exceeded"}, left)
        return Answer(504, {"code": 50410000, "message": "gateway timeout"})  # what alpaca-py sends again by itself

    def headers(self) -> dict[str, str]:
        limit, left, seconds = self.allowance
        return {
            "X-Ratelimit-Limit": str(limit), "X-Ratelimit-Remaining": str(max(left, 0)),
            "X-Ratelimit-Reset": self._reset(seconds),
        }  # fmt: skip

    def _reset(self, seconds: float) -> str:
        """So many seconds from now, in seconds since 1970."""
        moment = self.clock.now() + timedelta(seconds=seconds)
        return str(ceil(moment.timestamp()))

    # ---- what the account has ----------------------------------------------------------------------------------------
    def power(self) -> tuple[Decimal, Decimal]:
        """Dollars that buy, and dollars that may be sold short; what orders have promised is still in it."""
        gross = sum((abs(held) * self.books.price(symbol) for symbol, held in self.venue.truth_positions().items()),
                    ZERO)  # fmt: skip
        room = max(LEVERAGE * self.venue.truth_account().equity - gross, ZERO)
        return max(min(self.venue.truth_cash(), room), ZERO), room

    def instruments_now(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        """The rules as the account behind the protocol has them."""
        found: Sequence[Instrument] = self.ask(self.venue.instruments, symbols)
        return found

    # ---- the market --------------------------------------------------------------------------------------------------
    def trade(self, symbol: str, price: float, volume: float = float("nan")) -> None:
        super().trade(symbol, price, volume * SHIFT)

    def moved(self, prices: Mapping[str, float]) -> None:
        self.books.remember()
        self.streams.moved(prices)

    async def push(self, event: Fill | OrderReport) -> None:
        await self.streams.tell(event)

    async def beat(self) -> None:
        await self.streams.beat()
