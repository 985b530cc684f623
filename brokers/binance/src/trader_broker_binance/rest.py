"""Requests over the venue's client library: one at a time on each client, each with a time limit, none of them again.

The one exception is -1021 (our clock differs): the venue refused it before it looked at it, so the clock is measured
and the request sent once more.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeAlias

from trader.allowance import Allowance
from trader.clock import Clock, SystemClock
from trader.env import Secret
from trader.errors import BadPayload, PluginBroken
from trader.model import Rejected, Unknown
from trader.protocols import Env
from trader.wire import EPOCH, AuthFailed, RateLimited, Trouble, document

from trader_broker_binance import sdk, troubles, wire
from trader_broker_binance.settings import Place
from trader_broker_binance.troubles import Product

TROUBLE = (Rejected, Unknown, RateLimited, AuthFailed)
Answer: TypeAlias = Any
"""JSON, or one of TROUBLE."""
LONGEST = 10.0
HOUR = 3_600.0
NOTHING: Mapping[str, str] = MappingProxyType({})
EMULATOR = "X-Trader-Emulator"
WEIGHT = re.compile(r"x-mbx-used-weight-(\d+)([smhd])", re.IGNORECASE)
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
USUAL = {"spot": {"60": 6_000.0}, "futures": {"60": 2_400.0}}
"""Weight limits, until the venue says its own."""


class Rest:
    """One account, or market data alone where there are no keys. Any thread may ask."""

    def __init__(
        self, place: Place, product: Product, env: Env, allowance: Allowance, *,
        key: Secret | None = None, secret: Secret | None = None, recv_window: int = 3_000, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._place, self._product, self._env, self.allowance = place, product, env, allowance
        self._key, self._secret, self._window = key, secret, recv_window
        # The library stamps requests with the system's clock: the offset is from that one, whatever time it is here.
        self._clock = clock or SystemClock()
        self._lock, self._idle, self._busy, self._closed = Lock(), list[Any](), list[Any](), False
        self.offset = 0
        """Milliseconds that the venue's clock is ahead of the system's."""
        self._measured: float | None = None
        self.limits: dict[str, float] = dict(USUAL[product])
        self.emulator = ""
        """The emulator's name, where one answers."""
        self._requests: Any = None

    def now(self) -> datetime:
        """The venue's time."""
        return self._clock.now() + timedelta(milliseconds=self.offset)

    # ---- asking ------------------------------------------------------------------------------------------------------
    def ask(
        self, method: str, params: Mapping[str, str] = NOTHING, *, signed: bool = True, urgent: bool = False
    ) -> Answer:  # fmt: skip
        """One of the library's methods: the answer as JSON, or the trouble."""
        if self._measured is None or self._clock.monotonic() - self._measured > HOUR:
            trouble = self.measure(urgent=urgent)
            if trouble is not None and self._measured is None:
                return trouble
        answer = self._once(method, params, urgent=urgent)
        if signed and isinstance(answer, Rejected) and answer.kind == "clock":
            if self.measure(urgent=urgent) is not None:
                return answer
            answer = self._once(method, params, urgent=urgent)
        return answer

    def measure(self, *, urgent: bool = False) -> Trouble | None:
        """Ask the venue what time it is; None: its clock is known."""
        began = self._clock.now()
        answer = self._once("get_server_time" if self._product == "spot" else "futures_time", NOTHING, urgent=urgent)
        if isinstance(answer, TROUBLE):
            return answer
        middle = began + (self._clock.now() - began) / 2
        try:
            there = wire.server_time(answer)
        except BadPayload as bad:
            return troubles.garbled(bad)
        self.offset, self._measured = int((there - middle) / timedelta(milliseconds=1)), self._clock.monotonic()
        return None

    def _once(self, method: str, params: Mapping[str, str], *, urgent: bool) -> Answer:
        refused = self.allowance.refusal(urgent=urgent)
        if refused is not None:
            return refused
        left = min(LONGEST, self._env.time_left())
        if left <= 0:
            return Unknown("timeout", "there was no time left to ask")
        try:
            with self._client() as client:
                if client is None:
                    return Unknown("connection", "the connection is closed")
                client.REQUEST_TIMEOUT, client.REQUEST_RECVWINDOW = left, self._window
                client.timestamp_offset = self.offset
                response = getattr(client, method)(**params)
                body, headers, status = response.content, response.headers, response.status_code
        except PluginBroken:  # no library, or an untried one: nothing was sent, and a person must know
            raise
        except self._library().exceptions.Timeout:
            return Unknown("timeout", f"no answer to {method} within {left:.3g} s")
        except Exception as error:  # noqa: BLE001 - it may have left already, whatever the library makes of the answer
            # Not its text: that has the address with everything that was signed.
            return Unknown("connection", f"{method}: {type(error).__name__}")
        return self._read(status, headers, body)

    def _read(self, status: int, headers: Any, body: bytes) -> Answer:
        self.emulator = headers.get(EMULATOR, "") or self.emulator
        self._count(headers)
        if 200 <= status < 300:
            try:
                return document(body, "answer")
            except BadPayload as bad:
                return troubles.garbled(bad)
        trouble = troubles.error(status, body, self._product, _seconds(headers.get("Retry-After")))
        if isinstance(trouble, RateLimited):
            self.allowance.wait(trouble.retry_after, banned=status == 418)
        return trouble

    def _count(self, headers: Any) -> None:
        """What the venue says that we have used of its limits."""
        for name, value in headers.items():
            found = WEIGHT.fullmatch(name)
            used = _seconds(value)
            if found is None or used is None:
                continue
            length = int(found[1]) * SECONDS[found[2].lower()]
            limit = self.limits.get(str(length))
            if limit is not None and length > 0:
                rest = length - ((self.now() - EPOCH) / timedelta(seconds=1)) % length
                self.allowance.told(used, limit, self._env.now() + timedelta(seconds=rest))

    # ---- clients -----------------------------------------------------------------------------------------------------
    @contextmanager
    def _client(self) -> Iterator[Any]:
        """A client for one request: the library keeps the last answer in the client, so that two threads on one would
        read each other's. None once all is closed."""
        with self._lock:
            client = None if self._closed else self._idle.pop() if self._idle else self._make()
            if client is not None:
                self._busy.append(client)
        try:
            yield client
        finally:
            if client is not None:
                with self._lock:
                    self._busy.remove(client)
                    if not self._closed:
                        self._idle.append(client)
                    else:
                        client.session.close()

    def _make(self) -> Any:
        key, secret = (one.reveal() if one is not None else "" for one in (self._key, self._secret))
        return sdk.client(self._place, key, secret)

    def _library(self) -> Any:
        if self._requests is None:
            self._requests = importlib.import_module("requests")
        return self._requests

    def close(self) -> None:
        """No more requests; those that run are broken off."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for client in busy:
            client.abort()
        for client in idle:
            client.session.close()


def _seconds(text: object) -> float | None:
    """A header's number; None for anything else."""
    try:
        number = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
