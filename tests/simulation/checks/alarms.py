"""I17: people are told, once."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from .case import Case, Judge

LONG = timedelta(seconds=30)
SLACK = timedelta(seconds=15)


class Alarmed(Judge):
    """Each order that nobody can place for more than 30 s, each halt and each mismatch is told, and told once."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._unknown: dict[str, datetime] = {}
        self._spans: list[tuple[str, datetime, datetime]] = []

    def each(self) -> None:
        for event in self.case.news.events:
            if event.kind != "moved" or event.client_id is None:
                continue
            if event.state == "unknown":
                self._unknown.setdefault(event.client_id, event.recorded_at)
            elif (since := self._unknown.pop(event.client_id, None)) is not None:
                self._spans.append((event.client_id, since, event.recorded_at))

    def end(self) -> None:
        self._unknowns()
        self._halts()
        self._repeated()

    def _told(self, event: str) -> list[str]:
        return [each.alert.text for each in self.case.watched.alerts if each.alert.event == event]

    def _unknowns(self) -> None:
        """Within one life: a restart begins to count anew, and a frozen process tells nobody."""
        watched = self.case.watched
        told = self._told("order_unknown")
        profile = watched.profile
        # A look may have to wait for the answer to one question, or for a frozen process.
        held_up = profile.timeout + profile.longest_freeze * (profile.freezes > 0)
        enough = LONG + SLACK + timedelta(seconds=held_up)
        still = [(name, since, watched.now) for name, since in self._unknown.items()]
        for name, since, until in self._spans + still:
            for life in watched.lives:
                span = min(until, life.ended or watched.now) - max(since, life.began)
                if span > enough and not any(name in text for text in told):
                    self.case.object("I17", f"{name} was unknown for {span.total_seconds():.0f} s, and nobody was told")

    def _halts(self) -> None:
        told = self._told("halted")
        for scope, level, reason in self.case.rows.all(
            "SELECT scope, level, reason FROM block WHERE scope <> '*' AND level <> 'pause'"
        ):
            if not any(text.startswith(f"{scope} is ") and reason in text for text in told):
                self.case.object("I17", f"{scope} is blocked ({level}: {reason}), and nobody was told")
        if self.case.rows.all("SELECT 1 FROM block WHERE scope = '*'") and not self._told("kill_switch"):
            self.case.object("I17", "everything was halted, and nobody was told")

    def _repeated(self) -> None:
        """The same alert (its fingerprint) at most once an hour from one process, if it is no critical one."""
        told = Counter((each.life, each.alert.fingerprint, each.alert.event) for each in self.case.watched.alerts
                       if each.alert.severity != "critical")  # fmt: skip
        for (life, _, event), times in told.items():
            if times > 1:
                self.case.object("I17", f"process {life} told {event} {times} times")
