"""The one way out: what passes, what does not, and what is counted."""

from asyncio import CancelledError

import pytest
from trader.model import Accepted, Approved, Cancel, OrderRef, Refusal, Rejected, Unknown
from trader.orders.gate import Gate


class Broker:
    """Keeps what it was asked; answers as told."""

    def __init__(self, answer=None):
        self.answer, self.orders, self.cancels = answer or Accepted("v1"), [], []

    def submit(self, order):
        self.orders.append(order)
        return self._say()

    def cancel(self, ref):
        self.cancels.append(ref)
        return self._say()

    def _say(self):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Check:
    def __init__(self, answer=None):
        self.answer, self.asked = answer, []

    def refuse(self, order):
        self.asked.append(order.client_id)
        return self.answer


CANCEL = Cancel(OrderRef("o1", "k-o1", "X"))


@pytest.mark.parametrize("answer", [Accepted("v1"), Rejected("funds", "no money"), Unknown("timeout", "?")])
def test_a_committed_order_passes_once_and_the_venues_word_comes_back(order, answer):
    broker = Broker(answer)
    gate = Gate(broker)
    request = order()
    gate.committed([request])
    assert gate.submit(Approved(request)) == answer
    assert broker.orders == [request] and gate.passes == 1


def test_an_order_that_is_not_in_the_journal_never_leaves(order):
    broker = Broker()
    gate = Gate(broker)
    refusal = gate.submit(Approved(order()))
    assert isinstance(refusal, Refusal) and refusal.rule == "gate" and "not in the journal" in refusal.reason
    assert broker.orders == [] and gate.passes == 0


def test_an_order_leaves_once(order):
    broker = Broker()
    gate = Gate(broker)
    request = order()
    gate.committed([request])
    gate.submit(Approved(request))
    assert isinstance(gate.submit(Approved(request)), Refusal)
    assert len(broker.orders) == gate.passes == 1


def test_an_order_that_is_not_the_committed_one_never_leaves(order):
    broker = Broker()
    gate = Gate(broker)
    gate.committed([order("o1", quantity=100)])
    assert isinstance(gate.submit(Approved(order("o1", quantity=100_000))), Refusal)
    assert broker.orders == []


def test_in_a_dry_run_nothing_leaves(order):
    broker = Broker()
    gate = Gate(broker, dry_run=True)
    request = order()
    gate.committed([request])
    refusal = gate.submit(Approved(request))
    assert refusal.rule == "dry_run" and broker.orders == [] and gate.passes == 0


def test_every_check_is_asked_until_one_refuses(order):
    broker = Broker()
    no = Refusal(0, "halted", 0.0, 0.0, "kill")
    first, second, third = Check(), Check(no), Check()
    gate = Gate(broker, checks=[first, second, third])
    request = order()
    gate.committed([request])
    assert gate.submit(Approved(request)) == no
    assert (first.asked, second.asked, third.asked) == (["o1"], ["o1"], []) and broker.orders == []


@pytest.mark.parametrize(
    "error", [RuntimeError("boom"), TimeoutError(), OSError("reset"), SystemExit(3), CancelledError()]
)
def test_F16_a_raising_broker_is_unknown_it_may_have_sent(order, error):
    told = []
    gate = Gate(Broker(error), fault=lambda method, exc: told.append((method, exc)))
    request = order()
    gate.committed([request])
    outcome = gate.submit(Approved(request))
    assert isinstance(outcome, Unknown) and type(error).__name__ in outcome.reason
    assert told == [("submit", error)] and gate.passes == 1


def test_a_cancel_passes_whatever_the_checks_the_dry_run_and_the_journal_say(order):
    broker = Broker()
    check = Check(Refusal(0, "halted", 0.0, 0.0, "kill"))
    assert Gate(broker, checks=[check], dry_run=True).cancel(CANCEL) == Accepted("v1")
    assert broker.cancels == [CANCEL.ref] and check.asked == []


def test_a_cancel_that_raises_is_unknown(order):
    told = []
    outcome = Gate(Broker(OSError("reset")), fault=lambda method, exc: told.append(method)).cancel(CANCEL)
    assert isinstance(outcome, Unknown) and told == ["cancel"]
