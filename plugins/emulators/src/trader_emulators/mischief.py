"""What goes wrong at an emulated venue: as a file says, or drawn by a seed."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import numpy as np
from trader.errors import SettingsError
from trader.simulation import Faults

DEFAULTS = {field.name: getattr(Faults(), field.name) for field in fields(Faults)}
"""Every key that a file of faults may have."""
HIGHEST = {"submit": 0.03, "cancel": 0.03, "query": 0.02, "stream": 0.02}
"""The highest chance that a draw gives to a fault of such a call: a bad venue, not a dead one."""
UNDRAWN = ("cancel_slow",)
"""Came later: a seed goes on meaning the day that it meant. A file of faults may have it."""
RARE = {"stream_cut": 0.002, "stream_muted": 0.002}
LONGEST_LAG = 2.0
SECONDS = {"late_seconds": 5.0, "stream_seconds": 10.0, "retry_after": 2.0}
"""How late, how long, how soon again at most."""


def read(path: Path) -> Faults:
    """The faults that a TOML file lists: its keys are the fields of `trader.simulation.Faults`. SettingsError."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"It cannot be read: {error.strerror or error}.", where=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"It is not valid TOML: {error}.", where=str(path)) from error
    for key, value in document.items():
        if key not in DEFAULTS:
            from trader.settings.faults import unknown

            raise unknown(str(path), f"There is no fault '{key}'.", key, DEFAULTS)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SettingsError(f"{key}: expected a number, was {value!r}.", where=str(path))
    try:
        return Faults(**{key: float(value) for key, value in document.items()})
    except SettingsError as error:
        raise SettingsError(f"{error.what}.", where=str(path)) from error


def draw(seed: int) -> Faults:
    """A bad day at a venue, by a seed: each fault has an even chance to be among those that happen at all."""
    rng = np.random.default_rng([seed, 1_009])
    drawn: dict[str, float] = {}
    for name in DEFAULTS:
        if name in UNDRAWN:
            continue
        happens, share = rng.random() < 0.5, float(rng.random())
        if name in SECONDS:
            drawn[name] = round(0.1 + share * SECONDS[name], 2)
        elif happens:
            drawn[name] = round(share * _highest(name), 4)
    return Faults(**drawn)


def _highest(name: str) -> float:
    return LONGEST_LAG if name.endswith("_lag") else RARE.get(name) or HIGHEST[name.partition("_")[0]]


def words(faults: Faults | None) -> str:
    """What may go wrong, for a person: "submit_late 0.02, fill_lag 1.5"."""
    wrong = {name: getattr(faults, name) for name in DEFAULTS if name not in SECONDS} if faults is not None else {}
    return ", ".join(f"{name} {value:g}" for name, value in wrong.items() if value) or "none"
