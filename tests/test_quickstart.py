"""From wheels to a plugin of one's own, in an empty virtual environment outside the clone.

The dependencies are those of the environment that runs this test: linked, not fetched.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MEMBERS = [*sorted(path.parent for path in ROOT.glob("*/*/pyproject.toml")), ROOT / "core"]
RSI_DIP = '''
from pydantic import BaseModel
from trader.hookspecs import hookimpl
from trader.model import Weights


class Settings(BaseModel, extra="forbid"):
    share: float = 0.25


class RsiDip:
    """A quarter of the book in each symbol."""

    lookback = 1

    def __init__(self, settings):
        self.share = settings.share

    def score(self, history):
        return Weights([min(self.share, 1 / len(history.symbols))] * len(history.symbols))


@hookimpl
def provide_strategy(settings, env):
    return RsiDip(settings)
'''
PYPROJECT = """
[project]
name = "rsi-dip"
version = "0.3.2"
description = "Buys the dip"
dependencies = ["trader-core"]

[project.entry-points."trader.strategies"]
rsi_dip = "rsi_dip"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
include = ["rsi_dip.py"]
"""
UV = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
pytestmark = pytest.mark.skipif(not Path(UV).exists(), reason="uv, which makes the environment, is not installed")


def run(*command, cwd, **environ):
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRADER_", "PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | environ,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Fresh:
    """An empty environment with the wheels of all members, and a folder to trade in."""

    def __init__(self, folder: Path) -> None:
        self.here, self.venv = folder / "here", folder / "venv"
        self.here.mkdir()
        wheels = folder / "wheels"
        options = ["--wheel", "--no-build-isolation", "--offline", "--python", sys.executable, "--out-dir", wheels]
        run(UV, "build", "--quiet", "--all-packages", *options, cwd=ROOT)
        assert len(list(wheels.glob("*.whl"))) == len(MEMBERS)
        run(UV, "venv", "--quiet", "--offline", "--python", sys.executable, self.venv, cwd=folder)
        self.bin = self.venv / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / ("python.exe" if os.name == "nt" else "python")
        self._link(folder / "dependencies")
        self.install(*sorted(wheels.glob("*.whl")))

    def _link(self, folder: Path) -> None:
        """What this test's environment has, without the members of the workspace."""
        folder.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            ours = entry.name.lower().startswith(("trader", "_trader", "__editable__")) or entry.suffix == ".pth"
            if not ours and entry.name != "__pycache__" and "trader" not in entry.name:
                (folder / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
        site = run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
        Path(site, "dependencies.pth").write_text(f"{folder}\n", encoding="utf-8")

    def install(self, *what) -> None:
        options = ["--quiet", "--offline", "--no-deps", "--no-build-isolation", "--python", self.python]
        run(UV, "pip", "install", *options, *what, cwd=self.here)

    def trader(self, *arguments):
        return run(self.bin / "trader", *arguments, cwd=self.here)

    def json(self, *arguments):
        return json.loads(self.trader(*arguments, "--json"))

    def play(self, *arguments):
        """`trader run --json`: one object, the last line."""
        return json.loads(self.trader("run", *arguments, "--json").splitlines()[-1])


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return Fresh(tmp_path_factory.mktemp("fresh"))


def test_it_runs_from_wheels_and_nothing_comes_from_the_clone(fresh):
    told = fresh.trader("init")
    assert "settings.toml" in told
    assert "equity" in fresh.trader("run", "--once")
    code = "import trader, trader_broker_paper as b; print(trader.__file__); print(b.__file__)"
    for line in run(fresh.python, "-c", code, cwd=fresh.here).split():
        assert Path(line).is_relative_to(fresh.venv)


def test_programs_get_what_was_promised(fresh):
    listed = fresh.json("plugins", "list")
    keys = {"name", "kind", "distribution", "version", "api", "enabled", "status", "summary"}
    assert all(keys <= set(one) for one in listed)
    assert {one["status"] for one in listed} <= {"enabled", "disabled", "broken", "incompatible"}
    assert {one["distribution"] for one in listed} >= {
        "trader-broker-paper",
        "trader-data-sample",
        "trader-risk-limits",
    }
    played = fresh.play("--cycles", "150", "--fresh")
    assert {"session", "mode", "cycles", "orders", "fills", "refusals", "cash", "equity", "positions"} <= set(played)
    assert played["mode"] == "paper" and played["cycles"] == 150
    for each in ("cash", "equity"):
        assert isinstance(played[each], str) and float(played[each]) > 0
    assert played["positions"]
    for line in played["positions"].values():
        assert set(line) == {"quantity", "price", "value", "weight"}
        assert all(isinstance(line[name], str) for name in ("quantity", "price", "value"))
        assert isinstance(line["weight"], float)
    positions, orders, fills = (fresh.json(name) for name in ("positions", "orders", "fills"))
    assert {one["symbol"]: one["quantity"] for one in positions} == {
        symbol: line["quantity"] for symbol, line in played["positions"].items()
    }
    assert all({"symbol", "side", "quantity", "client_order_id", "state"} <= set(one) for one in orders)
    assert all({"symbol", "side", "quantity", "price", "execution_id", "client_order_id"} <= set(one) for one in fills)
    assert len(orders) == played["orders"] and len(fills) == played["fills"]
    assert {one["client_order_id"] for one in fills} <= {one["client_order_id"] for one in orders}


def test_a_plugin_of_one_file_is_found_enabled_and_used(fresh):
    folder = fresh.here.parent / "rsi-dip"
    folder.mkdir()
    (folder / "rsi_dip.py").write_text(RSI_DIP, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    fresh.install(folder)
    mine = next(one for one in fresh.json("plugins", "list") if one["name"] == "rsi_dip")
    assert (mine["kind"], mine["distribution"], mine["version"]) == ("strategy", "rsi-dip", "0.3.2")
    assert mine["enabled"] is False and mine["status"] == "disabled"
    before = fresh.play("--cycles", "30", "--fresh")
    assert before["positions"] == {}
    fresh.trader("plugins", "disable", "trend_following")
    told = fresh.trader("plugins", "enable", "rsi_dip")
    assert "rsi_dip" in told
    assert next(one for one in fresh.json("plugins", "list") if one["name"] == "rsi_dip")["status"] == "enabled"
    after = fresh.play("--cycles", "30", "--fresh")
    assert set(after["positions"]) >= {"AAPL", "IBM", "MSFT"}
    for line in after["positions"].values():
        assert line["weight"] == pytest.approx(0.25, abs=0.05)
