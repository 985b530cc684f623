"""A fault of the settings, and how several of them are told at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trader.errors import SettingsError

Key = tuple[str | int, ...]
"""The way to a setting: ("application", "models", "pipeline", 0, "name")."""


class ManySettingsError(SettingsError):
    """More than one fault; `faults` has each of them."""

    def __init__(self, faults: Sequence[SettingsError]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n\n".join(str(fault) for fault in faults))


def raise_all(faults: Sequence[SettingsError]) -> None:
    """Raises what was found: nothing, the one fault, or all of them as one error."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise ManySettingsError(faults)


def dotted(key: Key) -> str:
    """("a", "b", 0, "c") as people write it: a.b[0].c"""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + part
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    import difflib  # for faults only: `trader plugins list` does without it

    close = difflib.get_close_matches(name.strip().lower().replace("-", "_"), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def unknown(where: str, what: str, name: str, known: Iterable[str]) -> SettingsError:
    """`what` reads like "There is no setting 'x' in [y]."; then the nearest name and all that are allowed."""
    names = sorted(known)
    meant = nearest(name, names)
    if meant:
        what += f" Did you mean '{meant}'?"
    return SettingsError(what, where=where, todo=f"Allowed here: {', '.join(names)}." if names else None)
