"""What a benchmark is told and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Conditions:
    """`quick`: a small size, to see that it runs; its figures judge nothing. `peers`: the folder that `scripts/bench
    peers` filled, if there is one. `folder`: where files may be written, on the disk that is measured."""

    quick: bool
    peers: Path | None
    folder: Path

    def peer(self, environment: str, program: str) -> Path | None:
        """A program of a peer's environment, if it is installed."""
        for name in (f"bin/{program}", f"Scripts/{program}.exe"):
            if self.peers is not None and (path := self.peers / environment / name).is_file():
                return path
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """A limit: of the figure itself, or of its ratio to what it is compared to."""

    limit: float
    of: str = "value"
    """value | ratio"""
    least: bool = False
    """True: at least so much, False: less than it."""

    def met(self, value: float, ratio: float | None) -> bool | None:
        """None: there is nothing to judge."""
        figure = value if self.of == "value" else ratio
        if figure is None:
            return None
        return figure >= self.limit if self.least else figure < self.limit

    def text(self, unit: str) -> str:
        sign = ">=" if self.least else "<"
        return f"{sign} {self.limit:g}x" if self.of == "ratio" else f"{sign} {number(self.limit)} {unit}"


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. `reference`: the same figure of `against`, measured in the same run, in the same unit."""

    bench: str
    what: str
    value: float
    unit: str
    against: str = ""
    reference: float | None = None
    target: Target | None = None
    judged: bool = True
    """False: the size was too small to judge."""

    @property
    def ratio(self) -> float | None:
        return self.value / self.reference if self.reference else None

    @property
    def status(self) -> str:
        """ok | missed; "-" without a target, at a quick size, or where the peer is not installed."""
        met = self.target.met(self.value, self.ratio) if self.target and self.judged else None
        return "-" if met is None else "ok" if met else "missed"

    def cells(self) -> tuple[str, ...]:
        """(benchmark, what, measured, compared to, ratio, target, status) as a person reads them."""
        ratio, reference = self.ratio, self.reference
        beside = f"{self.against}: {number(reference)} {self.unit}" if reference is not None else self.against
        return (
            self.bench, self.what, f"{number(self.value)} {self.unit}", beside,
            "" if ratio is None else f"{ratio:.{2 if ratio < 100 else 0}f}x",
            self.target.text(self.unit) if self.target else "", self.status,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        target = self.target
        return {
            "benchmark": self.bench, "what": self.what, "value": self.value, "unit": self.unit,
            "against": self.against, "reference": self.reference, "ratio": self.ratio,
            "target": target and {"of": target.of, "limit": target.limit, "least": target.least},
            "status": self.status,
        }  # fmt: skip


def number(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 123, 12,345."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    size = 0
    while abs(value) * 10**size < 1:
        size += 1
    return f"{value:.{size + 2 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f}"
