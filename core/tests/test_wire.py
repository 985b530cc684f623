"""What a venue sent, read field by field: what is wrong is named, what is strange is not wrong."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trader.errors import BadPayload
from trader.model import OrderState, Rejected, Unavailable, Unknown
from trader.wire import AuthFailed, Fields, RateLimited, document, every, outcome, unavailable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
READERS = ("text", "decimal", "real", "integer", "flag", "iso", "millis", "seconds", "raw", "inside")


def fault_of(read):
    """What is wrong with it; None: it was read."""
    try:
        read()
    except BadPayload as error:
        return error
    return None


@given(JSON, st.sampled_from(READERS))
def test_whatever_a_field_holds_it_is_read_or_named(value, reader):
    error = fault_of(lambda: getattr(Fields({"x": value}, "order"), reader)("x"))
    assert error is None or (error.what.startswith("order.x") and error.field in ("x", ""))


@given(JSON)
def test_a_payload_that_is_no_object_or_list_is_named(value):
    for read in (lambda: Fields(value, "order"), lambda: list(every(value, "orders"))):
        error = fault_of(read)
        assert error is None or "order" in error.what


def test_money_is_never_a_float_unless_the_venue_has_nothing_else():
    fields = Fields({"text": "0.1", "float": 0.1, "whole": 3}, "fill")
    assert (fields.decimal("text"), fields.decimal("whole")) == (Decimal("0.1"), Decimal(3))
    with pytest.raises(BadPayload, match=r"fill\.float: expected a decimal number, was 0\.1"):
        fields.decimal("float")
    assert fields.decimal("float", floats=True) == Decimal("0.1")
    assert document(b'{"qty": 0.1}', "order")["qty"] == Decimal("0.1")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "1e999", "1e-999", "", "x", "9" * 200, "0x10"])
def test_a_number_that_no_market_has_is_refused(text):
    with pytest.raises(BadPayload):
        Fields({"qty": text}, "order").decimal("qty")


def test_what_may_be_missing_has_a_default_and_what_must_be_there_is_named():
    fields = Fields({"price": None, "stop": ""}, "order")
    assert fields.decimal("price", None) is None and fields.decimal("stop", None) is None
    with pytest.raises(BadPayload, match=r"order\.price: expected a value, was 'nothing'"):
        fields.decimal("price")
    assert "price" not in fields and fields.text("id", "none") == "none"


def test_a_word_that_nobody_knows_is_not_an_error():
    states = {"new": OrderState.WORKING}
    fields = Fields({"status": "quantum_hold"}, "order")
    assert fields.word("status", states, OrderState.UNKNOWN) is OrderState.UNKNOWN
    assert fields.word("other", states, OrderState.UNKNOWN) is OrderState.UNKNOWN
    with pytest.raises(BadPayload, match="expected one of new"):
        fields.word("status", states)


def test_moments_are_utc_whatever_the_venue_writes():
    at = datetime(2026, 1, 31, 14, 30, 0, 123456, UTC)
    fields = Fields({"a": "2026-01-31T14:30:00.123456789Z", "b": "2026-01-31T09:30:00.123456-05:00",
                     "c": 1769869800123, "d": 1769869800, "naive": "2026-01-31T14:30:00"}, "bar")  # fmt: skip
    assert fields.iso("a") == fields.iso("b") == at
    assert fields.millis("c") == at.replace(microsecond=123000) and fields.seconds("d") == at.replace(microsecond=0)
    with pytest.raises(BadPayload, match="with a time zone"):
        fields.iso("naive")


def test_nested_objects_are_named_by_their_place():
    fields = Fields({"legs": [{"id": 1}, {"id": []}]}, "order")
    first, second = fields.each("legs")
    assert first.text("id") == "1"
    with pytest.raises(BadPayload, match=r"order\.legs\[1\]\.id: expected text"):
        second.text("id")


@pytest.mark.parametrize(
    "value", ["\ud800", "a\udfffb", 10**5_000, True, 1.5, [], {}], ids=lambda value: type(value).__name__
)
def test_an_id_that_nobody_could_keep_is_refused(value):
    with pytest.raises(BadPayload, match=r"order\.id: expected text"):
        Fields({"id": value}, "order").text("id")


@pytest.mark.parametrize(
    "text", [b"", b"<html>", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000, b"1e9999999999999999999"]
)
def test_what_is_no_json_is_named(text):
    with pytest.raises(BadPayload, match="order: expected JSON"):
        document(text, "order")


def test_trouble_means_one_thing_to_an_order_and_another_to_a_question():
    assert outcome(RateLimited("slow down", 3.0)) == Rejected("rate_limited", "slow down", 3.0)
    assert outcome(AuthFailed("no such key")) == Rejected("auth", "no such key")
    assert outcome(Unknown("server", "502")) == Unknown("server", "502")
    assert unavailable(RateLimited("slow down", 3.0)) == Unavailable("rate_limited", "slow down", 3.0)
    assert unavailable(AuthFailed("no such key")).kind == "auth"
    assert unavailable(Rejected("symbol", "no such symbol")) == Unavailable("symbol", "no such symbol")
