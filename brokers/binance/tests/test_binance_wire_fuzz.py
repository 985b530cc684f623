"""Whatever the venue sends, a mapper answers, or raises BadPayload: never anything else."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from trader.errors import BadPayload
from trader.model import Rejected, Unknown
from trader.wire import AuthFailed, RateLimited
from trader_broker_binance import futures_wire, wire
from trader_broker_binance.wire import Ended

COUNT = int(os.environ.get("TRADER_FUZZ", "20000"))
_spec = importlib.util.spec_from_file_location("binance_payloads", Path(__file__).with_name("test_binance_wire.py"))
P = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(P)

STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, 10**400, -(10**50), 0.1, float("nan"), float("inf"), "", " ", "0", "-1", "NaN",
    "Infinity", "-Infinity", "1e400", "1e-400", "1" * 200, "1" * 39, "0." + "0" * 39 + "1", "x" * 5_000, "\x00",
    "\ud800", "é", "BUY", "TRADE", "FILLED", "executionReport", "ORDER_TRADE_UPDATE", "2026-01-01", [], {}, [[]], [{}],
    {"a": 1}, ["a"], Decimal("NaN"), Decimal("1E+30"), Decimal("9" * 90), b"bytes", [None] * 12,
]  # fmt: skip
EXCHANGE = {
    "serverTime": 1, "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                                     "limit": 6000}], "symbols": [P.SYMBOL, P.CONTRACT],
}  # fmt: skip
BOOK = {"symbol": "BTCUSDT", "bidPrice": "1", "bidQty": "2", "askPrice": "3", "askQty": "4", "time": 5}
KLINE = [1, "1", "2", "0.5", "1.5", "10", 2, "15", 3, "5", "7", "0"]
AGG = {"a": 1, "p": "1", "q": "2", "f": 1, "l": 1, "T": 1_700_000_000_000, "m": True}
RESTRICTIONS = {"enableReading": True, "enableWithdrawals": False, "enableSpotAndMarginTrading": True}
SPOT: list[tuple[Callable[[Any], Any], Any]] = [
    (wire.order, P.ORDER), (wire.fill, P.TRADE), (wire.balances, P.ACCOUNT), (wire.position, P.ACCOUNT["balances"][0]),
    (lambda told: wire.account(told, prices={"BTC": Decimal("60000.1")}), P.ACCOUNT), (wire.instrument, P.SYMBOL),
    (wire.listed, EXCHANGE), (wire.stream_event, {**P.EXECUTION, "x": "TRADE", "t": 7}), (wire.bar, KLINE),
    (lambda told: wire.trade(told, "BTC/USDT"), AGG), (lambda told: wire.quote(told, P.AT), BOOK),
    (wire.marks, [BOOK, BOOK]), (wire.restrictions, RESTRICTIONS), (wire.server_time, {"serverTime": 1}),
    (wire.deposit, P.DEPOSIT), (wire.withdrawal, P.WITHDRAWAL),
    (wire.distributions, {"rows": [P.DISTRIBUTION, P.DISTRIBUTION], "total": 2}),
    (lambda told: wire.documents(told, "list"), [P.ORDER]), (lambda told: wire.rows(told, "list"), [KLINE]),
]  # fmt: skip
FUTURES: list[tuple[Callable[[Any], Any], Any]] = [
    (futures_wire.order, P.ORDER), (futures_wire.fill, P.USER_TRADE), (futures_wire.instrument, P.CONTRACT),
    (futures_wire.algo, P.ALGO), (futures_wire.position, P.POSITION), (futures_wire.income, P.INCOME),
    (futures_wire.income_row, P.INCOME), (futures_wire.stream_event, P.ORDER_TRADE),
    (futures_wire.stream_event, P.ALGO_UPDATE), (futures_wire.became, P.ALGO_UPDATE),
    (futures_wire.account, {"assets": [{"asset": "USDT", "walletBalance": "1", "marginBalance": "2"}]}),
    (futures_wire.alias, [{"accountAlias": "SgsR", "asset": "USDT"}]),
    (futures_wire.hedged, {"dualSidePosition": False}), (futures_wire.done, {"code": "200", "msg": "ok"}),
    (lambda told: futures_wire.canceled(told, "t0123", ""), {"algoId": 1, "clientAlgoId": "t0123", "code": "200"}),
]  # fmt: skip


def mutated(payload: Any, rng: random.Random) -> Any:
    """One to three things changed, somewhere within."""
    if rng.random() < 0.02:
        return rng.choice(STRANGE)
    changed = copy.deepcopy(payload)
    for _ in range(rng.randint(1, 3)):
        here, steps = changed, 0
        while steps < 6:
            keys: list[Any] = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(here[key], dict | list) and here[key] and rng.random() < 0.8:
                here, steps = here[key], steps + 1
                continue
            what = rng.random()
            if what < 0.2:
                del here[key]
            elif what < 0.3 and isinstance(here[key], str):
                here[key] = here[key][: rng.randint(0, len(here[key]))] + rng.choice(["", "-", "9", ".", "e5", "\n"])
            else:
                here[key] = rng.choice(STRANGE)
            break
    return changed


@pytest.mark.parametrize(("product", "readers"), [("spot", SPOT), ("futures", FUTURES)])
def test_F21_a_mapper_answers_or_says_what_is_wrong(product, readers):
    """Seeded; TRADER_FUZZ says how many payloads."""
    rng = random.Random(product)
    bad = 0
    for number in range(COUNT):
        read, payload = readers[number % len(readers)]
        told = mutated(payload, rng)
        try:
            read(told)
        except BadPayload:
            bad += 1
        except Exception as error:
            raise AssertionError(f"number {number}: {type(error).__name__}: {error} for {told!r:.500}") from error
    assert 0.1 * COUNT < bad < 0.95 * COUNT, f"Of {COUNT}, {bad} were refused: the mutations are no test."


@pytest.mark.parametrize("product", ["spot", "futures"])
def test_F21_any_body_of_an_error_means_something(product):
    """And no body of any kind makes an order that is not in 4xx a rejected one."""
    rng = random.Random(product)
    bodies = [
        b'{"code":-2010,"msg":"Duplicate order sent."}',
        b"<html>502</html>",
        b"",
        b"\xff\xfe",
        b'{"code":',
        b"[]",
    ]
    for _ in range(COUNT // 4):
        status = rng.choice([200, 301, 400, 401, 403, 404, 408, 409, 418, 429, 451, 500, 502, 503, 504, 0, 999])
        body = rng.choice(bodies)
        if rng.random() < 0.5:
            told = {"code": rng.choice([*STRANGE[:20], -1021, -2011, -1003, -9999]), "msg": rng.choice(STRANGE[:30])}
            body = json.dumps(told, default=str).encode("utf-8", "surrogatepass")
        elif rng.random() < 0.5:
            body = bytes(rng.randbytes(rng.randint(0, 60)))
        trouble = wire.error(status, body, product)
        assert isinstance(trouble, Rejected | Unknown | RateLimited | AuthFailed)
        assert not isinstance(trouble, Rejected) or 400 <= status < 500, (status, body, trouble)
        assert trouble.reason.strip()


def test_the_payloads_themselves_are_fine():
    for read, payload in [*SPOT, *FUTURES]:
        assert not isinstance(read(copy.deepcopy(payload)), Ended)
