"""Run the conformance suite of a plugin and keep what it said, case by case."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from trader.errors import PluginBroken
from trader.plugins import Plugin
from trader.plugins.certificate import Case, Certificate, Outcome
from trader.plugins.lock import digest
from trader.testing.conformance.suite import number_of

SUITES = {
    "alert_transport": "AlertTransportConformance",
    "allocator": "AllocatorConformance",
    "broker": "BrokerConformance",
    "data_source": "DataSourceConformance",
    "execution_style": "ExecutionStyleConformance",
    "risk_rule": "RiskRuleConformance",
    "strategy": "StrategyConformance",
}
FILE = """from trader.testing import {suite}


class TestPlugin({suite}):
    plugin = {name!r}
{more}"""


def certify(
    plugin: Plugin, *, told: Callable[[Case], None], now: datetime, own: str = "", price: str = "", symbol: str = ""
) -> Certificate:
    """Ask every case; `told` hears of each as it ends. `own`: settings of an account at the venue itself, as JSON, to
    be asked instead of the emulator; `price`: where the symbol (its manifest's, or `symbol`) stands there."""
    if plugin.problem:
        raise PluginBroken(f"It cannot be certified: {plugin.problem}.", where=plugin.label)
    recorder = Recorder(told)
    more = f"    own = {own!r}\n    own_price = {price!r}\n    symbol = {symbol!r}\n" if own else ""
    with tempfile.TemporaryDirectory(prefix="trader-certify-") as folder:
        file = Path(folder) / "test_certify.py"
        file.write_text(FILE.format(suite=SUITES[plugin.kind], name=plugin.name, more=more), encoding="utf-8")
        quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:logging", "--import-mode=importlib"]
        code = pytest.main([str(file), "--rootdir", folder, "-c", "/dev/null", *quiet], plugins=[recorder])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not recorder.cases:
        raise PluginBroken(f"The suite did not run (pytest ended with {code!r}).", where=plugin.label)
    venue = "paper" if own else str(plugin.conformance.get("emulator", "simulated" if plugin.kind == "broker" else ""))
    return Certificate(
        plugin.kind, plugin.name, plugin.distribution, plugin.version, plugin.api, digest(plugin), venue, now,
        _versions(plugin), recorder.cases,
    )  # fmt: skip


class Recorder:
    """A pytest plugin that keeps one line a case."""

    def __init__(self, told: Callable[[Case], None]) -> None:
        self.cases: list[Case] = []
        self._told = told
        self._titles: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: _place(item.name))
        for item in items:
            self._titles[item.nodeid] = title_of(item.name)

    def pytest_runtest_logreport(self, report: Any) -> None:
        ended = report.when == "call" or (report.when == "setup" and report.outcome != "passed")
        broken = report.when == "teardown" and report.outcome == "failed"
        if not ended and not broken:
            return
        number = number_of(report.nodeid.rpartition("::")[2]) or "?"
        if broken:
            self.cases = [case for case in self.cases if case.number != number]
        outcome: Outcome = report.outcome
        case = Case(number, self._titles[report.nodeid], outcome, _why(report), round(report.duration, 2))
        self.cases.append(case)
        self._told(case)


def title_of(name: str) -> str:
    """From "test_bc_40_a_cancel_is_unknown" to "a cancel is unknown"."""
    return re.sub(r"^test_[a-z]{2}_\d{2}_", "", name).replace("_", " ")


def _place(name: str) -> tuple[bool, str]:
    """What every plugin must do first, then the kind's own, by number."""
    number = number_of(name) or "?"
    return not number.startswith("PL"), number


def _why(report: Any) -> str:
    if report.outcome == "skipped":
        return str(report.longrepr[2]).removeprefix("Skipped: ").removeprefix("not asked: ")
    if report.outcome == "failed":
        crash = getattr(report.longrepr, "reprcrash", None)
        return str(crash.message if crash else report.longrepr).split("\n", 1)[0][:300]
    return ""


def _versions(plugin: Plugin) -> dict[str, str]:
    """Of what took part, by distribution."""
    found = {"python": platform.python_version()}
    try:
        asked = importlib.metadata.requires(plugin.distribution) or []
    except importlib.metadata.PackageNotFoundError:
        asked = []
    needed = [re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in asked]
    for name in ("trader-core", "trader-emulators", *needed):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
