"""What every emulated venue has: a market, an account behind it, limits, a clock, a ticker."""

import threading
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from trader.clock import VirtualClock
from trader.errors import PluginMissing, UsageError
from trader.model import (
    ZERO,
    Account,
    Instrument,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
    Unavailable,
    Unknown,
)
from trader.simulation import Faults
from trader.testing.emulation import CALLS, Mishap
from trader_emulators import Setup, emulate, emulators
from trader_emulators.emulator import Emulator, Unanswered

START = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


class Toy(Emulator):
    """Without a wire."""

    name = "toy"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.served = self.stopped = 0
        self.told: list[dict[str, float]] = []

    def instruments(self):
        return [Instrument("AAPL"), Instrument("MSFT")]

    def prices(self):
        return {"AAPL": 100.0, "MSFT": 50.0}

    @property
    def options(self):
        return {}

    @property
    def secrets(self):
        return {}

    def serve(self) -> None:
        self.served += 1

    def stop(self) -> None:
        self.stopped += 1

    def moved(self, prices) -> None:
        self.told.append(dict(prices))


def toy(**setup) -> Toy:
    return Toy(Setup(**{"clock": VirtualClock(START), **setup}))


def order(key: str = "k", quantity: str = "2") -> OrderRequest:
    return OrderRequest(key, key, "", "AAPL", Side.BUY, Decimal(quantity), OrderType.MARKET, TimeInForce.DAY, None,
                        None, False, Purpose.MANUAL, ZERO, START)  # fmt: skip


# ---- names -----------------------------------------------------------------------------------------------------------
def test_the_venues_are_known_by_name():
    assert "alpaca" in emulators()
    with pytest.raises(PluginMissing, match=r"no emulator 'nope'.*alpaca"):
        emulate("nope")


def test_a_symbol_that_it_does_not_trade_is_refused_by_name():
    with pytest.raises(UsageError, match=r"toy does not trade NOPE; it has AAPL, MSFT"):
        toy(prices={"NOPE": 1.0})


def test_only_what_the_setup_names_is_traded():
    venue = toy(prices={"MSFT": 51.0})
    assert list(venue.rules) == ["MSFT"]
    assert venue.venue.submit(order()) == Rejected("symbol", "AAPL is not traded here")


# ---- the market ------------------------------------------------------------------------------------------------------
def test_orders_fill_when_the_market_moves_and_not_before():
    venue = toy()
    venue.venue.submit(order())
    assert not venue.venue.truth_fills()
    venue.trade("MSFT", 51.0)
    assert not venue.venue.truth_fills()
    venue.trade("AAPL", 101.0)
    (fill,) = venue.venue.truth_fills()
    assert (fill.price, fill.quantity) == (Decimal("101.00"), Decimal(2))
    assert venue.told == [{"MSFT": 51.0}, {"AAPL": 101.0}]


def test_volume_bounds_what_fills():
    venue = toy()
    venue.venue.submit(order(quantity="5"))
    venue.trade("AAPL", 100.0, 2)
    assert venue.venue.accepted[0].report.filled == 2
    venue.trade("AAPL", 100.0)
    assert venue.venue.accepted[0].report.state is OrderState.FILLED


def test_a_step_moves_every_symbol_and_the_same_seed_the_same_way():
    one, two = toy(seed=3), toy(seed=3)
    for venue in (one, two):
        venue.step(60.0)
    assert one.told == two.told and set(one.told[0]) == {"AAPL", "MSFT"}
    assert one.market.last("AAPL") != 100.0
    assert toy(seed=4).market.next_price("AAPL", 60.0) != one.told[0]["AAPL"]


def test_prices_walk_along_their_path():
    venue = toy(paths={"AAPL": [101.0, 102.0]})
    venue.step()
    venue.step()
    assert [told["AAPL"] for told in venue.told] == [101.0, 102.0]


def test_with_tick_seconds_it_moves_by_itself_until_it_is_closed():
    venue = Toy(Setup(tick_seconds=0.01))
    venue.venue.submit(order())
    venue.start()
    for _ in range(500):
        if venue.venue.truth_fills():
            break
        threading.Event().wait(0.01)
    venue.close()
    told = len(venue.told)
    assert venue.venue.truth_fills() and told
    threading.Event().wait(0.05)
    assert len(venue.told) == told
    venue.close()
    assert (venue.served, venue.stopped) == (1, 2)


def test_without_tick_seconds_nothing_moves():
    venue = toy()
    venue.start()
    venue.close()
    assert venue.told == []


# ---- faults of the venue behind --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("faults", "mishap"),
    [
        (Faults(query_lost=1.0), Mishap.LOST),
        (Faults(query_failed=1.0), Mishap.FAILED),
        (Faults(query_rate_limited=1.0), Mishap.RATE_LIMITED),
        (Faults(query_raises=1.0), Mishap.RESET),
        (Faults(query_garbage=1.0), Mishap.GARBAGE),
    ],
)
def test_what_a_question_meets(faults, mishap):
    venue = toy(faults=faults)
    with pytest.raises(Unanswered) as caught:
        venue.ask(venue.venue.account)
    assert caught.value.mishap is mishap


@pytest.mark.parametrize(
    ("faults", "mishap", "taken"),
    [
        (Faults(submit_lost=1.0), Mishap.LOST, 0),
        (Faults(submit_lost_reply=1.0), Mishap.LOST, 1),
        (Faults(submit_late=1.0), Mishap.LOST, 0),
        (Faults(submit_failed_dropped=1.0), Mishap.FAILED, 0),
        (Faults(submit_failed_accepted=1.0), Mishap.FAILED, 1),
        (Faults(submit_rate_limited=1.0), Mishap.RATE_LIMITED, 0),
    ],
)
def test_what_an_order_meets(faults, mishap, taken):
    venue = toy(faults=faults)
    with pytest.raises(Unanswered) as caught:
        venue.ask(venue.venue.submit, order())
    assert caught.value.mishap is mishap
    assert len(venue.venue.accepted) == taken


@pytest.mark.parametrize("call", ["account", "positions", "orders", "instruments"])
def test_F21_whatever_nonsense_the_faults_make_never_leaves_as_an_answer(call):
    venue = toy()
    venue.venue.submit(order())
    venue.trade("AAPL", 100.0)
    venue.venue.submit(order("l"))
    for faults, mishap in ((Faults(query_garbage=1.0), Mishap.GARBAGE), (Faults(query_raises=1.0), Mishap.RESET)):
        venue.venue.faults = faults
        for _ in range(200):
            with pytest.raises(Unanswered) as caught:
                venue.ask(getattr(venue.venue, call))
            assert caught.value.mishap is mishap


@pytest.mark.parametrize("faults", [Faults(submit_garbage=1.0), Faults(submit_raises=1.0)])
def test_F21_an_order_that_meets_nonsense_is_unanswered_whether_it_arrived_or_not(faults):
    venue = toy(faults=faults)
    for number in range(100):
        with pytest.raises(Unanswered):
            venue.ask(venue.venue.submit, order(str(number)))
    assert 20 < len(venue.venue.accepted) < 80


def test_a_fault_of_the_program_is_not_hidden_as_one_of_the_venue():
    with pytest.raises(AttributeError):
        toy().ask(lambda: None.nothing)  # type: ignore[attr-defined]


def test_an_answer_is_handed_on_even_if_it_is_a_no():
    venue = toy()
    assert isinstance(venue.ask(venue.venue.account), Account)
    assert venue.ask(venue.venue.positions) == ()
    venue.venue.submit(order())
    assert venue.ask(venue.venue.submit, order()).kind == "duplicate"


def test_maintenance_is_a_failure():
    venue = toy()
    venue.venue.maintenance(60)
    with pytest.raises(Unanswered) as caught:
        venue.ask(venue.venue.orders)
    assert caught.value.mishap is Mishap.FAILED


def test_no_unknown_or_unavailable_ever_leaves_as_an_answer():
    venue = toy()
    for trouble in (Unknown("server", ""), Unavailable("timeout", ""), object(), [1], None):
        with pytest.raises(Unanswered):
            venue.ask(lambda said=trouble: said)


# ---- the wire --------------------------------------------------------------------------------------------------------
def test_requests_are_counted_by_call():
    venue = toy()
    for call in CALLS:
        assert venue.arrived(call) is None
    assert {venue.requests(call) for call in CALLS} == {1}


def test_a_call_that_is_none_is_refused():
    with pytest.raises(UsageError, match=r"no call 'nope'; there is account"):
        toy().mishap("nope", Mishap.LOST)


def test_mishaps_wait_for_their_call():
    venue = toy()
    venue.mishap("orders", Mishap.LOST, times=2)
    venue.mishap("orders", Mishap.HTML)
    assert venue.arrived("account") is None
    assert [venue.arrived("orders") for _ in range(4)] == [Mishap.LOST, Mishap.LOST, Mishap.HTML, None]


def test_F22_the_limit_slides():
    venue = toy()
    clock = venue.setup.clock
    venue.limit(2, 10.0)
    assert venue.arrived("orders") is None
    clock.advance(4)
    assert (venue.arrived("orders"), venue.arrived("orders")) == (None, Mishap.RATE_LIMITED)
    assert (venue.allowance, venue.reopens) == ((2, 0, 10.0), 6.0)
    clock.advance(6)
    assert (venue.allowance, venue.reopens) == ((2, 1, 10.0), 0.0)
    assert (venue.arrived("orders"), venue.arrived("orders")) == (None, Mishap.RATE_LIMITED)
    venue.limit(5, 1.0)
    assert venue.allowance == (5, 5, 1.0)


def test_a_mishap_does_not_use_up_the_limit():
    venue = toy()
    venue.limit(1, 10.0)
    venue.mishap("orders", Mishap.LOST)
    assert [venue.arrived("orders") for _ in range(3)] == [Mishap.LOST, None, Mishap.RATE_LIMITED]


def test_the_venues_clock_is_as_far_ahead_as_it_is_told():
    venue = toy()
    venue.skew(-30)
    assert (venue.clock.now() - START).total_seconds() == -30
    assert venue.clock.monotonic() == venue.setup.clock.monotonic()
    venue.clock.sleep(5)
    venue.skew(0)
    assert (venue.clock.now() - START).total_seconds() == 5


def test_a_venue_without_streams_has_nothing_to_drop():
    venue = toy()
    venue.drop_streams()
    venue.mute_streams(1.0)
