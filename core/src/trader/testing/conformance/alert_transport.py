"""Alert transports: they deliver one alert, or say why not; they never raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trader.model import Alert, Delivered, Failed, Severity
from trader.testing.conformance.suite import Conformance, Made

TEXTS = (
    "",
    "one line",
    "two\nlines\r\nand\ttabs",
    "grüße, 世界, \U0001f6a8",
    "x" * 100_000,
    "\x00\x1b[31m",
    "a \ud800 half",
)


class AlertTransportConformance(Conformance):
    """AT-01 to AT-05. `Failed` is an answer: a transport whose far end is not there in a test passes, if it says so."""

    kind = "alert_transport"

    def alert(
        self, text: str = "Something happened.", *, number: int = 1, severity: Severity = Severity.WARNING
    ) -> Alert:
        """An alert of a conformance test, so that nobody is alarmed."""
        return Alert(f"a{number}", severity, "conformance", text, self.now, "conformance:AAPL", {"symbol": "AAPL"})

    def test_at_01_check_answers(self) -> None:
        """check says None, or Failed with a reason; again too."""
        made = self.made()
        for _ in range(2):
            answer = _call("check()", made.object.check)
            assert answer is None or isinstance(answer, Failed), f"Expected None or Failed, was {answer!r}."
            assert answer is None or answer.reason.strip(), "Expected a reason in words, was none."

    def test_at_02_send_answers(self) -> None:
        """send says Delivered with a receipt, or Failed with a reason, for every severity."""
        made = self.made()
        for number, severity in enumerate(Severity):
            _assert_answer(_send(made, self.alert(number=number, severity=severity), None))

    def test_at_03_takes_an_alert_again(self) -> None:
        """The same id again (a retry after a lost answer) is no error."""
        made = self.made()
        first, again = (_send(made, self.alert(), None) for _ in range(2))
        _assert_answer(again)
        assert type(again) is type(first), f"First it said {first!r}, for the same alert again {again!r}."

    def test_at_04_takes_an_earlier_receipt(self) -> None:
        """The receipt of the same fingerprint: its own, and one of another process that it never saw."""
        made = self.made()
        first = _send(made, self.alert(), None)
        own = [first] if isinstance(first, Delivered) else []
        for number, earlier in enumerate([*own, Delivered("not one of mine")], start=2):
            _assert_answer(_send(made, self.alert(number=number), earlier))

    def test_at_05_stands_any_text(self) -> None:
        """Empty, long, in many lines, with control characters, not even text: delivered, or Failed."""
        made = self.made()
        for number, text in enumerate(TEXTS):
            _assert_answer(_send(made, self.alert(text, number=number), None))


def _send(made: Made, alert: Alert, earlier: Delivered | None) -> object:
    return _call("send(alert, earlier)", made.object.send, alert, earlier)


def _call(what: str, method: Callable[..., Any], *args: Any) -> object:
    try:
        return method(*args)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises
        pytest.fail(f"{what} raised {type(error).__name__}: {error}. Expected Failed.")


def _assert_answer(answer: object) -> None:
    assert isinstance(answer, Delivered | Failed), f"Expected Delivered or Failed, was {answer!r}."
    words = answer.receipt if isinstance(answer, Delivered) else answer.reason
    assert isinstance(words, str), f"Expected text, was {words!r}."
    assert isinstance(answer, Delivered) or words.strip(), "Expected a reason in words, was none."
