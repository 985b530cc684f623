"""Run the conformance suite of a plugin and keep what it said, case by case."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from trader.errors import PluginBroken, PluginMissing, UsageError
from trader.plugins import Plugin, catalogue
from trader.plugins.certificate import PAPER, Case, Certificate, Outcome
from trader.plugins.lock import digest
from trader.testing.conformance.suite import number_of
from trader.testing.emulation import emulators

SUITES = {
    "alert_transport": "AlertTransportConformance",
    "allocator": "AllocatorConformance",
    "broker": "BrokerConformance",
    "data_source": "DataSourceConformance",
    "execution_style": "ExecutionStyleConformance",
    "risk_rule": "RiskRuleConformance",
    "strategy": "StrategyConformance",
}
FILE = """import datetime
from trader.testing import {suite}


class TestPlugin({suite}):
    plugin = {name!r}
{more}"""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a suite is told beside the plugin's name."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Its settings table, for a plugin that is asked as it is set up; of a broker only where `price` is given."""
    folder: Path | None = None
    """Of the settings file: a path in the options is read from there, and keys are looked up there."""
    price: str = ""
    """Brokers: where the symbol stands at the venue itself, which is asked instead of the emulator."""
    symbol: str = ""
    """Brokers: instead of the manifest's."""


def certify(
    plugin: Plugin, *, told: Callable[[Case], None], now: datetime, asking: Asking | None = None
) -> Certificate:
    """Ask every case; `told` hears of each as it ends.

    Raises:
        PluginBroken: something is known against it, or its suite did not run whole.
        PluginMissing: the emulator that its manifest names is not installed.
        UsageError: Python runs without assertions, so that nothing could fail.
    """
    if not __debug__:
        raise UsageError(
            "Python runs with -O (or PYTHONOPTIMIZE): it leaves assertions out, and no case could fail.",
            where=plugin.label,
            todo="Run it without.",
        )
    if plugin.problem:
        raise PluginBroken(f"It cannot be certified: {plugin.problem}.", where=plugin.label)
    asking = asking or Asking()
    emulator = "" if asking.price else emulator_of(plugin)
    if emulator and emulator not in emulators():
        there = ", ".join(emulators()) or "none"
        raise PluginMissing(
            f"It is asked at the emulator {emulator!r}, which is not installed; there is {there}.",
            where=plugin.label,
            todo="Install the distribution that brings it (trader-emulators brings those of trader's own brokers).",
        )
    recorder = Recorder(told)
    with tempfile.TemporaryDirectory(prefix="trader-certify-") as folder:
        # A name of its own: pytest takes a module that was imported under the same name for this one.
        file = Path(folder) / f"test_{Path(folder).name.replace('-', '_')}.py"
        more = "".join(f"    {key} = {value!r}\n" for key, value in _told(plugin, asking, emulator, now).items())
        file.write_text(FILE.format(suite=SUITES[plugin.kind], name=plugin.name, more=more), encoding="utf-8")
        code = run_pytest(file, recorder)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise PluginBroken(f"The suite did not run (pytest ended with {code!r}).", where=plugin.label)
    lacking = sorted(numbers(plugin.kind) - {case.number for case in recorder.cases})
    if lacking:
        some = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        raise PluginBroken(
            f"The suite did not run whole: {len(lacking)} of its cases were not asked ({some}).",
            where=plugin.label,
            todo="Look into PYTEST_ADDOPTS and into pytest's plugins in this environment.",
        )
    venue = PAPER if asking.price else emulator or ("simulated" if plugin.kind == "broker" else "")
    return Certificate(
        plugin.kind, plugin.name, plugin.distribution, plugin.version, plugin.api, digest(plugin), venue, now,
        _versions(plugin), recorder.cases,
    )  # fmt: skip


def run_pytest(file: Path, recorder: Recorder, *options: str) -> int | pytest.ExitCode:
    """Run a file of cases in this process, quietly, untouched by any configuration around it."""
    nothing = file.with_name("pytest.ini")
    nothing.write_text("[pytest]\n", encoding="utf-8")
    quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:logging", "--import-mode=importlib"]
    return pytest.main(
        [str(file), "--rootdir", str(file.parent), "-c", str(nothing), *quiet, *options], plugins=[recorder]
    )


def emulator_of(plugin: Plugin) -> str:
    """The emulator that it is asked at; "": none. A data source without one of its own is asked at that of the broker
    of its name in the same distribution."""
    named = plugin.conformance.get("emulator")
    if named or plugin.kind != "data_source":
        return str(named or "")
    twins = (one for one in catalogue().of("broker") if one.name == plugin.name)
    return next((emulator_of(one) for one in twins if one.distribution == plugin.distribution), "")


def numbers(kind: str) -> set[str]:
    """Of the cases in the suite of a kind."""
    suite = getattr(importlib.import_module("trader.testing"), SUITES[kind])
    return {number for number in map(number_of, dir(suite)) if number}


def _told(plugin: Plugin, asking: Asking, emulator: str, now: datetime) -> dict[str, Any]:
    """Attributes of the suite."""
    if plugin.kind == "broker":
        if not asking.price:
            return {}
        told = {"own": json.dumps(dict(asking.options), default=str), "own_price": asking.price, "now": now}
        return {**told, "own_folder": str(asking.folder or ""), "symbol": asking.symbol}
    if emulator:
        return {"emulator": emulator, "now": now}
    return {"options": dict(asking.options), "folder": str(asking.folder or "")}


class Recorder:
    """A pytest plugin that keeps one line a case."""

    def __init__(self, told: Callable[[Case], None]) -> None:
        self.cases: list[Case] = []
        self._told = told
        self._titles: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: place_of(item.name))
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


def place_of(name: str) -> tuple[bool, str]:
    """What every plugin must do first, then the kind's own, by number."""
    number = number_of(name) or "?"
    return not number.startswith("PL"), number


def _why(report: Any) -> str:
    if report.outcome == "skipped":
        return str(report.longrepr[2]).removeprefix("Skipped: ").removeprefix("not asked: ")
    if report.outcome == "failed":
        crash = getattr(report.longrepr, "reprcrash", None)
        said = str(crash.message if crash else report.longrepr).split("\nassert ", 1)[0]
        return " ".join(said.split()).removeprefix("AssertionError: ").removeprefix("Failed: ")[:300]
    return ""


def _versions(plugin: Plugin) -> dict[str, str]:
    """Of what took part, by distribution."""
    found = {"python": platform.python_version()}
    try:
        asked = [one for one in importlib.metadata.requires(plugin.distribution) or () if "extra ==" not in one]
    except importlib.metadata.PackageNotFoundError:
        asked = []
    needed = [re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in asked]
    for name in ("trader-core", "trader-emulators", *needed):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
