"""Alerts reach their transports, and never hold up whoever raises them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from trader.alerts import ROOM, Alerts
from trader.model import Alert, Delivered, Failed, Severity


class Transport:
    """Keeps what it was given; answers as told."""

    def __init__(self, answer: Delivered | Failed | BaseException | None = None) -> None:
        self.answer, self.sent, self.earlier = answer or Delivered("ok"), [], []
        self.go = threading.Event()
        self.go.set()

    def check(self) -> None:
        return None

    def send(self, alert: Alert, earlier: Delivered | None) -> Delivered | Failed:
        self.go.wait(10)
        self.sent.append(alert)
        self.earlier.append(earlier)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Watch:
    def __init__(self) -> None:
        self.at = datetime(2020, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def alerts(*transports: Transport, faults: list[tuple[str, str]] | None = None, now: Watch | None = None) -> Alerts:
    told = faults if faults is not None else []
    named = [(f"t{number}", transport) for number, transport in enumerate(transports)]
    return Alerts(named, now=now or Watch(), fault=lambda *fault: told.append(fault))


def test_every_transport_gets_an_alert() -> None:
    one, two = Transport(), Transport()
    service = alerts(one, two)
    service.raise_(Severity.ERROR, "order_unknown", "it may have arrived", {"order": "t1"})
    service.close()
    assert [alert.text for alert in one.sent + two.sent] == ["it may have arrived"] * 2
    assert service.delivered == 2


def test_a_transport_that_fails_or_raises_is_counted_and_the_others_still_deliver() -> None:
    faults: list[tuple[str, str]] = []
    bad, worse, good = Transport(Failed("503")), Transport(SystemExit("bye")), Transport()
    service = alerts(bad, worse, good, faults=faults)
    service.raise_(Severity.ERROR, "a", "b")
    service.close()
    assert (service.failed, service.delivered) == (2, 1)
    assert sorted(faults) == [("t0", "503"), ("t1", "SystemExit: bye")]


def test_a_delivery_that_failed_is_tried_again_under_the_same_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trader.alerts.PAUSES", (0.0, 0.01))

    class Flaky(Transport):
        def send(self, alert: Alert, earlier: Delivered | None) -> Delivered | Failed:
            super().send(alert, earlier)
            return Failed("503", retry_after=0.0) if len(self.sent) < 3 else Delivered("third")

    transport, faults = Flaky(), []
    service = alerts(transport, faults=faults)
    service.raise_(Severity.ERROR, "a", "b")
    while service.delivered + service.failed == 0:
        threading.Event().wait(0.01)
    service.close()
    assert (service.delivered, service.failed, faults) == (1, 0, [])
    assert len({alert.id for alert in transport.sent}) == 1
    assert len(transport.sent) == 3


def test_the_same_alert_is_held_back_for_an_hour_unless_critical() -> None:
    watch, transport = Watch(), Transport()
    service = alerts(transport, now=watch)
    for _ in range(3):
        service.raise_(Severity.WARNING, "data_unavailable", "no answer")
        service.raise_(Severity.CRITICAL, "kill_switch", "halted")
    watch.at += timedelta(hours=1)
    service.raise_(Severity.WARNING, "data_unavailable", "no answer")
    service.close()
    sent = [alert.event for alert in transport.sent]
    assert (sent.count("data_unavailable"), sent.count("kill_switch")) == (2, 3)
    assert service.held_back == 2


def test_F117_an_alert_that_reached_nobody_does_not_hold_the_next_one_back() -> None:
    """Where the network was down it is sent again the next time, not in an hour."""
    watch, transport = Watch(), Transport(Failed("no route to host", retry_after=0.0))
    service = alerts(transport, now=watch)
    service.raise_(Severity.ERROR, "connection_lost", "broker 'a' is lost")
    while service.failed == 0:
        threading.Event().wait(0.01)
    transport.answer = Delivered("ok")
    watch.at += timedelta(minutes=5)
    again = service.raise_(Severity.ERROR, "connection_lost", "broker 'a' is lost")
    assert again is not None
    while service.delivered == 0:
        threading.Event().wait(0.01)
    watch.at += timedelta(minutes=5)
    assert service.raise_(Severity.ERROR, "connection_lost", "broker 'a' is lost") is None
    service.close()


def test_F118_a_transport_that_fails_for_ever_makes_no_storm_at_the_others() -> None:
    watch, good = Watch(), Transport()
    service = alerts(good, Transport(Failed("404", retry_after=0.0)), now=watch)
    for number in range(5):
        service.raise_(Severity.WARNING, "data_unavailable", "no answer")
        while (service.delivered, service.failed) != (1, 1):
            threading.Event().wait(0.01)
        assert service.held_back == number and not service._unheard
    service.close()
    assert len(good.sent) == 1


def test_F118_an_alert_that_found_no_room_does_not_hold_the_next_one_back() -> None:
    transport = Transport()
    transport.go.clear()
    service = alerts(transport)
    for number in range(ROOM + 50):
        service.raise_(Severity.WARNING, "flood", f"number {number}")
    dropped, held = service.dropped, service.held_back
    service.raise_(Severity.WARNING, "flood", f"number {ROOM + 49}")
    transport.go.set()
    service.close()
    assert dropped > 0 and (service.dropped, service.held_back) == (dropped + 1, held)


def test_a_repetition_carries_the_receipt_of_the_one_before_and_an_id_of_its_own() -> None:
    watch, transport = Watch(), Transport(Delivered("message 1"))
    service = alerts(transport, now=watch)
    service.raise_(Severity.WARNING, "a", "b")
    watch.at += timedelta(hours=2)
    service.raise_(Severity.WARNING, "a", "b")
    service.close()
    assert transport.earlier == [None, Delivered("message 1")]
    assert transport.sent[0].fingerprint == transport.sent[1].fingerprint
    assert transport.sent[0].id != transport.sent[1].id


def test_a_hanging_transport_holds_up_nobody_and_critical_alerts_always_find_room() -> None:
    transport = Transport()
    transport.go.clear()
    service = alerts(transport)
    for number in range(ROOM + 50):
        service.raise_(Severity.WARNING, "flood", f"number {number}")
    assert service.dropped > 0
    service.raise_(Severity.CRITICAL, "kill_switch", "halted")
    transport.go.set()
    service.close()
    assert transport.sent[-1].event == "kill_switch"


def test_F117_a_transport_that_hangs_keeps_no_alert_from_the_others_and_is_told_at_the_end() -> None:
    hangs, go, faults = threading.Event(), threading.Event(), []

    class Hanging(Transport):
        def send(self, alert: Alert, earlier: Delivered | None) -> Delivered | Failed:
            hangs.set()
            go.wait(10)
            return super().send(alert, earlier)

    good = Transport()
    service = alerts(Hanging(), good, faults=faults)
    service.raise_(Severity.ERROR, "a", "b")
    service.raise_(Severity.CRITICAL, "kill_switch", "halted")
    assert hangs.wait(5)
    service.close(timeout=0.2)
    told = list(faults)
    go.set()
    assert [alert.event for alert in good.sent] == ["a", "kill_switch"]
    assert told == [("t0", "it does not answer; alerts that it was not given or did not take: 2")]


def test_F117_an_error_that_has_no_words_is_a_failure_like_any_other() -> None:
    class Wordless(Exception):
        def __str__(self) -> str:
            raise AttributeError("response")

    faults: list[tuple[str, str]] = []
    bad = Transport(Wordless())
    service = alerts(bad, faults=faults)
    service.raise_(Severity.ERROR, "a", "b")
    service.raise_(Severity.CRITICAL, "kill_switch", "d")
    service.close()
    assert len(bad.sent) >= 2 and len(faults) == 2


def test_half_a_character_in_a_venues_words_is_no_error_for_whoever_raises_the_alert() -> None:
    transport = Transport()
    service = alerts(transport)
    service.raise_(Severity.ERROR, "connection_lost", "the venue said \ud83d")
    service.close()
    assert [alert.text for alert in transport.sent] == ["the venue said ?"]


def test_without_transports_alerts_are_still_told_to_whoever_watches() -> None:
    seen: list[Alert] = []
    service = Alerts([], now=Watch(), fault=lambda *_: None, raised=seen.append)
    service.raise_(Severity.INFO, "a", "b")
    service.close()
    assert [alert.event for alert in seen] == ["a"]


@pytest.mark.parametrize("nonsense", [None, "sent", Failed("busy", "soon")])
def test_a_transport_that_answers_nonsense_ends_no_delivery(monkeypatch: pytest.MonkeyPatch, nonsense: object) -> None:
    """Every alert after it was lost once, the kill switch's too, and nobody was told."""
    monkeypatch.setattr("trader.alerts.PAUSES", (0.01, 0.01))
    faults: list[tuple[str, str]] = []
    bad, good = Transport(), Transport()
    monkeypatch.setattr(bad, "send", lambda _alert, _earlier: nonsense)
    service = alerts(bad, good, faults=faults)
    service.raise_(Severity.ERROR, "a", "b")
    service.raise_(Severity.CRITICAL, "kill_switch", "d")
    service.close()
    assert [each.event for each in good.sent] == ["a", "kill_switch"] and len(faults) == 2
