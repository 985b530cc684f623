"""The venue server's bars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from crash_harness.market import SYMBOLS
from crash_harness.wire import KEY, Down, Line
from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import Bars, Unavailable
from trader.protocols import Env


class Settings(BaseModel):
    """What may stand in [data_sources.wire]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int


class Wire:
    """Asks for bars."""

    def __init__(self, line: Line, env: Env) -> None:
        self._line, self._env = line, env

    def open(self) -> Unavailable | None:
        return None

    def close(self) -> None:
        self._line.close()

    def symbols(self) -> Sequence[str]:
        return SYMBOLS

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        try:
            answer: Bars = self._line.ask("bars", list(symbols), start, end, timeout=self._env.time_left())
        except Down as problem:
            return Unavailable("connection", str(problem))
        return answer


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> Wire:
    """The source."""
    return Wire(Line(settings.port, bytes.fromhex(env.secret(KEY).reveal()), "trader"), env)
