"""The one way out: every byte that asks a venue for something leaves here.

`submit` runs in the broker's lane, immediately before `broker.submit`, with nothing in between. It takes only an
Approved order whose intent is committed, asks every injected check (kill switch, blocks, lease, limits come from higher
floors), and counts what leaves. A Cancel always passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from trader.errors import escaped, words
from trader.model import Accepted, Approved, Cancel, OrderRequest, Outcome, Refusal, Rejected, Unknown
from trader.protocols import Broker


class Check(Protocol):
    """A last look at one order."""

    def refuse(self, order: OrderRequest) -> Refusal | None:
        """None lets it pass."""


class Gate:
    """The gate of one account. `passes` counts what left, `refusals` what did not; `fault(method, exc)` hears of a
    broker that raises; `point(name)` is told where a crash could tear things apart."""

    def __init__(
        self,
        broker: Broker,
        *,
        checks: Sequence[Check] = (),
        fault: Callable[[str, BaseException], None] | None = None,
        dry_run: bool = False,
        point: Callable[[str], None] | None = None,
    ) -> None:
        self._broker, self._checks, self._tell = broker, tuple(checks), fault
        self._dry_run, self._point = dry_run, point
        self._committed: dict[str, OrderRequest] = {}
        self.passes = self.refusals = 0

    @property
    def waiting(self) -> int:
        """Committed, and neither passed nor refused yet."""
        return len(self._committed)

    def committed(self, orders: Iterable[OrderRequest]) -> None:
        """The journal holds these intents now; only they may leave, once each."""
        for order in orders:
            self._committed[order.client_id] = order

    def withdraw(self, order: OrderRequest) -> None:
        """It never reached the gate, and never may: its turn came too late."""
        if self._committed.pop(order.client_id, None) is not None:
            self.refusals += 1

    def submit(self, approved: Approved) -> Outcome | Refusal:
        """The venue's outcome, or the refusal of a check. A broker that raises or talks nonsense is Unknown: it may
        have sent. That its key is taken already says that the venue has it."""
        order = approved.order
        if self._committed.pop(order.client_id, None) is not order:
            return Refusal(0, "its intent is not in the journal, or left before", 0.0, 0.0, "gate")
        refusal = self._refusal(order)
        if refusal is not None:
            self.refusals += 1
            return refusal
        self.passes += 1
        if self._point is not None:
            self._point("gate>broker")
        try:
            outcome = self._broker.submit(order)
        except BaseException as error:  # noqa: BLE001 - a raising broker may have sent: the outcome is Unknown
            return self._unknown("submit", escaped(error))
        if type(outcome) is Accepted:
            return outcome
        if type(outcome) is Rejected and outcome.kind == "duplicate":
            return Accepted()  # it left once: an order of its key that is there is this one, by whatever road it came
        return _outcome(outcome)

    def _refusal(self, order: OrderRequest) -> Refusal | None:
        if self._dry_run:
            return Refusal(0, "trading.dry_run is on: nothing is sent", 0.0, 0.0, "dry_run")
        for check in self._checks:
            refusal = check.refuse(order)
            if refusal is not None:
                return refusal
        return None

    def cancel(self, cancel: Cancel) -> Outcome:
        """Ask that an order be gone."""
        try:
            outcome = self._broker.cancel(cancel.ref)
        except BaseException as error:  # noqa: BLE001 - a raising broker may have sent: the outcome is Unknown
            return self._unknown("cancel", escaped(error))
        return _outcome(outcome)

    def _unknown(self, method: str, exc: BaseException) -> Unknown:
        if self._tell is not None:
            self._tell(method, exc)
        return Unknown("plugin", words(exc))


def _outcome(answer: object) -> Outcome:
    kind = type(answer)
    if kind is Accepted or kind is Rejected or kind is Unknown:
        return answer  # type: ignore[return-value]  # it is one of the three
    return Unknown("nonsense", f"the broker answered {answer!r:.100}")
