"""BC-48 to BC-60: what becomes of a submit, and what its sender is told. A timeout is not a rejection."""

from __future__ import annotations

from typing import Any

from trader.clock import SystemClock
from trader.model import Accepted, NotFound, OrderReport, OrderRequest, Rejected, Unknown
from trader.testing.conformance.broker.venue import BrokerSuite, call, deadline, needs, ref
from trader.testing.emulation import Mishap


class OutcomeCases(BrokerSuite):
    @needs("wire")
    def test_bc_48_never_arrived(self) -> None:
        """F17: nobody answers, the venue has nothing. Unknown; order says NotFound."""
        broker, request, _ = self._meets(Mishap.LOST, Unknown)
        assert isinstance(broker.order(ref(request)), NotFound), f"Expected NotFound: {broker.order(ref(request))!r}."

    @needs("wire")
    def test_bc_49_accepted_and_the_answer_was_lost(self) -> None:
        """F16: Unknown; order finds it; there is one."""
        self._known(*self._meets(Mishap.LOST_REPLY, Unknown)[:2])

    @needs("wire")
    def test_bc_50_arrives_later(self) -> None:
        """F18: Unknown; the order is there two seconds later, and it is one."""
        broker, request, _ = self._meets(Mishap.LATE, Unknown)
        SystemClock().sleep(2.0)
        self._known(broker, request)

    @needs("wire")
    def test_bc_51_the_connection_breaks_before(self) -> None:
        """Unknown: nobody knows how far it came."""
        self._meets(Mishap.RESET, Unknown)

    @needs("wire")
    def test_bc_52_the_connection_breaks_after(self) -> None:
        """Unknown, and there is one order, known."""
        self._known(*self._meets(Mishap.RESET_AFTER, Unknown)[:2])

    @needs("wire")
    def test_bc_53_the_venue_failed(self) -> None:
        """F21: 5xx is Unknown, never Rejected."""
        self._meets(Mishap.FAILED, Unknown)

    @needs("wire")
    def test_bc_54_the_venue_failed_after_it_accepted(self) -> None:
        """F21: a 504 after acceptance ends in one order, known."""
        self._known(*self._meets(Mishap.FAILED_AFTER, Unknown)[:2])

    @needs("wire")
    def test_bc_55_a_proxys_page(self) -> None:
        """F21: HTML instead of an answer is Unknown."""
        self._meets(Mishap.HTML, Unknown)

    @needs("wire")
    def test_bc_56_half_an_answer(self) -> None:
        """F21: the order is there, the answer cannot be read: Unknown, then known."""
        self._known(*self._meets(Mishap.TRUNCATED, Unknown)[:2])

    @needs("wire")
    def test_bc_57_an_answer_without_sense(self) -> None:
        """F21: status 200 and something else than an order: Unknown, then known."""
        self._known(*self._meets(Mishap.GARBAGE, Unknown)[:2])

    @needs("wire")
    def test_bc_58_too_many_requests(self) -> None:
        """F22: it was not looked at: Rejected("rate_limited"), and there is none."""
        broker, request, outcome = self._meets(Mishap.RATE_LIMITED, Rejected)
        assert outcome.kind == "rate_limited", f'Expected kind "rate_limited", was {outcome!r}.'
        assert list(self.venue.venue.truth_working()) == [], f"It is at the venue: {request.key}, {broker!r}."

    @needs("wire")
    def test_bc_59_keys_that_are_not_known(self) -> None:
        """Rejected("auth"), and there is none."""
        _, _, outcome = self._meets(Mishap.UNAUTHORIZED, Rejected)
        assert outcome.kind == "auth", f'Expected kind "auth", was {outcome!r}.'
        assert list(self.venue.venue.truth_working()) == [], "It is at the venue."

    @needs("wire", "keys")
    def test_bc_60_a_duplicate_proves_the_first(self) -> None:
        """F19, F23: after a lost answer the same key again is "duplicate", or Accepted as the order that there is."""
        broker, request, _ = self._meets(Mishap.LOST_REPLY, Unknown)
        again = broker.submit(request)
        same = isinstance(again, Accepted) or (isinstance(again, Rejected) and again.kind == "duplicate")
        assert same, f'Expected Accepted or Rejected("duplicate"), was {again!r}.'
        self._known(broker, request)

    # ---- tools -----------------------------------------------------------------------------------------------------
    def _meets(self, mishap: Mishap, expected: type) -> tuple[Any, OrderRequest, Any]:
        """A submit that meets a mishap: what was said is as expected, and it was one request."""
        broker = self.open()
        request = self.limit(broker)
        before = self.venue.requests("submit")
        self.venue.mishap("submit", mishap)
        with deadline():
            outcome = call("submit", broker.submit, request)
        assert isinstance(outcome, expected), f"{mishap}: expected {expected.__name__}, was {outcome!r}."
        sent = self.venue.requests("submit") - before
        assert sent == 1, f"{mishap}: one submit was {sent} requests on the wire."
        return broker, request, outcome

    def _known(self, broker: Any, request: OrderRequest) -> None:
        self.eventually(lambda: isinstance(broker.order(ref(request)), OrderReport), "the order")
        found = broker.order(ref(request))
        assert found.key == request.key and found.quantity == request.quantity, f"Sent {request!r}, found {found!r}."
        there = [order.order.quantity for order in self.venue.venue.accepted]
        assert len(there) == 1, f"Expected one order at the venue, was {len(there)}."
