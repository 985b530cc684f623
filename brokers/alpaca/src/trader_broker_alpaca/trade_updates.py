"""What happens to the account's orders, as Alpaca pushes it."""

from __future__ import annotations

from typing import Any

from trader.model import OrderReport, Reset
from trader.protocols import Env
from trader.wire import Fields, document

from trader_broker_alpaca import wire
from trader_broker_alpaca.door import keys, sdk
from trader_broker_alpaca.push import Push, options
from trader_broker_alpaca.settings import Connection

LISTENING = "listening"


class TradeUpdates(Push[OrderReport]):
    """Reset when it is (re)connected and listens: nothing is repeated that was missed. Alpaca allows one at a time."""

    refusals = ("failed to authenticate",)

    def __init__(self, settings: Connection, env: Env) -> None:
        super().__init__(f"the {settings.environment} account's trade_updates stream", settings)
        self._settings, self._env = settings, env
        self._told = False

    def make(self) -> Any:
        """The library's TradingStream."""
        url = self._settings.url
        stream = sdk("alpaca.trading.stream").TradingStream(
            **keys(self._env),
            paper=self._settings.environment == "paper",
            raw_data=True,
            url_override=f"ws{url.removeprefix('http')}/stream" if url else None,
            websocket_params=options(self._settings),
        )
        stream.subscribe_trade_updates(_heard_elsewhere)
        return stream

    def connected(self) -> None:
        """It is told with the first message: the answer to "listen", after which nothing is missed."""
        self._told = False

    def hear(self, raw: str | bytes) -> None:
        """See `wire.stream_event`."""
        if not self._told:
            self._told = True
            self.put(Reset("connected"))
        message = Fields(document(raw, "message"), "message")
        if message.text("stream", "") == "authorization" and message.inside("data").text("status", "") != "authorized":
            self.refuse("it was not authorized to listen")
        event = wire.stream_event(document(raw, "message"))
        if event is not None:
            self.put(event)


async def _heard_elsewhere(_: Any) -> None:
    """The library wants a handler; `hear` has every message before it would be called."""
