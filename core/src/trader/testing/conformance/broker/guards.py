"""BC-77 to BC-84: limits, keys, secrets, clocks, threads."""

from __future__ import annotations

import threading
from typing import Any

from trader.model import Accepted, Account, Rejected, Unavailable, Unknown
from trader.testing.conformance.broker.venue import BrokerSuite, call, deadline, needs, ref
from trader.testing.emulation import Mishap

FEW = 40


class GuardCases(BrokerSuite):
    @needs("wire")
    def test_bc_77_leaves_a_venue_alone_that_asks_for_it(self) -> None:
        """F22: after a 429 no question goes out until its time is over; then it is asked again."""
        broker = self.open()
        self.venue.mishap("positions", Mishap.RATE_LIMITED)
        answer = broker.positions()
        assert isinstance(answer, Unavailable) and answer.kind == "rate_limited", f"Expected it told, was {answer!r}."
        if self.found().capabilities.get("rate_headers"):
            assert answer.retry_after, f"The venue says how long it wants to be left, was {answer!r}."
        if answer.retry_after:
            before = self.venue.requests("orders")
            meanwhile = broker.orders()
            assert isinstance(meanwhile, Unavailable), f"It asked at once again: {meanwhile!r}."
            assert self.venue.requests("orders") == before, "A question went out while the venue wanted to be left."
        self.eventually(lambda: not isinstance(broker.orders(), Unavailable), "an answer again", 10.0)

    @needs("wire")
    def test_bc_78_a_cancel_goes_before_everything(self) -> None:
        """F22: while questions wait for the venue's limit, a cancel is sent."""
        broker = self.open()
        request = self.limit(broker)
        assert isinstance(broker.submit(request), Accepted)
        self.venue.mishap("positions", Mishap.RATE_LIMITED)
        broker.positions()
        before = self.venue.requests("cancel")
        outcome = broker.cancel(ref(request))
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        assert self.venue.requests("cancel") > before, "The cancel did not go out."

    @needs("wire", "rate_headers")
    def test_bc_79_keeps_a_reserve_for_cancels(self) -> None:
        """What is left of the limit is not spent on questions: the last of it is for cancels."""
        broker = self.open()
        request = self.limit(broker)
        taken = broker.submit(request)
        assert isinstance(taken, Accepted), f"Expected Accepted, was {taken!r}."
        self.venue.limit(FEW, 30.0)
        answers = [broker.positions() for _ in range(FEW + 3)]
        refused = [answer for answer in answers if isinstance(answer, Unavailable)]
        assert refused, f"None of {len(answers)} questions was refused, the limit is {FEW}."
        assert all(answer.kind == "rate_limited" for answer in refused), f"Expected rate_limited, was {refused}."
        outcome = broker.cancel(ref(request, taken.venue_id))
        assert isinstance(outcome, Accepted), f"Nothing was left for the cancel: {outcome!r}."

    @needs("wire")
    def test_bc_80_keys_that_are_revoked(self) -> None:
        """Questions are Unavailable("auth"), an order is Rejected("auth"), and open says so too."""
        broker = self.open()
        self.venue.revoke()
        with deadline(3.0):
            for name in ("account", "positions", "orders"):
                answer = call(name, getattr(broker, name))
                assert isinstance(answer, Unavailable) and answer.kind == "auth", f"{name}: was {answer!r}."
            outcome = call("submit", broker.submit, self.limit_of_before)
            assert isinstance(outcome, Rejected) and outcome.kind == "auth", f"submit: was {outcome!r}."
            broker.close()
            made = self.made()
            self._opened.append(made)
            opened = call("open", made.object.open)
        assert isinstance(opened, Unavailable) and opened.kind == "auth", f"open: was {opened!r}."

    @needs("wire", "secrets")
    def test_bc_81_wrong_keys_are_told_and_not_shown(self) -> None:
        """open is Unavailable("auth") with a sentence; no secret stands in it, nor in the broker's own words."""
        wrong = {name: f"WRONG-{name}-0123456789" for name in self.found().permissions.secrets}
        self.secrets = wrong  # type: ignore[misc]
        made = self.made()
        self._opened.append(made)
        with deadline(5.0):
            answer = call("open", made.object.open)
        assert isinstance(answer, Unavailable) and answer.kind == "auth", f"Expected kind auth, was {answer!r}."
        assert len(answer.reason.split()) > 3, f"Expected a sentence, was {answer.reason!r}."
        self._nothing_secret([repr(answer), repr(made.object), str(made.object)], wrong)

    @needs("wire")
    def test_bc_82_secrets_stay_inside(self) -> None:
        """Neither what it answers, nor how it and what it holds print, shows a secret."""
        broker = self.open()
        self.venue.mishap("account", Mishap.GARBAGE)
        told = [repr(broker), str(broker), repr(broker.account()), repr(broker.account())]
        told += [repr(value) for value in getattr(broker, "__dict__", {}).values()]
        self._nothing_secret(told, dict(self.venue.secrets))

    @needs("wire")
    def test_bc_83_a_venue_whose_clock_differs(self) -> None:
        """F52: five minutes ahead: an order is Accepted (the difference was corrected), or it is told as the clock's
        fault; it never raises, and it is never two."""
        broker = self.open()
        self.venue.skew(300.0)
        with deadline(5.0):
            outcome = call("submit", broker.submit, self.limit(broker))
        if not isinstance(outcome, Accepted):
            assert isinstance(outcome, Rejected | Unknown) and outcome.kind == "clock", f"Was {outcome!r}."
        assert len(self.venue.venue.accepted) <= 1, "It is at the venue twice."

    @needs("wire")
    def test_bc_84_answers_many_threads(self) -> None:
        """As many at once as the manifest's concurrency says: each gets its own answer."""
        broker = self.open()
        workers = int(self.found().capabilities.get("concurrency", 1))
        request = self.limit(broker)
        broker.submit(request)
        wrong: list[Any] = []

        def ask() -> None:
            for _ in range(10):
                try:
                    account, orders = broker.account(), broker.orders()
                    right = isinstance(account, Account) and [one.key for one in orders] == [request.key]
                except Exception as error:  # noqa: BLE001 - in a thread, where nobody else sees it
                    account, orders, right = error, None, False
                if not right:
                    wrong.append((account, orders))

        threads = [threading.Thread(target=ask) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        assert not any(thread.is_alive() for thread in threads), "A thread still waits."
        assert not wrong, f"{len(wrong)} wrong answers, the first: {wrong[0]!r}."

    # ---- tools -----------------------------------------------------------------------------------------------------
    @property
    def limit_of_before(self) -> Any:
        """A request made without asking the venue anything."""
        made = self._opened[0].object
        return self.market(made)

    def _nothing_secret(self, told: list[str], secrets: dict[str, str]) -> None:
        for name, value in secrets.items():
            if len(value) < 6 or value.isdigit():
                continue  # an account's number is no secret
            assert not any(value in text for text in told), f"{name} is shown."
