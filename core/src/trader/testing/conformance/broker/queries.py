"""BC-61 to BC-68: a question that was not answered is Unavailable. It never looks like nothing there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trader.model import Accepted, Unavailable
from trader.testing.conformance.broker.venue import EPOCH, BrokerSuite, call, deadline, needs, ref
from trader.testing.emulation import Mishap

MISHAPS = (
    Mishap.FAILED, Mishap.HTML, Mishap.TRUNCATED, Mishap.GARBAGE, Mishap.RESET, Mishap.LOST, Mishap.UNAUTHORIZED,
    Mishap.RATE_LIMITED,
)  # fmt: skip
"""The last one leaves the client waiting."""


class QueryCases(BrokerSuite):
    @needs("wire")
    def test_bc_61_account(self) -> None:
        """The account is Unavailable, whatever happens to the question."""
        self._unanswered("account", lambda broker: broker.account())

    @needs("wire")
    def test_bc_62_positions(self) -> None:
        """Unavailable, never flat."""
        self._unanswered("positions", lambda broker: broker.positions())

    @needs("wire")
    def test_bc_63_orders(self) -> None:
        """Unavailable, never none."""
        self._unanswered("orders", lambda broker: broker.orders())

    @needs("wire")
    def test_bc_64_order(self) -> None:
        """Unavailable, never NotFound."""
        self._unanswered("order", lambda broker: broker.order(ref(self.request)))

    @needs("wire")
    def test_bc_65_fills(self) -> None:
        """Unavailable, never none."""
        self._unanswered("fills", lambda broker: broker.fills(EPOCH))

    @needs("wire", "cash_events")
    def test_bc_66_cash_events(self) -> None:
        """Unavailable, never none."""
        self._unanswered("cash_events", lambda broker: broker.cash_events(EPOCH))

    @needs("wire")
    def test_bc_67_instruments(self) -> None:
        """Unavailable, or what was known before: rules do not change from one second to the next."""
        self._unanswered("instruments", lambda broker: broker.instruments([self.about]), cached=True)

    @needs("wire")
    def test_bc_68_heals(self) -> None:
        """After all of it, the next question is answered again."""
        broker = self.open()
        for question in ("positions", "orders", "account"):
            self.venue.mishap(question, Mishap.RESET)
            self.venue.mishap(question, Mishap.FAILED)
            for _ in range(2):
                call(question, getattr(broker, question))
            answer = getattr(broker, question)()
            assert not isinstance(answer, Unavailable), f"{question}: expected an answer again, was {answer!r}."

    # ---- tools -----------------------------------------------------------------------------------------------------
    def _unanswered(self, question: str, ask: Callable[[Any], Any], *, cached: bool = False) -> None:
        """With something there, so that nothing would be a lie: an order that waits, a position."""
        broker = self.open()
        bought, self.request = self.market(broker, 1), self.limit(broker, 2)
        broker.submit(bought)
        self.filled(broker, bought)
        assert isinstance(broker.submit(self.request), Accepted)
        before = ask(broker)
        for mishap in MISHAPS:
            asked = self.venue.requests(question)
            self.venue.mishap(question, mishap)
            with deadline():
                answer = call(question, ask, broker)
            if self.venue.requests(question) == asked:
                assert cached or mishap is Mishap.RATE_LIMITED, f"{question} did not ask the venue."
                assert answer == before or isinstance(answer, Unavailable), f"{question}: was {answer!r}."
                return
            assert isinstance(answer, Unavailable), f"{question}, {mishap}: expected Unavailable, was {answer!r}."
            assert answer.reason.strip(), f"{question}, {mishap}: Unavailable without a reason."
