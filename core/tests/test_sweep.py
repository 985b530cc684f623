"""The sweep after a trip: whatever a broker does with one cancel, the others are asked for."""

from asyncio import CancelledError
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from trader.model import Accepted, OrderReport, OrderState, Rejected, Side, Unavailable, Unknown
from trader.safety.sweep import sweep

NOW = datetime(2024, 1, 2, tzinfo=UTC)


class Broker:
    """Shows orders; `said` and `all_said` are what cancels answer: an outcome, or an exception to raise."""

    def __init__(self, count=3, said=None):
        names = [f"V{number}" for number in range(count)]
        self.shown = [OrderReport("", v, "A", Side.BUY, Decimal(1), Decimal(0), OrderState.WORKING, NOW) for v in names]
        self.said, self.asked = said or {}, []

    def orders(self):
        return self.shown

    def cancel(self, ref):
        self.asked.append(ref.venue_id)
        return _say(self.said.get(ref.venue_id, Accepted()))


class BrokerWithAll(Broker):
    def __init__(self, all_said, **options):
        super().__init__(**options)
        self.all_said = all_said

    def cancel_all(self):
        self.asked.append("all")
        return _say(self.all_said)


def _say(answer):
    if isinstance(answer, BaseException):
        raise answer
    return answer


def test_each_order_is_asked_to_be_gone():
    broker = Broker(3)
    swept = sweep(broker)
    assert broker.asked == ["V0", "V1", "V2"] and swept.asked == 3 and not swept.clean and not swept.trouble


@pytest.mark.parametrize("error", [ValueError("cut off"), CancelledError("cut off")])
def test_a_cancel_that_raises_keeps_no_other_from_being_asked_for(error):
    broker = Broker(3, said={"V0": error, "V1": Unknown("timeout", "?")})
    swept = sweep(broker)
    assert broker.asked == ["V0", "V1", "V2"] and swept.asked == 2
    assert swept.trouble == f"{type(error).__name__}: cut off" and not swept.clean


def test_several_orders_go_by_one_cancel_where_the_venue_has_one():
    broker = BrokerWithAll(Accepted())
    assert sweep(broker).asked == 1 and broker.asked == ["all"]
    alone = BrokerWithAll(Accepted(), count=1)
    sweep(alone)
    assert alone.asked == ["V0"]


@pytest.mark.parametrize(
    "answer", [Rejected("refused", "not for this product"), Unknown("timeout", "no answer"), ValueError("broken"),
     CancelledError(), None],
)  # fmt: skip
def test_where_the_one_cancel_fails_each_order_is_asked_to_be_gone(answer):
    broker = BrokerWithAll(answer)
    swept = sweep(broker)
    assert broker.asked == ["all", "V0", "V1", "V2"] and not swept.trouble


def test_what_one_cancel_left_is_asked_for_one_by_one():
    broker = BrokerWithAll(Accepted())
    sweep(broker, one_by_one=True)
    assert broker.asked == ["V0", "V1", "V2"]


@pytest.mark.parametrize("answer", [Accepted(), ValueError("broken")])
def test_a_venue_that_does_not_say_what_works_is_asked_to_cancel_all(answer):
    broker = BrokerWithAll(answer)
    broker.shown = Unavailable("timeout", "down")
    swept = sweep(broker)
    assert broker.asked == ["all"] and swept.trouble == "the venue does not say what works there: down"


def test_no_order_is_clean():
    assert sweep(Broker(0)).clean
