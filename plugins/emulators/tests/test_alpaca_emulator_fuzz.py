"""Whatever is sent to the emulated Alpaca, it answers as a venue: never with a fault of its own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trader_emulators import Setup, emulate
from trader_emulators.alpaca import AlpacaEmulator

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**12), st.floats(allow_nan=False), st.text(max_size=8), st.just([]),
    st.just({}), st.sampled_from(["1e400", "NaN", "-0", "1e-9", "0.000000001", "99999999999999999999999999999", "１"]),
)  # fmt: skip
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "symbol": st.sampled_from(["AAPL", "BTC/USD", "BTCUSD", "NOPE"]),
    "qty": st.sampled_from(["1", "0.5", 2, 1.25]),
    "notional": st.sampled_from(["10", 20.5]),
    "side": st.sampled_from(["buy", "sell"]),
    "type": st.sampled_from(["market", "limit", "stop", "stop_limit"]),
    "time_in_force": st.sampled_from(["day", "gtc", "ioc", "fok", "opg"]),
    "limit_price": st.sampled_from(["100", 99.5, "0.1234"]),
    "stop_price": st.sampled_from(["100", 99.5]),
    "client_order_id": st.sampled_from(["a", "b", ""]),
    "order_class": st.sampled_from(["", "simple", "oco"]),
    "extended_hours": st.booleans(),
}
BODY = st.fixed_dictionaries({}, optional={name: st.one_of(good, good, ODD) for name, good in GOOD.items()})
NAMES = ("status", "limit", "after", "until", "direction", "symbols", "side", "page_size", "page_token", "date",
         "activity_types", "start", "end", "timeframe", "sort", "qty", "percentage", "asset_class")  # fmt: skip
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["all", "asc", "desc", "5", "AAPL", "BTC/USD", "FILL", "2026-03-04", "2026-02-30", "1Day", "1Min",
                     "2026-03-04T10:00:00Z", "2026-03-04T25:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01",
                     "0001-01-01T00:00:00+12:00", "QUFQTHwx", "100", "1e9", "Infinity", "²"]),
)  # fmt: skip
PATHS = ("/v2/orders", "/v2/account/activities", "/v2/account/activities/FILL", "/v2/account/portfolio/history",
         "/v2/assets", "/v2/calendar", "/v2/stocks/bars?symbols=AAPL", "/v2/stocks/AAPL/trades",
         "/v1beta3/crypto/us/bars?symbols=BTC/USD", "/v2/stocks/snapshots", "/v2/positions/AAPL",
         "/v2/orders/1", "/v2/orders:by_client_order_id")  # fmt: skip
QUIET = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


@pytest.fixture(scope="module")
def venue() -> Iterator[AlpacaEmulator]:
    emulator = emulate("alpaca", Setup(prices={"AAPL": 100.0, "BTC/USD": 60_000.0}))
    assert isinstance(emulator, AlpacaEmulator)
    yield emulator
    emulator.close()


@pytest.fixture(scope="module")
def session(venue: AlpacaEmulator) -> requests.Session:
    made = requests.Session()
    key, secret = venue.secrets.values()
    made.headers.update({"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
    return made


@QUIET
@given(body=BODY)
def test_any_order_is_taken_or_refused(venue, session, body):
    answer = session.post(f"{venue.url}/v2/orders", data=json.dumps(body), timeout=5)
    assert answer.status_code in (200, 400, 403, 422), answer.text
    said = answer.json()
    if answer.status_code == 200:
        assert said["status"] == "pending_new"
        venue.trade(said["symbol"], 100.0 if said["symbol"] == "AAPL" else 60_000.0)
        assert session.get(f"{venue.url}/v2/orders/{said['id']}", timeout=5).status_code == 200
        changed = session.patch(f"{venue.url}/v2/orders/{said['id']}", data=json.dumps(body), timeout=5)
        assert changed.status_code in (200, 400, 403, 422), changed.text
    else:
        assert isinstance(said["code"], int) and said["message"]
    for path in ("/v2/account", "/v2/positions", "/v2/account/activities", "/v2/orders?status=all"):
        assert session.get(venue.url + path, timeout=5).status_code == 200


@QUIET
@given(path=st.sampled_from(PATHS), query=st.dictionaries(st.sampled_from(NAMES), WORDS, max_size=4))
def test_any_question_is_answered_or_refused(venue, session, path, query):
    answer = session.get(venue.url + path, params=query, timeout=5)
    assert answer.status_code in (200, 400, 404, 422), answer.text
    answer.json()


def _is_an_object(body):
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


@QUIET
@given(body=st.binary(max_size=40).filter(lambda body: not _is_an_object(body)))
def test_any_bytes_are_refused(venue, session, body):
    assert session.post(f"{venue.url}/v2/orders", data=body, timeout=5).status_code in (400, 422)
    assert session.patch(f"{venue.url}/v2/account/configurations", data=body, timeout=5).status_code in (400, 422)


@QUIET
@given(query=st.dictionaries(st.sampled_from(["qty", "percentage"]), WORDS, min_size=1))
def test_any_part_of_a_position_is_closed_or_refused(venue, session, query):
    answer = session.delete(f"{venue.url}/v2/positions/AAPL", params=query, timeout=5)
    assert answer.status_code in (200, 403, 404, 422), answer.text
