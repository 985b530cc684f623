"""Whatever Robinhood sends: a noun, or a BadPayload that names the field. TRADER_FUZZ says how many payloads."""

import copy
import json
import os
import random
from datetime import UTC, datetime
from decimal import Decimal

from trader.errors import BadPayload
from trader.model import Rejected, Struct, Unknown
from trader.wire import AuthFailed, RateLimited, document, outcome, unavailable
from trader_broker_robinhood import money, wire

COUNT = int(os.environ.get("TRADER_FUZZ", "20000"))
NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
API = "https://api.robinhood.com"
ORDER = {
    "id": "15390ade-face-caca-0987-9fdac5824701", "ref_id": "33333333-fcd7-4704-a9f0-c1effecd34a6",
    "instrument": f"{API}/instruments/50810c35-d215-4866-9758-0ada4ac79ffa/", "account": f"{API}/accounts/8UD/",
    "cumulative_quantity": "5.00000000", "fees": "0.02", "state": "filled", "type": "limit", "side": "sell",
    "time_in_force": "gfd", "trigger": "stop", "price": "10.26000000", "stop_price": "10.30000000",
    "quantity": "5.00000000", "reject_reason": None, "preset_percent_limit": None,
    "created_at": "2016-06-02T00:35:23.392014Z", "updated_at": "2016-06-02T13:30:41.275392Z",
    "last_transaction_at": "2016-06-02T13:30:41Z",
    "executions": [
        {"timestamp": "2016-06-02T13:30:41Z", "price": "10.28000000", "quantity": "2.00000", "id": None},
        {"timestamp": "2016-06-02T13:30:39Z", "price": "10.28000000", "quantity": "3.00000", "id": "x", "fees": "0.01"},
    ],
}  # fmt: skip
ACCOUNT = {"account_number": "8UD09348", "cash": "114.8900", "unsettled_funds": "100.0000", "deactivated": False,
           "portfolio_cash": "214.89", "only_position_closing_trades": False, "uncleared_deposits": None}  # fmt: skip
PORTFOLIO = {"equity": "499.6600", "extended_hours_equity": None}
INSTRUMENT = {"id": "50810c35", "symbol": "MSFT", "tradeable": True, "state": "active", "min_tick_size": "0.05",
              "tradability": "tradable", "fractional_tradability": "tradable", "simple_name": "Microsoft"}  # fmt: skip
QUOTE = {"symbol": "MSFT", "bid_price": "10.00", "ask_price": "10.02", "bid_size": 1, "ask_size": 2,
         "updated_at": "2026-01-05T15:00:00Z"}  # fmt: skip
BAR = {"begins_at": "2026-01-05T14:30:00Z", "open_price": "10", "close_price": "11", "high_price": "12",
       "low_price": "9", "volume": 5, "interpolated": False}  # fmt: skip
DIVIDEND = {"id": "d1", "instrument": f"{API}/instruments/50810c35/", "amount": "1.25", "withholding": "0.25",
            "paid_at": "2026-01-05T15:00:00Z", "state": "paid"}  # fmt: skip
TRANSFER = {"id": "t1", "amount": "5", "direction": "deposit", "state": "completed",
            "updated_at": "2026-01-05T15:00:00Z"}  # fmt: skip
SWEEP = {"id": "s1", "amount": {"amount": "0.4"}, "direction": "credit", "pay_date": "2026-01-05T15:00:00Z"}
CHARGE = {"id": "c1", "amount": "5.00", "created_at": "2026-01-05T15:00:00Z"}
PAGE = {"next": f"{API}/orders/?cursor=x", "previous": None, "results": [ORDER]}

READERS = [
    (ACCOUNT, lambda sent: wire.account(sent, PORTFOLIO, NOW, "live")),
    (PORTFOLIO, lambda sent: wire.account(ACCOUNT, sent, NOW, "live")),
    ({"quantity": "1.5", "average_buy_price": "2.34"}, lambda sent: wire.position(sent, "MSFT")),
    (INSTRUMENT, lambda sent: wire.instrument(sent, fractional=True)),
    (QUOTE, wire.quote),
    (QUOTE, wire.ask_price),
    (BAR, lambda sent: wire.bar(sent, "5m")),
    (BAR, lambda sent: wire.bar(sent, "1d")),
    (ORDER, lambda sent: wire.order(sent, "MSFT")),
    (ORDER, lambda sent: wire.fills(sent, "MSFT")),
    (ORDER, lambda sent: wire.instrument_id(sent, "order")),
    (ORDER, lambda sent: money.fees(sent, "MSFT")),
    (PAGE, lambda sent: wire.following(sent, "orders")),
    (PAGE, lambda sent: wire.rows(sent, "orders")),
    (DIVIDEND, lambda sent: money.dividend(sent, "MSFT")),
    (TRANSFER, money.transfer),
    (SWEEP, money.sweep),
    (CHARGE, lambda sent: money.charge(sent, "fee")),
]
POISON = [
    None, True, False, 0, -1, 1, 10**400, -(10**30), 1.5, 1e308, float("nan"), float("inf"), Decimal("1E+400"),
    Decimal("NaN"), Decimal(-1), "", " ", "0", "-0.01", "1e999", "NaN", "Infinity", "0x10", "١٢", "null", "x" * 5_000,
    "9" * 300, "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999999-14:00",
    "2026-01-05T15:00:00", "http://[", "\ud800", "\x00", [], {}, [None], [[]], {"amount": {}}, {"a": {"b": []}},
    [{"id": None}], "filled", "buy", "https://api.robinhood.com/orders/",
]  # fmt: skip


def mutated(rng, sent):
    """The payload with one to three places changed, taken out, or put where they do not belong."""
    sent = copy.deepcopy(sent)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(sent))
        if not places or rng.random() < 0.02:
            return rng.choice(POISON)
        holder, key = rng.choice(places)
        what = rng.random()
        if what < 0.15:
            del holder[key]
        elif what < 0.3:
            other, name = rng.choice(places)
            holder[key] = copy.deepcopy(other[name])
        elif what < 0.4 and isinstance(holder[key], str) and holder[key]:
            text, spot = holder[key], rng.randrange(len(holder[key]))
            holder[key] = text[:spot] + chr(rng.choice([0, 32, 45, 46, 57, 101, 0x661, 0xFFFF])) + text[spot + 1 :]
        else:
            holder[key] = copy.deepcopy(rng.choice(POISON))
    return sent


def _places(value):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in list(items):
        yield value, key
        yield from _places(inside)


def test_F21_no_payload_raises_anything_but_bad_payload():
    rng = random.Random(20260105)
    read = bad = 0
    for number in range(COUNT):
        sent, reader = READERS[number % len(READERS)]
        payload = mutated(rng, sent)
        try:
            found = reader(payload)
        except BadPayload:
            bad += 1
        else:
            assert all(_sound(noun) for noun in (found if isinstance(found, list) else [found])), (payload, found)
            read += 1
    assert read > COUNT // 10 and bad > COUNT // 10


def _sound(noun):
    """Amounts are finite, moments have a zone."""
    values = [getattr(noun, name) for name in noun.__struct_fields__] if isinstance(noun, Struct) else []
    for value in values:
        if isinstance(value, str):
            value.encode()  # what cannot be stored must not come through
    return all(
        value.is_finite() if isinstance(value, Decimal) else value.tzinfo is not None
        for value in values
        if isinstance(value, Decimal | datetime)
    )


def test_F21_no_error_body_raises_and_only_a_4xx_with_json_is_a_no():
    rng = random.Random(20260106)
    bodies = [b'{"detail": "Not found."}', b'{"ref_id": ["Order with this ref_id already exists."]}', b"<html></html>",
              b'{"non_field_errors": ["x"]}', b"", b"[]", b"null", b'"x"', b"1e999", b"[" * 5_000, b"\xff\xfe",
              b'{"detail": "Request was throttled. Expected available in 14 seconds."}']  # fmt: skip
    for _ in range(COUNT // 10):
        body = bytearray(rng.choice(bodies))
        for _ in range(rng.randint(0, 2)):
            if body:
                body[rng.randrange(len(body))] = rng.randrange(256)
        status = rng.choice([200, 204, 301, 400, 401, 403, 404, 405, 408, 409, 418, 422, 429, 500, 502, 503, 504, 599])
        trouble = wire.error(status, bytes(body), rng.choice(["order", "cancel", "query"]))
        assert isinstance(trouble, Rejected | Unknown | RateLimited | AuthFailed)
        assert unavailable(trouble).reason is not None
        if isinstance(outcome(trouble), Rejected):
            assert 400 <= status < 500 and (status == 429 or _json(bytes(body)))


def _json(body):
    try:
        document(body, "body")
    except BadPayload:
        return False
    return True


def test_the_unchanged_payloads_are_all_read():
    for sent, reader in READERS:
        reader(json.loads(json.dumps(sent), parse_float=Decimal))
