"""BC-38 to BC-45, BC-85: cancels, whatever happens to them on the way."""

from __future__ import annotations

from typing import Any

import pytest

from trader.model import Accepted, OrderRef, OrderState, Rejected, Side, Unknown
from trader.simulation.faults import Faults
from trader.testing.conformance.broker.venue import ENDED, BrokerSuite, deadline, needs, ref
from trader.testing.emulation import Mishap


class CancelCases(BrokerSuite):
    @needs("market")
    def test_bc_38_a_cancel_of_what_is_over_says_so(self) -> None:
        """Filled or canceled: Rejected("closed" or "not_found"), never Accepted as if it had done something (F32)."""
        broker = self.open()
        request = self.market(broker)
        broker.submit(request)
        self.filled(broker, request)
        self.eventually(lambda: self.shown(broker, request).state is OrderState.FILLED, "the order filled")
        outcome = broker.cancel(ref(request))
        assert isinstance(outcome, Rejected) and outcome.kind in ("closed", "not_found"), (
            f'Expected Rejected("closed") or Rejected("not_found"), was {outcome!r}.'
        )
        assert self.shown(broker, request).state is OrderState.FILLED, "The cancel changed a filled order."

    def test_bc_39_a_cancel_of_what_never_was_says_so(self) -> None:
        """Rejected("not_found" or "closed") (F33)."""
        broker = self.open()
        outcome = broker.cancel(OrderRef("t0", broker.key("t0"), self.about))
        assert isinstance(outcome, Rejected) and outcome.kind in ("closed", "not_found"), (
            f'Expected Rejected("not_found") or Rejected("closed"), was {outcome!r}.'
        )

    @needs("wire")
    def test_bc_40_a_cancel_that_was_lost_is_unknown(self) -> None:
        """Nobody answers, nothing happened: Unknown; the order works, and a second cancel ends it."""
        broker, request = self._waiting()
        assert isinstance(self._cancel(broker, request, Mishap.LOST), Unknown)
        assert self.shown(broker, request).state not in ENDED, "The order is gone, and the cancel never arrived."
        assert isinstance(broker.cancel(ref(request)), Accepted)
        self.eventually(lambda: self.shown(broker, request).state in ENDED, "the order gone")

    @needs("wire")
    def test_bc_41_a_cancel_whose_answer_was_lost_is_unknown(self) -> None:
        """Nobody answers, the order is gone: Unknown, and order says what is true (F10)."""
        broker, request = self._waiting()
        assert isinstance(self._cancel(broker, request, Mishap.LOST_REPLY), Unknown)
        self.eventually(lambda: self.shown(broker, request).state in ENDED, "the order gone")

    @needs("wire")
    def test_bc_42_a_cancel_that_failed_is_no_refusal(self) -> None:
        """5xx, a proxy's page, a broken connection: Unknown, never Rejected."""
        broker, request = self._waiting()
        for mishap in (Mishap.FAILED, Mishap.HTML, Mishap.RESET):
            outcome = self._cancel(broker, request, mishap)
            assert isinstance(outcome, Unknown), f"{mishap}: expected Unknown, was {outcome!r}."
        assert self.shown(broker, request).state not in ENDED, "The order is gone, and no cancel arrived."

    @needs("wire")
    def test_bc_43_a_cancel_is_one_request(self) -> None:
        """The client library does not send it again by itself, and nothing but the venue's yes is Accepted."""
        broker, request = self._waiting()
        for mishap in (Mishap.FAILED, Mishap.RATE_LIMITED):
            before = self.venue.requests("cancel")
            outcome = self._cancel(broker, request, mishap)
            assert not isinstance(outcome, Accepted), f"{mishap}: nothing was cancelled, was {outcome!r}."
            sent = self.venue.requests("cancel") - before
            assert sent == 1, f"{mishap}: expected one request, was {sent}."

    @needs("cancel_all")
    def test_bc_44_cancels_all_in_every_id_space(self) -> None:
        """Plain orders, conditional orders and a person's: nothing works after it. Also where there is nothing."""
        broker = self.open()
        if not self.found().manifest and not hasattr(broker, "cancel_all"):
            pytest.skip("not asked: it has no trader.protocols.HasCancelAll, and no manifest that says so")
        assert isinstance(broker.cancel_all(), Accepted), "With nothing to cancel: expected Accepted."
        assert isinstance(broker.submit(self.limit(broker, 1)), Accepted)
        if self.can("order_types", "stop"):
            assert isinstance(broker.submit(self.stop(broker, 2)), Accepted)
        if self.emulated:
            self.venue.venue.manual_trade(self.about, Side.BUY, self.size)  # waits, for nobody trades
        outcome = broker.cancel_all()
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        self.eventually(lambda: list(broker.orders()) == [], "no working order")
        if self.emulated:
            assert list(self.venue.venue.truth_working()) == [], "At the venue something still works."

    @needs("wire", "cancel_all")
    def test_bc_45_a_cancel_all_that_failed_is_unknown(self) -> None:
        """Nobody answers, or 5xx: Unknown. Too many requests: never Accepted either."""
        broker, _ = self._waiting()
        for mishap in (Mishap.FAILED, Mishap.LOST, Mishap.RATE_LIMITED):
            self.venue.mishap("cancel_all", mishap)
            with deadline():
                outcome = broker.cancel_all()
            refused = isinstance(outcome, Rejected) and mishap is Mishap.RATE_LIMITED
            assert isinstance(outcome, Unknown) or refused, f"{mishap}: expected Unknown, was {outcome!r}."

    @needs("wire", "type:limit", "market")
    def test_bc_85_an_order_may_fill_after_its_cancel_was_taken(self) -> None:
        """The venue says yes and has not done it yet: the order is listed and not over, what it fills is told (F31)."""
        broker, request = self._waiting()
        self.venue.venue.faults = Faults(cancel_slow=1.0, late_seconds=3_600.0)
        outcome = broker.cancel(ref(request))
        assert isinstance(outcome, Accepted | Unknown), f"Expected Accepted, was {outcome!r}."
        found = self.shown(broker, request)
        assert found.state not in ENDED, f"It works on, and was said to be {found.state}."
        listed = [report.key for report in broker.orders()]
        assert listed == [request.key], f"Expected the order that still works, was {listed}."
        fills = self.filled(broker, request, self.tick_price(broker, "0.75"))
        assert sum(fill.quantity for fill in fills) == request.quantity, f"Expected {request.quantity}, was {fills}."
        self.eventually(lambda: self.shown(broker, request).state is OrderState.FILLED, "the order filled")
        assert list(broker.orders()) == [], f"Expected none, was {broker.orders()}."

    # ---- tools -----------------------------------------------------------------------------------------------------
    def _waiting(self) -> tuple[Any, Any]:
        """A broker, and an order that waits at the venue."""
        broker = self.open()
        request = self.limit(broker)
        outcome = broker.submit(request)
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        return broker, request

    def _cancel(self, broker: Any, request: Any, mishap: Mishap) -> Any:
        self.venue.mishap("cancel", mishap)
        with deadline():
            return broker.cancel(ref(request))
