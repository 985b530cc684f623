"""Live orders on nautilus_trader: `python peer_nautilus.py SINGLE GROUP`, in its environment.

Prints orders a second, from the first that is submitted to the last that is filled: {"one_by_one": of SINGLE orders,
each sent when the one before is filled, "at_once": of GROUP orders sent together}. A live node with the sandbox venue;
its limits on the rate are lifted, nothing is logged or written to a disk, a hundred orders before do not count.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from statistics import median
from time import perf_counter
from typing import Any

from nautilus_trader.adapters.sandbox.config import (  # type: ignore[import-not-found]  # only its own environment has it
    SandboxExecutionClientConfig,
)
from nautilus_trader.adapters.sandbox.factory import SandboxLiveExecClientFactory  # type: ignore[import-not-found]
from nautilus_trader.config import (  # type: ignore[import-not-found]
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode  # type: ignore[import-not-found]
from nautilus_trader.model.data import QuoteTick  # type: ignore[import-not-found]
from nautilus_trader.model.enums import OrderSide  # type: ignore[import-not-found]
from nautilus_trader.model.identifiers import TraderId  # type: ignore[import-not-found]
from nautilus_trader.model.objects import Price, Quantity  # type: ignore[import-not-found]
from nautilus_trader.test_kit.providers import TestInstrumentProvider  # type: ignore[import-not-found]
from nautilus_trader.trading.strategy import Strategy  # type: ignore[import-not-found]

VENUE, WARM_UP, GROUPS = "SIM", 100, 5
UNLIMITED = "1000000/00:00:01"


class Sender(Strategy):  # type: ignore[misc]
    """Sends groups of orders at market, each as soon as the one before is filled; buys and sells take turns. `done`
    gets when each group began and ended."""

    def __init__(self, instrument: Any, groups: list[int], done: asyncio.Future[list[tuple[float, float]]]) -> None:
        super().__init__()
        self.instrument, self.groups, self.done = instrument, groups, done
        self.times: list[tuple[float, float]] = []
        self.left, self.began = 0, 0.0

    def on_start(self) -> None:
        self.done.get_loop().call_later(0.5, self.send)

    def send(self) -> None:
        if len(self.times) == len(self.groups):
            self.done.set_result(self.times)
            return
        self.began = perf_counter()
        self.left = self.groups[len(self.times)]
        now, many = self.clock.timestamp_ns(), Quantity.from_int(1_000_000)
        quote = QuoteTick(self.instrument.id, Price.from_str("99.99"), Price.from_str("100.00"), many, many, now, now)
        self.cache.add_quote_tick(quote)
        self.msgbus.publish(topic=f"data.quotes.{VENUE}.{self.instrument.id.symbol}", msg=quote)
        side = OrderSide.SELL if len(self.times) % 2 else OrderSide.BUY
        for _ in range(self.left):
            self.submit_order(self.order_factory.market(self.instrument.id, side, Quantity.from_int(1)))

    def on_order_filled(self, _event: Any) -> None:
        self.left -= 1
        if not self.left:
            self.times.append((self.began, perf_counter()))
            self.done.get_loop().call_soon(self.send)

    def on_order_denied(self, event: Any) -> None:
        self.done.set_exception(RuntimeError(str(event)))

    on_order_rejected = on_order_denied


async def main(single: int, group: int) -> None:
    loop = asyncio.get_running_loop()
    venue = SandboxExecutionClientConfig(
        venue=VENUE, starting_balances=["10_000_000 USD"], account_type="CASH", use_position_ids=False
    )
    config = TradingNodeConfig(
        trader_id=TraderId("BENCH-001"),
        logging=LoggingConfig(log_level="ERROR"),
        exec_engine=LiveExecEngineConfig(reconciliation=False),
        risk_engine=LiveRiskEngineConfig(max_order_submit_rate=UNLIMITED, max_order_modify_rate=UNLIMITED),
        exec_clients={VENUE: venue},
    )
    node = TradingNode(config, loop=loop)
    node.add_exec_client_factory(VENUE, SandboxLiveExecClientFactory)
    node.build()
    instrument = TestInstrumentProvider.equity("AAPL", VENUE)
    node.cache.add_instrument(instrument)
    done: asyncio.Future[list[tuple[float, float]]] = loop.create_future()
    node.trader.add_strategy(Sender(instrument, [1] * (WARM_UP + single) + [group] * GROUPS, done))
    running = asyncio.create_task(node.run_async())
    times = await asyncio.wait_for(done, 90)
    one_by_one = times[WARM_UP + single - 1][1] - times[WARM_UP][0]
    at_once = median(ended - began for began, ended in times[-GROUPS:])
    rates = {"one_by_one": single / one_by_one, "at_once": group / at_once}
    print(json.dumps(rates), flush=True)
    running.cancel()
    os._exit(0)  # its threads do not end by themselves


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
