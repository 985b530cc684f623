"""The random walks as a live data source: of the recent past, and known no earlier than they end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from trader.cycle.market import instant64
from trader.hookspecs import hookimpl
from trader.model import Array, Bars
from trader.protocols import Env

from _bench.bars import bars_until


class Settings(BaseModel):
    """What may stand in [data_sources.bench]. `last`: end of the last of `days` bars."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    last: datetime
    days: int
    symbols: int


class Walks:
    """Answers from memory."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def open(self) -> None:
        """Nobody has to log in."""

    def close(self) -> None:
        """Nothing is held open."""

    def symbols(self) -> Sequence[str]:
        return self._bars.symbols

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars:
        every = self._bars
        rows = (every.end > instant64(start)) & (every.end <= instant64(end))
        place = {symbol: column for column, symbol in enumerate(every.symbols)}
        columns = [place[symbol] for symbol in symbols]

        def cut(values: Array) -> Array:
            return values[rows][:, columns]

        return Bars(
            tuple(symbols), timeframe, every.start[rows], every.end[rows], cut(every.open), cut(every.high),
            cut(every.low), cut(every.close), cut(every.volume),
        )  # fmt: skip


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> Walks:  # noqa: ARG001 - the hook's signature
    """The bars up to the last one."""
    return Walks(bars_until(settings.last, settings.days, settings.symbols))
