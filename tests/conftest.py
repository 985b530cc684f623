"""A folder to trade in: settings, small plugins of its own, and the program `trader` run as a person runs it."""

import io
import json
import os
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from trader.cli import main

PROGRAM = [sys.executable, "-c", "from trader.cli import main; main()"]

SETTINGS = """
[trading]
mode = "paper"

[application]
broker = "paper"
data = "tape"
allocator = "equal"
execution = "market"

[application.coverage]
symbols = ["AAA", "BBB"]

[application.models]
pipeline = [{ name = "buy_and_hold" }]

[brokers.paper]

[data_sources.tape]
"""

TAPE = '''
"""Bars that wander, the same for the same seed; `fault` spoils one of them."""

import numpy as np
from pydantic import BaseModel
from trader.hookspecs import hookimpl
from trader.model import Bars


class Settings(BaseModel, extra="forbid"):
    rows: int = 40
    seed: int = 1
    fault: str = ""


class Tape:
    def __init__(self, settings):
        self.settings = settings

    def open(self):
        return None

    def close(self):
        pass

    def symbols(self):
        return ("AAA", "BBB")

    def bars(self, symbols, timeframe, start, end):
        rows, rng, fault = self.settings.rows, np.random.default_rng(self.settings.seed), self.settings.fault
        if fault == "raises":
            raise ValueError("the disk is on fire")
        known = [symbol for symbol in symbols if symbol in self.symbols()]
        close = np.round(50 * np.exp(np.cumsum(rng.normal(0, 0.02, (rows, 2)), axis=0)), 2)
        close = close[:, [self.symbols().index(symbol) for symbol in known]]
        opened = np.vstack([close[:1], close[:-1]])
        high, low = np.maximum(opened, close), np.minimum(opened, close)
        volume = np.full(close.shape, 50_000.0)
        starts = np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "D")
        ends = starts + np.timedelta64(1, "D")
        if fault == "missing":
            for values in (opened, high, low, close, volume):
                values[20, 0] = np.nan
        elif fault == "duplicate":
            ends[20] = ends[19]
        elif fault == "order":
            ends[[20, 21]] = ends[[21, 20]]
        elif fault in ("zero", "negative", "nan", "infinite"):
            opened[20, 0] = {"zero": 0.0, "negative": -1.0, "nan": np.nan, "infinite": np.inf}[fault]
        elif fault == "shape":
            volume = volume[:-1]
        elif fault == "empty":
            starts, ends = starts[:0], ends[:0]
            opened, high, low, close, volume = (values[:0] for values in (opened, high, low, close, volume))
        missing = tuple(symbol for symbol in symbols if symbol not in self.symbols())
        return Bars(tuple(known), timeframe, starts, ends, opened, high, low, close, volume, missing)


@hookimpl
def provide_data_source(settings, env):
    return Tape(settings)
'''
TAPE_MANIFEST = '[data_source.tape]\napi = 1\nsummary = "A tape"\n[data_source.tape.capabilities]\nrecorded = true\n'


class Place:
    """A folder with settings.toml, and a folder of installed plugins beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder / "here", folder / "site"
        self.folder.mkdir()
        self.site.mkdir()
        self.settings_file = self.folder / "settings.toml"
        self.install("data_sources", "tape", TAPE, TAPE_MANIFEST)

    def settings(self, text=SETTINGS):
        """Write settings.toml."""
        if isinstance(text, bytes):
            self.settings_file.write_bytes(text)
        else:
            self.settings_file.write_text(text, encoding="utf-8", newline="\n")
        return self.settings_file

    def install(self, plural, name, source, manifest=None, *, distribution=None, module=None):
        """What pip would leave of a plugin of one module; without a manifest if none is given."""
        distribution = distribution or f"my-{name.replace('_', '-')}"
        module = module or f"my_{name}"
        package = self.site / module
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text(source, encoding="utf-8")
        if manifest:
            (package / "plugin.toml").write_text(manifest, encoding="utf-8")
        info = self.site / f"{distribution.replace('-', '_')}-0.3.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.3.2\nSummary: A test\n", encoding="utf-8"
        )
        (info / "entry_points.txt").write_text(f"[trader.{plural}]\n{name} = {module}\n", encoding="utf-8")
        (info / "RECORD").write_text(f"{module}/__init__.py,,\n{info.name}/RECORD,,\n", encoding="utf-8")

    def environ(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRADER_", "DYNACONF_"))}
        return kept | {"PYTHONPATH": str(self.site), "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def trader(self, *arguments, **environ):
        """Run the program here, to its end, in this process: the same `main`, without the price of a start."""
        out, err, before = io.StringIO(), io.StringIO(), set(sys.modules)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            patch.syspath_prepend(self.site)
            for name in [name for name in os.environ if name.startswith(("TRADER_", "DYNACONF_"))]:
                patch.delenv(name)
            for name, value in environ.items():
                patch.setenv(name, value)
            try:
                main(list(arguments))
            except SystemExit as end:
                code = end.code
            except BaseException:  # noqa: BLE001 - what a person would see as a traceback
                err.write(traceback.format_exc())
                code = 1
        for name in set(sys.modules) - before:
            if str(self.site) in (getattr(sys.modules[name], "__file__", None) or ""):
                del sys.modules[name]
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def program(self, *arguments, **environ):
        """Run the program here in a process of its own, to its end."""
        return subprocess.run(
            [*PROGRAM, *arguments], cwd=self.folder, env=self.environ() | environ, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    def start(self, *arguments):
        """Start the program here and go on."""
        return subprocess.Popen(
            [*PROGRAM, *arguments], cwd=self.folder, env=self.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def json(self, *arguments):
        """The answer of a command that must succeed."""
        done = self.trader(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        text = done.stdout.strip()
        return json.loads(text.splitlines()[-1] if arguments[0] == "run" else text)

    @property
    def database(self):
        return self.folder / "var" / "trader.db"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def places(tmp_path):
    """places("a"): as many as a test needs."""

    def make(name):
        (tmp_path / name).mkdir()
        return Place(tmp_path / name)

    return make


@pytest.fixture(scope="session")
def base():
    """The settings that the tests begin with."""
    return SETTINGS
