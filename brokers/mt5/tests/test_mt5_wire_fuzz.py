"""Whatever a terminal sends: a noun, an outcome, or a BadPayload. Nothing else escapes."""

import os
import random
from copy import deepcopy
from datetime import UTC, datetime

from trader.errors import BadPayload
from trader.model import OrderState
from trader_broker_mt5 import asks, rates, wire

RUNS = int(os.environ.get("TRADER_FUZZ", "20000"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEED = {
    "login": 1, "trade_mode": 0, "trade_allowed": True, "trade_expert": True, "margin_mode": 2, "balance": 1.5,
    "credit": 0.0, "equity": 1.5, "server": "S", "currency": "USD", "name": "EURUSD", "digits": 5, "point": 1e-05,
    "trade_tick_size": 1e-05, "trade_contract_size": 1e5, "volume_min": 0.01, "volume_max": 500.0, "volume_step": 0.01,
    "trade_exemode": 2, "filling_mode": 1, "order_mode": 127, "expiration_mode": 15, "currency_base": "EUR",
    "currency_profit": "USD", "bid": 1.1, "ask": 1.2, "description": "", "path": "P", "time": 1_700_000_000,
    "time_msc": 1_700_000_000_123, "ticket": 5, "order": 6, "time_setup": 1_700_000_000,
    "time_setup_msc": 1_700_000_000_123, "time_done": 0, "time_done_msc": 0, "type": 0, "state": 1, "magic": 7,
    "volume_initial": 0.3, "volume_current": 0.1, "price_open": 1.1, "price_stoplimit": 0.0, "symbol": "EURUSD",
    "comment": "c", "entry": 0, "reason": 3, "volume": 0.1, "price": 1.1, "commission": -0.3, "swap": 0.1, "fee": 0.0,
    "profit": 2.5, "retcode": 10009, "deal": 9, "identifier": 5,
}  # fmt: skip
COLUMNS = {
    "time": [60, 120], "open": [1.0, 1.0], "high": [1.0, 1.0], "low": [1.0, 1.0], "close": [1.0, 1.0],
    "tick_volume": [1, 2], "real_volume": [0, 0], "time_msc": [60_000, 61_000], "last": [1.0, 0.0],
    "volume_real": [1.0, 0.0],
}  # fmt: skip
MAPPERS = [
    (wire.symbol_of, SEED), (wire.instrument, SEED), (lambda p: wire.quote("X", p), SEED),
    (lambda p: wire.account(p, NOW), SEED), (wire.hedging, SEED), (wire.order, SEED), (wire.result, SEED),
    (wire.placed, SEED), (wire.removal, SEED), (wire.check, SEED), (wire.ticket, SEED), (wire.position, SEED),
    (wire.fill, SEED), (wire.cash_event, SEED), (asks.rules, SEED), (wire.error, [-1, "Failed"]),
    (wire.positions, [SEED, SEED]), (wire.tickets, [SEED]), (lambda p: rates.bars(p, "1m"), COLUMNS),
    (lambda p: rates.trades(p, "X"), COLUMNS),
]  # fmt: skip
JUNK = (
    None, True, False, 0, -1, 1, 10**30, -(10**30), 10**400, 2**63, 0.1, -0.0, 1e308, 1e-320, float("nan"),
    float("inf"), "", "x", "1", "-1e9", "NaN", "٣", "\x00", "a" * 5000, [], [1], [None], {}, {"a": 1}, (), b"1",
    object(), "1" * 400, [[]], 253402300800, 253402300800000, -62135596801,
)  # fmt: skip


def mutated(rng, payload):
    if rng.random() < 0.03:
        return rng.choice(JUNK)
    payload = deepcopy(payload)
    for _ in range(rng.randint(1, 3)):
        if isinstance(payload, list):
            payload[rng.randrange(len(payload))] = mutated(rng, payload[rng.randrange(len(payload))] or SEED)
            continue
        if not isinstance(payload, dict) or not payload:
            return rng.choice(JUNK)
        name = rng.choice(list(payload))
        if rng.random() < 0.15:
            del payload[name]
        elif isinstance(payload[name], list) and payload[name] and rng.random() < 0.6:
            payload[name] = [*payload[name][:-1], rng.choice(JUNK)]
        else:
            payload[name] = rng.choice(JUNK)
    return payload


def test_F21_20000_mutated_payloads_end_in_a_noun_or_a_bad_payload():
    rng = random.Random(5)
    good = bad = 0
    for run in range(RUNS):
        mapper, seed = MAPPERS[run % len(MAPPERS)]
        payload = mutated(rng, seed)
        try:
            mapper(payload)
            good += 1
        except BadPayload:
            bad += 1
    assert good + bad == RUNS
    assert good > RUNS / 20, "The mutations leave nothing whole."


def test_what_is_not_mutated_maps():
    for mapper, seed in MAPPERS:
        mapper(seed)
    assert wire.order(SEED).state is OrderState.WORKING
