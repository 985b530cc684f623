"""The account at the venue server. A line that breaks leaves a submit Unknown and a question Unavailable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from crash_harness.wire import KEY, Down, Line
from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import (
    Account,
    CashEvent,
    Fill,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    Outcome,
    Position,
    Unavailable,
    Unknown,
)
from trader.protocols import Env


class Settings(BaseModel):
    """What may stand in [brokers.wire]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int


class Wire:
    """Every call is one question to the server."""

    def __init__(self, line: Line, env: Env) -> None:
        self._line, self._env = line, env

    def _ask(self, method: str, *args: Any) -> Any:
        try:
            return self._line.ask(method, *args, timeout=self._env.time_left())
        except Down as problem:
            return Unavailable("connection", str(problem))

    def _send(self, method: str, *args: Any) -> Outcome:
        answer: Outcome | Unavailable = self._ask(method, *args)
        return Unknown(answer.kind, answer.reason) if isinstance(answer, Unavailable) else answer

    def open(self) -> Account | Unavailable:
        answer: Account | Unavailable = self._ask("open")
        return answer

    def close(self) -> None:
        self._line.close()

    def key(self, client_id: str) -> str:
        return client_id

    def account(self) -> Account | Unavailable:
        answer: Account | Unavailable = self._ask("account")
        return answer

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        answer: Sequence[Instrument] | Unavailable = self._ask("instruments", list(symbols))
        return answer

    def positions(self) -> Sequence[Position] | Unavailable:
        answer: Sequence[Position] | Unavailable = self._ask("positions")
        return answer

    def orders(self) -> Sequence[OrderReport] | Unavailable:
        answer: Sequence[OrderReport] | Unavailable = self._ask("orders")
        return answer

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        answer: OrderReport | NotFound | Unavailable = self._ask("order", ref)
        return answer

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        answer: Sequence[Fill] | Unavailable = self._ask("fills", since)
        return answer

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        answer: Sequence[CashEvent] | Unavailable = self._ask("cash_events", since)
        return answer

    def submit(self, order: OrderRequest) -> Outcome:
        return self._send("submit", order)

    def cancel(self, ref: OrderRef) -> Outcome:
        return self._send("cancel", ref)

    def cancel_all(self) -> Outcome:
        return self._send("cancel_all")


@hookimpl
def provide_broker(settings: Settings, env: Env) -> Wire:
    """The account; the word that opens the line comes from the environment."""
    key = bytes.fromhex(env.secret(KEY).reveal())
    return Wire(Line(settings.port, key, "trader"), env)
