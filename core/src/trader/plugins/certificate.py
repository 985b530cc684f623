"""A certificate: which cases of its conformance suite a plugin passed, as it was installed then.

`trader plugins certify NAME` writes it beside the settings, as certificates/KIND.NAME.json. It holds for the very
files and client libraries that it names, and for that Python but for its last number. What was asked at a paper
account, where most cases cannot be, is kept as certificates/KIND.NAME.paper.json, which live mode does not read.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from trader.errors import SettingsError
from trader.plugins.catalogue import Plugin
from trader.plugins.lock import digest, write_whole

FOLDER = "certificates"
PAPER = "paper"
"""The venue of a certificate that was asked at somebody's paper account."""
KIT = ("trader-core", "trader-emulators")
"""They asked; that they changed since then does not change what was asked."""
Outcome: TypeAlias = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `why`: of a skip, the capability; of a failure, its first words."""

    number: str
    title: str
    outcome: Outcome
    why: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was asked, of what, when, and how it went."""

    kind: str
    name: str
    distribution: str
    version: str
    api: int | None
    sha256: str
    """Over the plugin's files, as in plugins.lock."""
    venue: str
    """What it was asked at: the emulator's name, "simulated", or a paper account, `PAPER`."""
    date: datetime
    versions: dict[str, str]
    """Of Python, trader-core, the emulators and the client libraries."""
    cases: list[Case] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        return sum(case.outcome == outcome for case in self.cases)

    @property
    def passed(self) -> bool:
        """Something was asked, and nothing failed."""
        return self.count("passed") > 0 and not self.count("failed")


def path_of(folder: Path, kind: str, name: str, venue: str = "") -> Path:
    """Where the certificate of a plugin lies; `folder` is that of the settings."""
    return folder / FOLDER / f"{kind}.{name}{'.paper' if venue == PAPER else ''}.json"


def write(folder: Path, certificate: Certificate) -> Path:
    """Write it, whole or not at all. SettingsError where it cannot be."""
    path = path_of(folder, certificate.kind, certificate.name, certificate.venue)
    text = json.dumps({**asdict(certificate), "date": certificate.date.isoformat()}, indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise SettingsError(
            f"The certificate cannot be written: {error.strerror}.",
            where=f"{FOLDER}/{path.name}",
            todo=f"It lies in {folder}.",
        ) from error
    return path


def read(folder: Path, kind: str, name: str) -> Certificate | None:
    """None if there is none. SettingsError if it is damaged: what cannot be read certifies nothing."""
    path = path_of(folder, kind, name)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        cases = [Case(**case) for case in found.pop("cases")]
        texts = [*found["versions"].values(), found["distribution"], found["version"], found["sha256"]]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a version that is no text")
        return Certificate(**{**found, "date": datetime.fromisoformat(found["date"])}, cases=cases)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"The certificate cannot be read: {error}.",
            where=f"{FOLDER}/{path.name}",
            todo=f"Write it anew: trader plugins certify {kind}.{name}",
        ) from error


def problem(plugin: Plugin, certificate: Certificate | None) -> str | None:
    """Why a plugin, as it is installed now, is not certified; None: it is."""
    if certificate is None:
        return "it has no certificate"
    if not certificate.passed:
        return f"cases failed on {certificate.date:%Y-%m-%d}: {certificate.count('failed')}"
    if (certificate.distribution, certificate.version) != (plugin.distribution, plugin.version):
        return f"its certificate is of {certificate.distribution} {certificate.version}"
    if certificate.sha256 != digest(plugin):
        return "its files changed since it was certified"
    other = [f"{name} {was}" for name, was in certificate.versions.items() if name not in KIT and not _same(name, was)]
    return f"it was certified with {', '.join(other)}, which is not what is installed" if other else None


def _same(name: str, version: str) -> bool:
    """Whether this is what runs here now."""
    if name == "python":
        return version.split(".")[:2] == platform.python_version().split(".")[:2]
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False
