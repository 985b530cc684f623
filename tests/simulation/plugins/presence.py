"""The plugins of a simulated session, as the core loads them: a module each. `PRESENT` is the life that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.process import Process

PRESENT: list[Process] = []


def present() -> Process:
    """Whose plugins are being made."""
    return PRESENT[-1]
