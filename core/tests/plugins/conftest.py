"""Small real distributions on disk: what pip would leave after unpacking a wheel."""

from __future__ import annotations

import base64
import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from trader.plugins import Plugin, Provided, catalogue, provide

STRATEGY = """
from pydantic import BaseModel
from trader.hookspecs import hookimpl

class Settings(BaseModel, extra="forbid"):
    fast: int = 5

class Rising:
    lookback = 20
    def __init__(self, settings):
        self.fast = settings.fast
    def score(self, history):
        return history

@hookimpl
def provide_strategy(settings, env):
    return Rising(settings)
"""

MANIFEST = '[strategy.rising]\napi = 1\nsummary = "Buys what rises"\n'


def unpack(
    site: Path,
    name: str = "my-rising",
    *,
    version: str = "0.3.2",
    points: Mapping[str, Mapping[str, str]] | None = None,
    files: Mapping[str, str] | None = None,
    requires: tuple[str, ...] = (),
    editable: bool = False,
) -> Path:
    """Unpack a distribution into `site`; answers with its dist-info folder. `points`: group -> name -> module."""
    files = {"my_rising/__init__.py": STRATEGY, "my_rising/plugin.toml": MANIFEST} if files is None else files
    points = {"trader.strategies": {"rising": "my_rising"}} if points is None else points
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    texts = dict(files)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A test\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in requires) + "\nName: not this one\n"
    texts[f"{info.name}/METADATA"] = metadata
    texts[f"{info.name}/entry_points.txt"] = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in names.items())
        for group, names in points.items()
    )
    record = []
    for path, text in texts.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        if not editable or path.startswith(info.name):
            record.append(f"{path},sha256={digest},{len(text.encode())}")
    record.append(f"{info.name}/RECORD,,")
    (info / "RECORD").write_text("\n".join(record) + "\n", encoding="utf-8")
    return info


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions, first on sys.path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if str(folder) in file:
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Callable[..., Path]:
    def run(name: str = "my-rising", **rest: Any) -> Path:
        info = unpack(rest.pop("site", site), name, **rest)
        importlib.invalidate_caches()
        return info

    return run


@pytest.fixture
def installed(install: Callable[..., Path]) -> Callable[..., Plugin]:
    """Install one strategy module `my_rising` made of the given source, without a manifest, and find it."""

    def run(source: str = STRATEGY, *, kind: str = "strategy", plural: str = "strategies", **rest: Any) -> Plugin:
        files = {"my_rising.py": source}
        install(files=files, points={f"trader.{plural}": {"rising": "my_rising"}}, **rest)
        return catalogue().get(kind, "rising")

    return run


@pytest.fixture
def made(installed: Callable[..., Plugin]) -> Callable[..., Provided]:
    """Install it as `installed` does, load it and let it make its object."""

    def run(source: str = STRATEGY, options: Mapping[str, Any] | None = None, **rest: Any) -> Provided:
        plugin = installed(source, **rest)
        return provide(plugin, options or {}, object(), instance="rising", origin="settings.toml:7")  # type: ignore[arg-type]

    return run


@pytest.fixture
def strategy() -> str:
    return STRATEGY


@pytest.fixture
def manifest_text() -> str:
    return MANIFEST
