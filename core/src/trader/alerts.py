"""Alerts to transports, without ever holding up trading: a bounded queue and a thread for each, failures counted.

A delivery that failed is tried again, after 1 and after 5 seconds or when the transport says; then it is given up.

The same alert (event and text) is sent once an hour, unless it reached nobody; what was held back is counted. Critical
alerts are never held back, and never dropped for lower ones.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

from msgspec import structs

from trader.clock import SystemClock
from trader.errors import storable, words
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
        self._queues: list[queue.Queue[Alert | None]] = [queue.Queue() for _ in self._transports]
        self._receipts: dict[tuple[str, str], Delivered] = {}
        self._last: dict[str, datetime] = {}
        self._unheard: dict[str, int] = {}
        """Alerts that nobody has yet -> the transports that may still deliver them."""
        self.delivered = self.failed = self.dropped = self.held_back = 0
        self._count = 0
        self._counting = threading.Lock()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(*named, waiting), name=f"alerts {named[0]}", daemon=True)
            for named, waiting in zip(self._transports, self._queues, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def raise_(
        self, severity: Severity, event: str, text: str, facts: Mapping[str, str] | None = None, *, same: str = ""
    ) -> Alert | None:
        """The alert that is now on its way; None if it was held back or there is no room for it. `same`: what makes it
        the same alert as an earlier one, if not its text."""
        text, now = storable(text), self._now()
        fingerprint = blake2b(f"{event}\x1f{storable(same) or text}".encode(), digest_size=8).hexdigest()
        last = self._last.get(fingerprint)
        if severity is not Severity.CRITICAL and last is not None and now - last < QUIET:
            self.held_back += 1
            return None
        self._last[fingerprint] = now
        self._count += 1
        alert = Alert(f"{fingerprint}-{self._count}", severity, event, text, now, fingerprint, dict(facts or {}))
        if self._raised is not None:
            self._raised(alert)
        room = [one for one in self._queues if severity is Severity.CRITICAL or one.qsize() < ROOM]
        self.dropped += len(self._queues) - len(room)
        if not room:
            if self._queues:
                self._last.pop(fingerprint, None)
            return None if self._queues else alert
        with self._counting:
            self._unheard[alert.id] = len(room)
        for waiting in room:
            waiting.put(alert)
        return alert

    def close(self, timeout: float = 10.0) -> None:
        """Deliver what waits, at most for `timeout` seconds; nothing is tried again any more."""
        self._closing.set()
        now = SystemClock().monotonic  # threads live in real time, whatever clock the session has
        end = now() + timeout
        for waiting in self._queues:
            waiting.put(None)
        for (name, _), waiting, thread in zip(self._transports, self._queues, self._threads, strict=True):
            thread.join(max(0.0, end - now()))
            if thread.is_alive():  # one alert is in its hands, and the last that waits is the end
                left = waiting.qsize()
                self._fault(name, f"it does not answer; alerts that it was not given or did not take: {left}")

    def _work(self, name: str, transport: AlertTransport, waiting: queue.Queue[Alert | None]) -> None:
        while (alert := waiting.get()) is not None:
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
        with self._counting:
            if isinstance(answer, Delivered):
                self._unheard.pop(alert.id, None)
                self.delivered += 1
            else:
                left = self._unheard[alert.id] = self._unheard.get(alert.id, 0) - 1
                if left <= 0:
                    del self._unheard[alert.id]
                if left == 0:  # nobody heard it: the next of its kind is no repetition
                    self._last.pop(alert.fingerprint, None)
                self.failed += 1
        if isinstance(answer, Delivered):
            self._receipts[key] = answer
        else:
            self._fault(name, answer.reason)


def _tried(transport: AlertTransport, alert: Alert, earlier: Delivered | None) -> Delivered | Failed:
    try:
        answer: object = transport.send(alert, earlier)
        if isinstance(answer, Failed) and answer.retry_after is not None:
            return structs.replace(answer, retry_after=float(answer.retry_after))
        return answer if isinstance(answer, Delivered | Failed) else Failed(f"it answered {answer!r:.100}")
    except BaseException as error:  # noqa: BLE001 - a transport that raises must not end the thread
        return Failed(words(error))
