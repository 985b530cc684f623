"""Alerts to transports, without ever holding up trading: a bounded queue, a thread of its own, failures counted.

A delivery that failed is tried again, after 1 and after 5 seconds or when the transport says; then it is given up.

The same alert (event and text) is sent once an hour; what was held back is counted. Critical alerts are never held
back, and never dropped for lower ones.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

from msgspec import structs

from trader.model import Alert, Delivered, Failed, Severity
from trader.protocols import AlertTransport

QUIET = timedelta(hours=1)
ROOM = 1_000
PAUSES = (1.0, 5.0)
LONGEST_PAUSE = 60.0


class Alerts:
    """Takes alerts from anywhere, hands them to every transport. `fault(transport, reason)` hears of failures,
    `raised(alert)` of each alert before any transport has it."""

    def __init__(
        self,
        transports: Sequence[tuple[str, AlertTransport]],
        *,
        now: Callable[[], datetime],
        fault: Callable[[str, str], None],
        raised: Callable[[Alert], None] | None = None,
    ) -> None:
        self._transports, self._now, self._fault, self._raised = tuple(transports), now, fault, raised
        self._queue: queue.Queue[Alert | None] = queue.Queue()
        self._receipts: dict[tuple[str, str], Delivered] = {}
        self._last: dict[str, datetime] = {}
        self.delivered = self.failed = self.dropped = self.held_back = 0
        self._count = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
        if self._transports:
            self._thread.start()

    def raise_(
        self, severity: Severity, event: str, text: str, facts: Mapping[str, str] | None = None, *, same: str = ""
    ) -> Alert | None:
        """The alert that is now on its way; None if it was held back or there is no room for it. `same`: what makes it
        the same alert as an earlier one, if not its text."""
        now = self._now()
        fingerprint = blake2b(f"{event}\x1f{same or text}".encode(), digest_size=8).hexdigest()
        last = self._last.get(fingerprint)
        if severity is not Severity.CRITICAL and last is not None and now - last < QUIET:
            self.held_back += 1
            return None
        self._last[fingerprint] = now
        self._count += 1
        alert = Alert(f"{fingerprint}-{self._count}", severity, event, text, now, fingerprint, dict(facts or {}))
        if self._raised is not None:
            self._raised(alert)
        if severity is not Severity.CRITICAL and self._queue.qsize() >= ROOM:
            self.dropped += 1
            return None
        if self._transports:
            self._queue.put(alert)
        return alert

    def close(self, timeout: float = 10.0) -> None:
        """Deliver what waits, at most for `timeout` seconds; nothing is tried again any more."""
        self._closing.set()
        if self._transports:
            self._queue.put(None)
            self._thread.join(timeout)

    def _work(self) -> None:
        while (alert := self._queue.get()) is not None:
            for name, transport in self._transports:
                self._send(name, transport, alert)

    def _send(self, name: str, transport: AlertTransport, alert: Alert) -> None:
        key = (name, alert.fingerprint)
        answer = _tried(transport, alert, self._receipts.get(key))
        for pause in PAUSES:
            if isinstance(answer, Delivered):
                break
            asked = answer.retry_after if answer.retry_after is not None else pause
            if self._closing.wait(min(asked, LONGEST_PAUSE)):
                break
            answer = _tried(transport, alert, self._receipts.get(key))
        if isinstance(answer, Delivered):
            self.delivered += 1
            self._receipts[key] = answer
        else:
            self.failed += 1
            self._fault(name, answer.reason)


def _tried(transport: AlertTransport, alert: Alert, earlier: Delivered | None) -> Delivered | Failed:
    try:
        answer: object = transport.send(alert, earlier)
        if isinstance(answer, Failed) and answer.retry_after is not None:
            return structs.replace(answer, retry_after=float(answer.retry_after))
        return answer if isinstance(answer, Delivered | Failed) else Failed(f"it answered {answer!r:.100}")
    except BaseException as error:  # noqa: BLE001 - a transport that raises must not end the thread
        return Failed(f"{type(error).__name__}: {error}")
