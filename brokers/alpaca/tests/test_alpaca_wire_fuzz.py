"""Whatever Alpaca sends, the mappers answer with a noun or with BadPayload."""

import copy
import json
import os
import random
from datetime import UTC, datetime
from decimal import Decimal

from trader.errors import BadPayload
from trader_broker_alpaca import pages, wire

COUNT = int(os.environ.get("TRADER_FUZZ", "20000"))
NOW = datetime(2026, 1, 5, tzinfo=UTC)
ORDER = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_order_id": "tabc", "symbol": "BTCUSD",
    "asset_class": "crypto", "created_at": "2021-03-16T18:38:01.942282Z", "updated_at": "2021-03-16T18:38:02.94Z",
    "notional": None, "submitted_at": "2021-03-16T14:38:01.937734891-04:00", "replaced_by": None, "replaces": None,
    "qty": "2", "filled_qty": "1", "type": "limit", "order_type": "limit", "side": "buy", "limit_price": "100.01",
    "stop_price": "99", "status": "replaced", "legs": [],
}  # fmt: skip
ACTIVITY = {
    "id": "20220304135420903::047e252a", "activity_type": "CFEE", "transaction_time": "2022-03-04T18:54:20.903569Z",
    "price": "2907.15", "qty": "-0.1", "side": "sell", "symbol": "BTCUSD", "order_id": "cddf", "net_amount": "0",
    "date": "2022-03-04", "status": "executed", "currency": "USD",
}  # fmt: skip
ACCOUNT = {
    "account_number": "PA3X", "cash": "1", "equity": "2", "multiplier": "1", "non_marginable_buying_power": "1",
    "status": "ACTIVE", "currency": "USD", "trading_blocked": False, "shorting_enabled": True,
}  # fmt: skip
COIN = {
    "class": "crypto", "symbol": "BTC/USD", "status": "active", "tradable": True, "exchange": "CRYPTO",
    "min_order_size": "0.0001", "min_trade_increment": "0.000000001", "price_increment": "0.01",
}  # fmt: skip
STOCK = {"class": "us_equity", "symbol": "A", "tradable": True, "shortable": True, "easy_to_borrow": True,
         "fractionable": True, "status": "active"}  # fmt: skip
BAR = {"t": "2022-03-09T05:00:00Z", "o": Decimal("1.5"), "h": 2, "l": 1, "c": 2, "v": 10}
QUOTE = {"t": "2022-03-18T14:02:43.651613184Z", "ap": 2, "as": 13, "bp": 1, "bs": 2}
CLOCK = {"timestamp": "2019-08-24T14:15:22-04:00", "is_open": True, "next_open": "2019-08-24T14:15:22Z",
         "next_close": "2019-08-24T14:15:22Z"}  # fmt: skip


class Client:
    """Answers every question with one payload."""

    def __init__(self, payload):
        self.payload = payload

    def get(self, _path, _query=None):
        return self.payload


MAPPERS = [
    (wire.account, ACCOUNT),
    (wire.position, {"symbol": "BTCUSD", "asset_class": "crypto", "qty": "5", "side": "short", "avg_entry_price": "1"}),
    (wire.instrument, COIN),
    (lambda payload: wire.instrument(payload, fractional=True), STOCK),
    (wire.watchlist, {"name": "x", "assets": [{"symbol": "BTCUSD", "class": "crypto"}]}),
    (wire.order, ORDER),
    (wire.successor, ORDER),
    (wire.predecessor, ORDER),
    (wire.fill, ACTIVITY),
    (wire.cash_event, ACTIVITY),
    (wire.stream_event, {"stream": "trade_updates", "data": {"event": "fill", "order": {**ORDER, "status": "new"}}}),
    (wire.bar, BAR),
    (lambda payload: wire.quote(payload, "A"), QUOTE),
    (wire.clock, CLOCK),
    (wire.day, {"date": "2022-02-01", "open": "09:30", "close": "16:00"}),
    (lambda payload: wire.error(422, payload), {"code": 40010001, "message": "qty"}),
    (lambda payload: wire.error(404, json.dumps(payload, default=str)), {"code": 40410000, "message": "not found"}),
    (lambda payload: pages.orders(Client(payload), "open"), [ORDER, ORDER]),
    (lambda payload: pages.activities(Client(payload), "/x", NOW), [ACTIVITY, ACTIVITY]),
    (
        lambda payload: list(pages.market_data(Client(payload).get, "/x", {})),
        {"bars": {"A": [BAR]}, "next_page_token": None},
    ),
]  # fmt: skip
JUNK = [
    None, True, False, 0, -1, 7, 2**70, -(10**60), 10**4000, 1.5, float("nan"), float("inf"), 1e308, Decimal("NaN"),
    Decimal("1e-99999"), Decimal("-0"), "", " ", "0", "-0", "1e9999", "NaN", "Infinity", "1_000", "0x10", "٣", "1,5",
    "2022-13-45", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2022-03-04T18:54:20.Z", "2022-03-04",
    "24:00", "99999999999999999::x", "00000000000000000::x", "filled", "replaced", "CFEE", "x" * 500, "\x00", "\ud800",
    b"bytes", [], {}, [[]], [None], {"": None}, {"message": []}, [{}], "USD", "/", "USDUSD",
]  # fmt: skip


def nodes(value, path=()):
    """The path of every value inside."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inside:
        yield from nodes(part, (*path, name))


def mutated(payload, rng):
    """The payload with one to three things wrong."""
    payload = copy.deepcopy(payload)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(nodes(payload)))
        if not path:
            if rng.random() < 0.1:
                return copy.deepcopy(rng.choice(JUNK))
            continue
        parent = payload
        for name in path[:-1]:
            parent = parent[name]
        what = rng.random()
        if what < 0.2 and isinstance(parent, dict):
            del parent[path[-1]]
        elif what < 0.3 and isinstance(parent[path[-1]], str):
            text = parent[path[-1]]
            place = rng.randrange(len(text) + 1)
            parent[path[-1]] = text[:place] + rng.choice(["", "-", ".", "0", "é", "\x00", "T"]) + text[place + 1 :]
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(JUNK))
    return payload


def test_F21_no_payload_brings_the_mappers_down():
    rng = random.Random(4)
    mapped = refused = 0
    for number in range(COUNT):
        mapper, payload = MAPPERS[number % len(MAPPERS)]
        broken = mutated(payload, rng)
        try:
            mapper(broken)
            mapped += 1
        except BadPayload:
            refused += 1
    assert mapped and refused


def test_F21_no_error_body_brings_the_mapper_down():
    rng = random.Random(5)
    base = json.dumps({"code": 40310000, "message": "insufficient buying power"}).encode()
    for _ in range(COUNT // 10):
        cut = bytearray(base[: rng.randrange(len(base) + 1)])
        for _ in range(rng.randint(0, 4)):
            if cut:
                cut[rng.randrange(len(cut))] = rng.randrange(256)
        wire.error(rng.choice([200, 301, 400, 401, 403, 404, 408, 418, 422, 429, 500, 502, 504, 599]), bytes(cut))
