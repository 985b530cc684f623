"""BC-12, BC-13, BC-46, BC-47: closing, and a new instance after it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from trader.clock import SystemClock
from trader.model import Accepted, OrderReport
from trader.testing.conformance.broker.venue import EPOCH, BrokerSuite, call, needs, ref
from trader.testing.emulation import Mishap


class RestartCases(BrokerSuite):
    @needs("market")
    def test_bc_12_survives_a_restart(self) -> None:
        """A new instance on the same folder shows the same orders, fills, positions and cash."""
        broker = self.open()
        filled, working = self.market(broker, 1), self.limit(broker, 2)
        broker.submit(filled)
        self.filled(broker, filled)
        broker.submit(working)
        before = _shown(broker)
        broker.close()
        again = self.open()
        assert _shown(again) == before, f"Before the restart {before}, after it {_shown(again)}."
        for request in (filled, working):
            found = again.order(ref(request))
            assert isinstance(found, OrderReport), f"Order {request.key} is lost: {found!r}."

    def test_bc_13_closes_twice(self) -> None:
        """close may come first and twice; a closed broker answers Unavailable or what it knows, and raises nothing."""
        made = self.made()
        made.object.close()
        broker = self.open(made)
        broker.close()
        broker.close()
        for name, ask in (
            ("account", broker.account), ("positions", broker.positions), ("orders", broker.orders),
            ("fills", lambda: broker.fills(EPOCH)),
        ):  # fmt: skip
            call(f"{name} after close", ask)

    def test_bc_46_cancels_what_another_life_sent(self) -> None:
        """A working order of the instance before is found by its key and cancelled by it."""
        broker = self.open()
        request = self.limit(broker)
        broker.submit(request)
        broker.close()
        again = self.open()
        assert [report.key for report in again.orders()] == [request.key], f"Expected it, was {again.orders()}."
        outcome = again.cancel(ref(request))
        assert isinstance(outcome, Accepted), f"Expected Accepted, was {outcome!r}."
        self.eventually(lambda: list(again.orders()) == [], "no working order")

    @needs("wire")
    def test_bc_47_close_ends_a_call_that_waits(self) -> None:
        """From another thread, while nobody answers: the call is back within three seconds."""
        broker = self.open()
        self.venue.mishap("positions", Mishap.LOST)
        clock, answers = SystemClock(), list[Any]()
        thread = threading.Thread(target=lambda: answers.append(call("positions", broker.positions)), daemon=True)
        thread.start()
        clock.sleep(0.3)
        broker.close()
        thread.join(3.0)
        assert not thread.is_alive(), "positions still waits, three seconds after close."
        assert answers and not isinstance(answers[0], Sequence), f"Expected Unavailable, was {answers}."


def _shown(broker: Any) -> dict[str, Sequence[Any]]:
    return {
        "orders": list(broker.orders()),
        "fills": list(broker.fills(EPOCH)),
        "positions": list(broker.positions()),
        "cash": [broker.account().cash],
    }
