"""The way to Alpaca: its own client library, one request at a time, watched. Nothing here is ever sent twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from trader.allowance import Allowance
from trader.errors import BadPayload
from trader.model import Unknown
from trader.protocols import Env
from trader.sdk import need
from trader.wire import RateLimited, Trouble, document

from trader_broker_alpaca import wire
from trader_broker_alpaca.settings import Connection

T = TypeVar("T")
EMULATOR = "X-Trader-Emulator"
LONGEST = 10.0
"""Seconds that a request may take."""
WINDOW = timedelta(seconds=60)


class Met(Exception):
    """A request that was not made, or whose answer did not come."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


def sdk(module: str) -> Any:
    """A module of alpaca-py, or of what it brings."""
    return need("trader-broker-alpaca", "alpaca-py", "0.43", "0.46", module)


class Door:
    """One client of alpaca-py (`TradingClient` or a historical data client), opened from `provide_*`'s env.

    The library resends orders by itself, has no timeout, and makes floats: its retries are switched off, each request
    has a hard time limit, and answers are parsed to decimals. `closed` ends what is under way.
    """

    def __init__(self, env: Env, product: wire.Product, make: Callable[[], Any]) -> None:
        self._env, self._product, self.client = env, product, make()
        self._allowance = env.shared(("allowance", product), lambda: Allowance(env.now))
        self._closed: Future[None] = Future()
        self._calls = threading.local()
        self.emulated = False
        self._requests, self._api_error = sdk("requests"), sdk("alpaca.common.exceptions").APIError
        session = self.client._session  # noqa: SLF001 - the library has no public way to its time limit
        self._send = session.request
        session.request = self._request
        self.client._retry = 0  # noqa: SLF001 - it resends orders after a 504, and its constructor ignores 0

    def close(self) -> None:
        """End what is under way; every later request meets a closed door."""
        if not self._closed.done():
            self._closed.set_result(None)
        self.client._session.close()  # noqa: SLF001 - nor to its connections

    def ask(self, question: Callable[[Any], T], *, urgent: bool = False) -> T | Trouble:
        """What `question(client)` answers, or what kept it from an answer. `urgent`: it serves a cancel."""
        self._calls.urgent = urgent
        try:
            return question(self.client)
        except Met as met:
            return met.trouble
        except BadPayload as payload:
            return Unknown("payload", str(payload))
        except self._api_error as refused:
            return self._refused(refused.response)
        except self._requests.exceptions.Timeout as late:
            return Unknown("timeout", f"no answer in time ({type(late).__name__})")
        except (self._requests.exceptions.RequestException, OSError) as broken:
            return Unknown("connection", f"{type(broken).__name__}: {broken}"[:300])

    def _refused(self, response: Any) -> Trouble:
        pause = self._pause(response.headers)
        trouble = wire.error(response.status_code, response.content, self._product, pause)
        if isinstance(trouble, RateLimited):
            self._allowance.wait(pause)
        return trouble

    def _request(self, method: str, url: str, **options: Any) -> Any:
        """In place of the library's session: with a time limit, told to the allowance, numbers as decimals."""
        if self._closed.done():
            raise Met(Unknown("connection", "the connection was closed"))
        refusal = self._allowance.refusal(urgent=getattr(self._calls, "urgent", False))
        if refusal is not None:
            raise Met(refusal)
        seconds = max(min(LONGEST, self._env.time_left()), 0.05)
        under_way: Future[Any] = Future()
        send = partial(self._send, method, url, **{**options, "timeout": seconds})
        threading.Thread(target=_settle, args=(under_way, send), name="alpaca-request", daemon=True).start()
        wait((under_way, self._closed), timeout=seconds, return_when=FIRST_COMPLETED)
        if not under_way.done():
            how = "was closed while a request was under way" if self._closed.done() else f"was silent for {seconds:g} s"
            raise Met(Unknown("connection" if self._closed.done() else "timeout", f"the connection {how}"))
        response = under_way.result()
        self._note(response)
        if 300 <= response.status_code < 400:
            raise BadPayload("answer", "status", "no redirect", response.status_code)
        response.json = partial(document, response.content, "answer")
        return response

    def _note(self, response: Any) -> None:
        headers = response.headers
        self.emulated = self.emulated or EMULATOR in headers
        limit, left, fresh = (_number(headers, f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset"))
        if limit is not None and left is not None:
            now = self._env.now()
            fresh_at = None if fresh is None else min(datetime.fromtimestamp(fresh, UTC), now + WINDOW)
            self._allowance.told(limit - left, limit, fresh_at)

    def _pause(self, headers: Any) -> float | None:
        """Seconds that the venue wants to be left alone; None: it does not say."""
        fresh = _number(headers, "X-RateLimit-Reset")
        if fresh is not None and "Retry-After" not in headers:
            return min(max(fresh - self._env.now().timestamp(), 0.0), WINDOW.total_seconds())
        return _number(headers, "Retry-After")


def _settle(under_way: Future[Any], send: Callable[[], Any]) -> None:
    try:
        under_way.set_result(send())
    except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
        under_way.set_exception(error)


def _number(headers: Any, name: str) -> float | None:
    text = headers.get(name, "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def keys(env: Env) -> dict[str, str]:
    """What every client of the library is made with. SettingsError if nobody has them."""
    return {
        "api_key": env.secret("ALPACA_API_KEY").reveal(),
        "secret_key": env.secret("ALPACA_SECRET_KEY").reveal(),
    }


def trading(settings: Connection, env: Env) -> Door:
    """To the account: orders, positions, what may be traded."""
    live = settings.environment == "live"

    def make() -> Any:
        return sdk("alpaca.trading.client").TradingClient(
            **keys(env), paper=not live, raw_data=True, url_override=settings.url or None
        )

    return _local(Door(env, "trading", make), settings)


def market(settings: Connection, env: Env, name: str) -> Door:
    """To the market data of "stock" or "crypto"."""

    def make() -> Any:
        module = sdk(f"alpaca.data.historical.{name}")
        client = getattr(module, f"{name.capitalize()}HistoricalDataClient")
        return client(**keys(env), raw_data=True, url_override=settings.url or None)

    return _local(Door(env, "data", make), settings)


def _local(door: Door, settings: Connection) -> Door:
    if settings.url:
        door.client._session.trust_env = False  # noqa: SLF001 - a proxy does not reach this machine's own addresses
    return door
