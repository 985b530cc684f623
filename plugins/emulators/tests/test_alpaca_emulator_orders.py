"""The emulated Alpaca's order desk, met through the unmodified alpaca-py."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
)
from trader.clock import VirtualClock
from trader.model import Side
from trader.simulation import Faults
from trader.testing.emulation import Mishap
from trader_emulators import Setup, emulate
from trader_emulators.alpaca import AlpacaEmulator

START = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


@pytest.fixture
def venue() -> Iterator[AlpacaEmulator]:
    emulator = emulate("alpaca", Setup(prices={"AAPL": 100.0, "MSFT": 50.0, "BTC/USD": 60_000.0}))
    assert isinstance(emulator, AlpacaEmulator)
    yield emulator
    emulator.close()


def client_of(venue: AlpacaEmulator, *, raw: bool = False) -> TradingClient:
    client = TradingClient(*venue.secrets.values(), url_override=venue.url, raw_data=raw)
    client._retry = 0
    return client


@pytest.fixture
def client(venue: AlpacaEmulator) -> TradingClient:
    return client_of(venue)


def order(**changed: Any) -> dict[str, Any]:
    """A market order for 2 AAPL; None takes a field away."""
    body = {"symbol": "AAPL", "qty": "2", "side": "buy", "type": "market", "time_in_force": "day", **changed}
    return {name: value for name, value in body.items() if value is not None}


def refusal(client: TradingClient, **changed: Any) -> tuple[int, int, str]:
    """Status, code and message."""
    with pytest.raises(APIError) as caught:
        client.post("/orders", order(**changed))
    return caught.value.status_code, caught.value.code, caught.value.message


# ---- life of an order ------------------------------------------------------------------------------------------------
WASH = {
    ("market", "limit 90"): "market/stop", ("market", "market"): "market/stop", ("stop 110", "limit 90"): "market/stop",
    ("stop 110", "stop 90"): "market/stop", ("stop 110", "stop_limit 95 94"): "market/stop",
    ("limit 90", "market"): "limit", ("limit 90", "stop 80"): "limit", ("limit 90", "limit 90"): "limit",
    ("limit 90", "limit 90.01"): None, ("limit 90", "stop_limit 95 90"): "limit",
    ("limit 90", "stop_limit 95 91"): None,
    ("stop_limit 110 111", "limit 111"): "limit", ("stop_limit 110 111", "limit 112"): None,
    ("stop_limit 110 111", "stop 90"): "limit", ("stop_limit 110 111", "stop_limit 95 94"): "limit",
}  # fmt: skip
"""An order that works, one of the other side -> the word in the refusal; by the venue's page on user protection."""


def wished(words: str) -> dict[str, str]:
    kind, *prices = words.split()
    names = {"limit": ["limit_price"], "stop": ["stop_price"], "stop_limit": ["stop_price", "limit_price"]}
    return {"type": kind, **dict(zip(names.get(kind, []), prices, strict=True))}


@pytest.mark.parametrize(("standing", "coming"), WASH)
def test_F40_what_could_trade_with_a_working_order_of_the_other_side_is_refused(
    venue: AlpacaEmulator, standing: str, coming: str
) -> None:
    client, why = client_of(venue, raw=True), WASH[standing, coming]
    first = client.post("/orders", order(qty="1", **wished(standing)))
    if why is None:
        client.post("/orders", order(qty="1", side="sell", **wished(coming)))
    else:
        with pytest.raises(APIError) as caught:
            client.post("/orders", order(qty="1", side="sell", **wished(coming)))
        said = json.loads(str(caught.value))
        assert (caught.value.status_code, said["code"], said["existing_order_id"]) == (403, 40310000, first["id"])
        assert said["message"] == "potential wash trade detected. use complex orders"
        assert said["reject_reason"] == f"opposite side {why} order exists"
        client.delete(f"/orders/{first['id']}")
        client.post("/orders", order(qty="1", side="sell", **wished(coming)))
    client.post("/orders", order(symbol="MSFT", qty="1", side="sell"))


def test_F40_an_order_is_not_changed_into_one_that_could_trade_with_another(venue: AlpacaEmulator) -> None:
    client = client_of(venue, raw=True)
    bid = client.post("/orders", order(type="limit", limit_price="90"))
    client.post("/orders", order(side="sell", type="limit", limit_price="95"))
    for changed, refused in (("95", True), ("94", False)):
        if refused:
            with pytest.raises(APIError, match="wash trade"):
                client.patch(f"/orders/{bid['id']}", {"limit_price": changed})
        else:
            client.patch(f"/orders/{bid['id']}", {"limit_price": changed})


def test_F31_an_order_may_fill_after_its_cancel_was_taken(venue: AlpacaEmulator) -> None:
    client = client_of(venue, raw=True)
    made = client.post("/orders", order(type="limit", limit_price="90"))
    venue.venue.faults = Faults(cancel_slow=1.0, late_seconds=3600.0)
    client.delete(f"/orders/{made['id']}")
    assert client.get(f"/orders/{made['id']}")["status"] == "pending_cancel"
    assert client.delete("/orders") == [{"id": made["id"], "status": 200}]
    venue.trade("AAPL", 89.0)
    assert client.get(f"/orders/{made['id']}")["status"] == "filled"


def test_a_market_order_is_pending_then_new_then_filled(venue, client):
    made = client.submit_order(
        MarketOrderRequest(symbol="AAPL", qty=2, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id="a")
    )
    assert (made.status, made.client_order_id, made.qty, made.filled_qty) == (OrderStatus.PENDING_NEW, "a", "2", "0")
    assert client.get_order_by_id(made.id).status is OrderStatus.NEW
    venue.trade("AAPL", 101.0)
    filled = client.get_order_by_client_id("a")
    assert (filled.status, filled.filled_qty, filled.filled_avg_price) == (OrderStatus.FILLED, "2", "101")
    assert filled.id == made.id and filled.filled_at is not None


def test_a_partial_fill_has_the_average_price_of_its_executions(venue, client):
    made = client.post("/orders", order(qty="3", type="limit", limit_price="100.5"))
    venue.trade("AAPL", 100.0, 1)
    partial = client.get_order_by_id(made["id"])
    assert (partial.status, partial.filled_qty) == (OrderStatus.PARTIALLY_FILLED, "1")
    venue.trade("AAPL", 99.0, 1)
    assert client.get_order_by_id(made["id"]).filled_avg_price == "99.5"
    client.cancel_order_by_id(made["id"])
    gone = client.get_order_by_id(made["id"])
    assert (gone.status, gone.filled_qty) == (OrderStatus.CANCELED, "2")
    assert gone.canceled_at is not None


def test_every_amount_is_a_text(client):
    made = client.post("/orders", order(qty="0.123456789"))
    assert [made[name] for name in ("qty", "filled_qty")] == ["0.123456789", "0"]


def test_a_notional_order_shows_no_quantity_and_fills_what_the_dollars_bought(venue, client):
    made = client.post("/orders", order(qty=None, notional="150"))
    assert (made["qty"], made["notional"]) == (None, "150")
    venue.trade("AAPL", 100.0)
    assert client.get_order_by_id(made["id"]).filled_qty == "1.5"


def test_ioc_that_does_not_fill_is_canceled_and_a_day_order_expires(client):
    clock = VirtualClock(START)
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock))
    try:
        client = client_of(venue)
        now = client.post("/orders", order(type="limit", limit_price="90", time_in_force="ioc"))
        day = client.post("/orders", order(type="limit", limit_price="80"))
        venue.trade("AAPL", 100.0)
        assert client.get_order_by_id(now["id"]).status is OrderStatus.CANCELED
        clock.advance(86_400)
        venue.trade("AAPL", 100.0)
        over = client.get_order_by_id(day["id"])
        assert over.status is OrderStatus.EXPIRED and over.expired_at is not None
    finally:
        venue.close()


def test_stop_limit_orders_wait_for_their_stop(venue, client):
    made = client.submit_order(
        StopLimitOrderRequest(
            symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, stop_price=105, limit_price=106
        )
    )
    venue.trade("AAPL", 104.0)
    assert client.get_order_by_id(made.id).status is OrderStatus.NEW
    venue.trade("AAPL", 105.5)
    assert client.get_order_by_id(made.id).status is OrderStatus.FILLED


def test_a_coin_is_ordered_with_or_without_a_slash(venue, client):
    for name in ("BTC/USD", "BTCUSD"):
        made = client.post("/orders", order(symbol=name, qty="0.001", time_in_force="gtc"))
        assert (made["symbol"], made["asset_class"]) == ("BTC/USD", "crypto")
    venue.trade("BTC/USD", 60_000.0)
    assert [held.symbol for held in client.get_all_positions()] == ["BTCUSD"]


# ---- ids -------------------------------------------------------------------------------------------------------------
def test_a_client_order_id_is_unique_for_ever(venue, client):
    made = client.post("/orders", order(client_order_id="once"))
    client.cancel_order_by_id(made["id"])
    assert refusal(client, client_order_id="once") == (422, 40010001, "client_order_id must be unique")
    assert len(venue.venue.accepted) == 1


def test_a_duplicate_is_told_before_anything_else_is_looked_at(client):
    client.post("/orders", order(client_order_id="once"))
    assert refusal(client, client_order_id="once", qty="999999")[2] == "client_order_id must be unique"


def test_the_sdk_that_resends_after_a_504_meets_its_own_order(venue):
    client = client_of(venue)
    client._retry, client._retry_wait, client._retry_codes = 1, 0, [504]
    venue.mishap("submit", Mishap.FAILED_AFTER)
    with pytest.raises(APIError, match="unique"):
        client.post("/orders", order(client_order_id="mine"))
    assert [taken.key for taken in venue.venue.accepted] == ["mine"]


def test_ids_of_another_run_are_unknown(venue):
    other = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=VirtualClock(START)))
    try:
        made = client_of(other).post("/orders", order())
        client_of(venue).post("/orders", order())
        with pytest.raises(APIError) as caught:
            client_of(venue).get_order_by_id(made["id"])
        assert (caught.value.status_code, caught.value.code) == (404, 40410000)
    finally:
        other.close()


def test_an_order_that_is_not_there_is_404(client):
    for ask in (
        lambda: client.get_order_by_client_id("nobody"),
        lambda: client.get_order_by_id("61e69015-8549-4bfd-b9c3-01e75843f47d"),
        lambda: client.get("/orders/nonsense"),
        lambda: client.cancel_order_by_id("61e69015-8549-4bfd-b9c3-01e75843f47d"),
    ):
        with pytest.raises(APIError) as caught:
            ask()
        assert (caught.value.status_code, caught.value.code) == (404, 40410000)


def test_an_order_placed_by_hand_is_listed_too(venue, client):
    venue.venue.manual_trade("AAPL", Side.BUY, Decimal(1))
    assert [found.client_order_id for found in client.get_orders()] == ["by-hand-1"]


def test_F36_an_order_that_the_venue_renames_has_another_id(venue, client):
    made = client.post("/orders", order(client_order_id="mine"))
    venue.venue.rename("V1")
    renamed = client.get_order_by_client_id("mine")
    assert str(renamed.id) != made["id"]
    assert client.get_order_by_id(renamed.id).client_order_id == "mine"
    with pytest.raises(APIError):
        client.get_order_by_id(made["id"])


# ---- what is refused -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "status", "code", "words"),
    [
        ({"symbol": None}, 422, 40010001, "symbol is required"),
        ({"symbol": "NOPE"}, 422, 42210000, 'asset "NOPE" not found'),
        ({"symbol": "TSLA"}, 422, 42210000, 'asset "TSLA" not found'),
        ({"side": "hold"}, 422, 40010001, "invalid side"),
        ({"type": None}, 422, 40010001, "order type is required"),
        ({"type": "trailing_stop", "trail_price": "1"}, 422, 42210000, "not emulated"),
        ({"order_class": "bracket"}, 422, 42210000, "not emulated"),
        ({"qty": None}, 422, 40010001, "qty or notional is required"),
        ({"notional": "5"}, 422, 40010001, "only one of qty or notional"),
        ({"qty": "-1"}, 422, 40010001, "qty must be > 0"),
        ({"qty": "many"}, 422, 40010001, "qty is not a valid number"),
        ({"qty": "NaN"}, 422, 40010001, "qty is not a valid number"),
        ({"qty": "1.0000000001"}, 422, 42210000, "decimal places"),
        ({"qty": None, "notional": "5.001"}, 422, 42210000, "2 decimal places"),
        ({"type": "limit"}, 422, 40010001, "limit orders require"),
        ({"limit_price": "3"}, 422, 40010001, "market orders require no"),
        ({"type": "stop"}, 422, 40010001, "stop orders require"),
        ({"type": "stop_limit", "stop_price": "3"}, 422, 40010001, "both stop and limit price"),
        ({"type": "limit", "limit_price": "100.001"}, 422, 42210000, "sub-penny increment"),
        ({"type": "limit", "limit_price": "0"}, 422, 40010001, "must be > 0"),
        ({"time_in_force": "cls"}, 422, 42210000, "not emulated"),
        ({"time_in_force": "later"}, 422, 40010001, "invalid time_in_force"),
        ({"qty": "1.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY orders"),
        ({"qty": "1.5", "side": "sell"}, 422, 42210000, "cannot be sold short"),
        ({"symbol": "BTC/USD", "qty": "0.01"}, 422, 42210000, "invalid crypto time_in_force"),
        ({"symbol": "BTC/USD", "qty": "0.01", "time_in_force": "gtc", "type": "stop", "stop_price": "9"}, 422, 42210000,
         "invalid order type for crypto order"),
        ({"symbol": "BTC/USD", "qty": "0.0001", "time_in_force": "gtc"}, 403, 40310000, "minimal amount of order 10"),
        ({"symbol": "BTC/USD", "qty": "0.01", "side": "sell", "time_in_force": "gtc"}, 403, 40310000,
         "insufficient balance for BTC (requested: 0.01, available: 0)"),
        ({"qty": "0.001"}, 403, 40310000, "minimal amount of order 1"),
        ({"qty": "1001"}, 403, 40310000, "insufficient buying power"),
        ({"qty": "2001", "side": "sell"}, 403, 40310000, "insufficient buying power"),
        ({"client_order_id": "x" * 129}, 422, 40010001, "128 characters"),
        ({"extended_hours": True}, 422, 42210000, "extended hours order must be DAY limit orders"),
        ({"type": "stop", "stop_price": "90", "time_in_force": "ioc"}, 422, 42210000, "must be DAY or GTC"),
    ],
)  # fmt: skip
def test_F20_what_breaks_a_rule_is_refused_in_the_venues_words(venue, client, changed, status, code, words):
    said = refusal(client, **changed)
    assert said[:2] == (status, code)
    assert words in said[2]
    assert not venue.venue.accepted


def test_a_body_that_is_no_object_is_refused(venue, client):
    answer = client._session.post(f"{venue.url}/v2/orders", data="[", headers=client._get_auth_headers())
    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)


def test_open_orders_take_up_buying_power(client):
    client.post("/orders", order(qty="900", type="limit", limit_price="99"))
    with pytest.raises(APIError) as caught:
        client.post("/orders", order(qty="200"))
    said = json.loads(str(caught.value))
    assert said["message"] == "insufficient buying power"
    assert (said["buying_power"], said["cost_basis"]) == ("10900.00", "20000")


def test_more_cannot_be_sold_than_is_held_and_not_promised(venue, client):
    client.post("/orders", order(qty="5"))
    venue.trade("AAPL", 100.0)
    client.post("/orders", order(qty="3", side="sell", type="limit", limit_price="120"))
    status, code, words = refusal(client, qty="3", side="sell")
    assert (status, code) == (403, 40310000)
    assert words == "insufficient qty available for order (requested: 3, available: 2)"


def test_a_short_is_sold_and_bought_back(venue, client):
    made = client.post("/orders", order(qty="5", side="sell"))
    assert made["position_intent"] == "sell_to_open"
    venue.trade("AAPL", 100.0)
    held = client.get_open_position("AAPL")
    assert (held.qty, held.side.value, held.market_value) == ("-5", "short", "-500")
    assert refusal(client, qty="6")[2] == "insufficient qty available for order (requested: 6, available: 5)"
    assert client.post("/orders", order(qty="5"))["position_intent"] == "buy_to_close"
    venue.trade("AAPL", 100.0)
    assert client.get_all_positions() == []


def test_an_order_that_the_venue_refuses_by_chance_is_422():
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, faults=Faults(submit_rejected=1.0)))
    try:
        assert refusal(client_of(venue))[:2] == (422, 42210000)
    finally:
        venue.close()


# ---- canceling -------------------------------------------------------------------------------------------------------
def test_F32_a_cancel_of_a_closed_order_is_422(venue, client):
    made = client.post("/orders", order())
    venue.trade("AAPL", 100.0)
    with pytest.raises(APIError) as caught:
        client.cancel_order_by_id(made["id"])
    assert (caught.value.status_code, caught.value.message) == (422, 'order is already in "filled" state')


def test_cancel_all_answers_207_with_one_entry_an_order(client):
    made = [client.post("/orders", order(type="limit", limit_price="90"))["id"] for _ in range(3)]
    gone = client.cancel_orders()
    assert [(str(one.id), one.status) for one in gone] == [(one, 200) for one in made]
    assert client.get_orders() == []
    assert client.cancel_orders() == []


def test_an_order_whose_cancel_is_not_shown_yet_is_pending_cancel():
    clock = VirtualClock(START)
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock))
    try:
        client = client_of(venue)
        made = client.post("/orders", order())
        venue.venue.faults = Faults(order_lag=30.0)
        client.cancel_order_by_id(made["id"])
        assert client.get_order_by_id(made["id"]).status is OrderStatus.PENDING_CANCEL
        clock.advance(60)
        assert client.get_order_by_id(made["id"]).status is OrderStatus.CANCELED
    finally:
        venue.close()


# ---- replacing -------------------------------------------------------------------------------------------------------
def test_F36_a_replaced_order_has_a_new_id_and_each_names_the_other(client):
    made = client.post("/orders", order(type="limit", limit_price="90", client_order_id="old"))
    new = client.replace_order_by_id(made["id"], ReplaceOrderRequest(qty=3, limit_price=91, client_order_id="new"))
    old = client.get_order_by_id(made["id"])
    assert str(new.id) != made["id"]
    assert (old.status, old.replaced_by, new.replaces) == (OrderStatus.REPLACED, new.id, old.id)
    assert (new.qty, new.limit_price, new.client_order_id) == ("3", "91", "new")
    assert [one.id for one in client.get_orders()] == [new.id]


def test_what_an_order_filled_before_it_was_replaced_stays_with_it(venue, client):
    made = client.post("/orders", order(qty="3", type="limit", limit_price="100"))
    venue.trade("AAPL", 100.0, 1)
    new = client.replace_order_by_id(made["id"], ReplaceOrderRequest(limit_price=95))
    assert (new.qty, new.filled_qty) == ("2", "0")
    assert client.get_order_by_id(made["id"]).filled_qty == "1"


def test_a_replacement_that_is_refused_leaves_the_order_as_it_was(venue, client):
    made = client.post("/orders", order(type="limit", limit_price="90"))
    for changed in ({"limit_price": "90.001"}, {"qty": "5000"}):
        with pytest.raises(APIError):
            client.patch(f"/orders/{made['id']}", changed)
    assert client.get_order_by_id(made["id"]).status is OrderStatus.NEW
    venue.trade("AAPL", 90.0)
    with pytest.raises(APIError, match="not open"):
        client.patch(f"/orders/{made['id']}", {"qty": "1"})


# ---- lists -----------------------------------------------------------------------------------------------------------
def test_orders_are_listed_by_status_side_and_symbol(venue, client):
    client.post("/orders", order(client_order_id="done"))
    venue.trade("AAPL", 100.0)
    client.post("/orders", order(client_order_id="open", type="limit", limit_price="90"))
    client.post("/orders", order(symbol="MSFT", side="sell", client_order_id="other"))

    def listed(**query: Any) -> list[str]:
        return [one["client_order_id"] for one in client_of(venue, raw=True).get_orders(GetOrdersRequest(**query))]

    assert listed() == ["other", "open"]
    assert listed(status=QueryOrderStatus.CLOSED) == ["done"]
    assert listed(status=QueryOrderStatus.ALL, symbols=["AAPL"]) == ["open", "done"]
    assert listed(side=OrderSide.SELL) == ["other"]
    assert listed(status=QueryOrderStatus.ALL, direction="asc") == ["done", "open", "other"]


def test_a_list_of_orders_ends_at_its_limit_and_goes_on_after_the_last(client):
    ids = [client.post("/orders", order(type="limit", limit_price="1"))["id"] for _ in range(60)]
    assert len(client.get("/orders")) == 50
    page: list[dict[str, Any]] = client.get("/orders", {"limit": 40, "direction": "asc"})
    rest = client.get("/orders", {"limit": 40, "direction": "asc", "after": page[-1]["submitted_at"]})
    assert [one["id"] for one in page + rest] == ids
    before = client.get("/orders", {"until": page[0]["submitted_at"]})
    assert before == []


@pytest.mark.parametrize(
    "query", [{"limit": 501}, {"limit": "x"}, {"status": "odd"}, {"direction": "up"}, {"after": "yesterday"}]
)
def test_a_question_that_makes_no_sense_is_422(client, query):
    client.post("/orders", order())
    with pytest.raises(APIError) as caught:
        client.get("/orders", query)
    assert (caught.value.status_code, caught.value.code) == (422, 40010001)


def test_times_have_nanoseconds_and_no_two_orders_have_the_same(client):
    made = [client.post("/orders", order(type="limit", limit_price="1"))["submitted_at"] for _ in range(5)]
    assert len(set(made)) == 5
    assert all(len(one.partition(".")[2]) == len("123456789Z") for one in made)


def test_an_order_that_is_not_shown_yet_is_not_listed():
    clock = VirtualClock(START)
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock, faults=Faults(order_lag=30.0)))
    try:
        client = client_of(venue)
        client.post("/orders", order(client_order_id="late"))
        assert client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL)) == []
        clock.advance(timedelta(seconds=60).total_seconds())
        assert [one.client_order_id for one in client.get_orders()] == ["late"]
    finally:
        venue.close()


def test_limit_orders_go_through_the_models_of_the_sdk(venue, client):
    made = client.submit_order(
        LimitOrderRequest(symbol="MSFT", qty=4, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=49.5)
    )
    venue.trade("MSFT", 49.4)
    assert client.get_order_by_id(made.id).filled_avg_price == "49.4"
