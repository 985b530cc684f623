"""What every plugin must do, of whatever kind: be found, say what it is, load, refuse what it does not know.

PL-01 to PL-06 are asked of each kind; the suites of the kinds add their own numbers.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import pytest

from trader.env import Door, World
from trader.errors import PluginError, SettingsError, TraderError, UsageError
from trader.plugins import KINDS, Loaded, Plugin, Provided, catalogue, load, manifest, options_of, provide
from trader.testing.fakes import START, fake_world
from trader.testing.network import NetworkUsed, no_network

SDKS = (
    "MetaTrader5", "alpaca", "alpaca_trade_api", "binance", "ccxt", "coinbase", "ib_async", "ib_insync", "ibapi",
    "kiteconnect", "kraken", "oandapyV20", "polygon", "pybit", "robin_stocks", "schwab", "tradier", "yfinance",
)  # fmt: skip
"""Clients of brokers and of data vendors: slow to import, and often not there. A plugin imports its own late."""

_NUMBER = re.compile(r"test_([a-z]{2})_(\d{2})_")


def number_of(name: str) -> str | None:
    """From "test_st_03_is_deterministic" to "ST-03"."""
    found = _NUMBER.match(name)
    return f"{found[1].upper()}-{found[2]}" if found else None


class Made(NamedTuple):
    """A plugin's object, its env and its world."""

    provided: Provided
    door: Door
    world: World

    @property
    def object(self) -> Any:
        return self.provided.object

    def moment(self, text: str) -> None:
        """Begin a cycle, as the session does: `env.rng` is seeded anew, also for a moment that was before."""
        self.world.moment = "between cycles"
        self.door.rng.random()
        self.world.moment = text

    def needs(self, protocol: str) -> None:
        """Skip the case where the object does not offer an optional protocol."""
        if protocol not in self.provided.has:
            pytest.skip(f"not asked: it has no trader.protocols.{protocol}")


class Conformance:
    """Base of the suites. A subclass names its `plugin`; all else has a default."""

    kind: ClassVar[str]
    """A key of `trader.plugins.KINDS`; the suite of a kind sets it."""
    plugin: ClassVar[str | ModuleType | Callable[..., Any]]
    """The entry point's name; or, of a plugin that is not installed, its module or its provide_<kind> function."""
    options: ClassVar[Mapping[str, Any]] = {}
    """What would stand in its settings table."""
    secrets: ClassVar[Mapping[str, str]] = {}
    """Values of the secrets that its manifest lists; those not given are "not-a-secret"."""
    skip: ClassVar[Mapping[str, str]] = {}
    """Number of a case -> why it does not hold for this plugin, in writing."""
    now: ClassVar[datetime] = START
    """Where the clock stands."""
    folder: ClassVar[str] = ""
    """Of a settings file: paths in the options are read from there. Empty: from a new folder, see `prepare`."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        numbers = {number_of(name) for name in dir(cls)}
        for number, reason in cls.skip.items():
            if number not in numbers:
                raise UsageError(f"There is no case {number!r} to skip.", where=f"{cls.__name__}.skip")
            if not reason.strip():
                raise UsageError(f"Skipping {number} needs a written reason.", where=f"{cls.__name__}.skip")

    def prepare(self, root: Path) -> None:
        """Called before the plugin is made, with the folder of its settings file: write there what it needs."""

    # ---- the plugin ------------------------------------------------------------------------------------------------
    @pytest.fixture(autouse=True)
    def _written_reasons(self, request: pytest.FixtureRequest) -> None:
        """Skip the cases that the suite's user gave a reason for."""
        number = number_of(request.function.__name__) or ""
        if number not in self.skip:
            return
        if number == "PL-02" and self.installed() and self._is_package():
            pytest.fail("PL-02 cannot be skipped for a package: it can carry plugin.toml. Only a single file cannot.")
        pytest.skip(f"{number}: {self.skip[number]}")

    @pytest.fixture(autouse=True)
    def _a_world(self, tmp_path: Path) -> None:
        """A settings folder and a virtual clock of this case's own."""
        self.root = tmp_path
        self.prepare(tmp_path)

    @classmethod
    def installed(cls) -> bool:
        """Whether the plugin was given by its name."""
        return isinstance(cls.plugin, str)

    @classmethod
    @cache
    def found(cls) -> Plugin:
        """The plugin as the catalogue knows it, or as it would if the module were installed."""
        if isinstance(cls.plugin, str):
            return catalogue().get(cls.kind, cls.plugin)
        module = cls.plugin if isinstance(cls.plugin, ModuleType) else sys.modules[cls.plugin.__module__]
        name = module.__name__.rpartition(".")[2]
        return Plugin(cls.kind, name, module.__name__, "not installed", "0")

    @classmethod
    def _is_package(cls) -> bool:
        place = manifest.locate(cls.found().module)
        return place is not None and bool(place.folders)

    def loaded(self) -> Loaded:
        """The plugin's module, its form checked."""
        return load(self.found())

    def world(self, seed: int = 0) -> World:
        """A world on this case's folder; a second one finds there what the first one left."""
        listed = dict.fromkeys(self.found().permissions.secrets, "not-a-secret")
        world = fake_world(self.root, secrets={**listed, **self.secrets}, seed=seed, now=self.now)
        return replace(world, root=Path(self.folder)) if self.folder else world

    def door(self, world: World) -> Door:
        """The env of the instance, with the secrets that the manifest lists."""
        plugin = self.found()
        allowed = plugin.permissions.secrets if self.installed() else tuple(self.secrets)
        return world.door(plugin.name, distribution=plugin.distribution, secrets=allowed)

    def provided(self, world: World) -> Made:
        """One instance, made as a session makes it."""
        plugin, door = self.found(), self.door(world)
        return Made(provide(plugin, self.options, door, instance=plugin.name), door, world)

    def made(self) -> Made:
        """One instance in a new world. What PL-03 to PL-05 report is not reported again."""
        try:
            return self.provided(self.world())
        except TraderError as error:
            pytest.skip(f"not asked: it cannot be made, see PL-03 to PL-05 ({error.what})")

    # ---- what every plugin must do ---------------------------------------------------------------------------------
    def test_pl_01_is_installed(self) -> None:
        """Its entry point is found by name, brought by one distribution, and nothing is known against it."""
        if not self.installed():
            pytest.skip("not asked: it was given as a module, so it is not installed")
        plugin = self.found()
        assert plugin.problem is None, f"{plugin.label}: {plugin.problem}"

    def test_pl_02_has_a_manifest(self) -> None:
        """plugin.toml lies beside the package and has its table. Only a plugin of one file may go without, and only
        with a written reason."""
        if not self.installed():
            pytest.skip("not asked: it was given as a module, so nobody reads its manifest")
        plugin = self.found()
        kind = "package" if self._is_package() else "file"
        assert plugin.manifest, (
            f"Expected {manifest.FILE} beside the {kind} {plugin.module.partition('.')[0]} with a table "
            f"[{plugin.kind}.{plugin.name}], was none. Without it there is no live mode."
        )
        assert plugin.summary.strip(), f"Expected a summary in [{plugin.kind}.{plugin.name}], was none."

    def test_pl_03_loads(self) -> None:
        """Its module imports, has one hook of its kind and a Settings that forbids unknown keys."""
        try:
            self.loaded()
        except PluginError as error:
            pytest.fail(str(error))

    def test_pl_04_refuses_unknown_options(self) -> None:
        """A misspelt option is an error, and the suite's own options are none."""
        loaded = self._or_skip(self.loaded)
        try:
            options_of(loaded, self.options, instance=loaded.plugin.name)
        except SettingsError as error:
            pytest.fail(f"The suite's options are refused: {error}")
        with pytest.raises(SettingsError, match="no_such_option"):
            options_of(loaded, {**self.options, "no_such_option": 1}, instance=loaded.plugin.name)

    def test_pl_05_is_made_without_network(self) -> None:
        """The real road makes an object of the right form, and provide_<kind> talks to nobody: `open()` does."""
        self._or_skip(self.loaded)
        try:
            with no_network():
                self.provided(self.world())
        except TraderError as error:
            pytest.fail(str(error))
        except NetworkUsed as used:
            pytest.fail(f"{KINDS[self.kind].hook} used the network: {used}")

    def test_pl_06_imports_no_client_library(self) -> None:
        """Importing it (in a process of its own) imports no client of a broker or a data vendor."""
        loaded = self._or_skip(self.loaded)
        file = getattr(loaded.module, "__file__", None)
        if not self.installed() and not (file and Path(file).exists()):
            pytest.skip("not asked: its module has no file")
        code = "import sys, importlib, importlib.util as u\nname, file = sys.argv[1:]\n"
        if self.installed():
            code += "importlib.import_module(name)\n"
        else:
            code += "s = u.spec_from_file_location('plugin_alone', file)\ns.loader.exec_module(u.module_from_spec(s))\n"
        code += "print(*sys.modules)"
        done = subprocess.run(  # noqa: S603 - this Python, with a program written above
            [sys.executable, "-c", code, loaded.plugin.module, str(file)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        assert done.returncode == 0, f"It does not import alone:\n{done.stderr}"
        early = sorted(set(done.stdout.split()) & set(SDKS))
        assert not early, f"Expected {', '.join(early)} imported where it is first used, was at import of the plugin."

    def _or_skip(self, load: Callable[[], Loaded]) -> Loaded:
        """What another case reports is not reported twice."""
        try:
            return load()
        except PluginError:
            pytest.skip("not asked: it does not load, see PL-03")
