"""What has to be remembered: the symbols that the account ever traded (on the disk), whose order each number is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Lock
from typing import NamedTuple

FILE = "symbols.json"
SENT, SEEN = "sent", "seen"


class Owner(NamedTuple):
    """Whose order it is: the key that we gave it, and the name that it is reported by."""

    key: str
    venue_id: str


class Memory:
    """The venue lists trades by symbol only, and without our key. A symbol that is forgotten is a trade that is missed:
    it is on the disk before the order leaves."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = Lock()
        self._symbols: dict[str, set[str]] = {SENT: set(), SEEN: set()}
        self._owners: dict[tuple[str, str], Owner] = {}
        self._keys: set[str] = set()
        self._waiting: set[str] = set()

    def load(self) -> None:
        """What an earlier process wrote. A file that cannot be read is nothing: `symbols` and balances remain."""
        try:
            stored = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return
        with self._lock:
            for name in (SENT, SEEN):
                listed = stored.get(name) if isinstance(stored, dict) else None
                if isinstance(listed, list):
                    self._symbols[name] |= {one for one in listed if isinstance(one, str)}

    @property
    def symbols(self) -> set[str]:
        """Venue's names of all that was ever traded or held here."""
        with self._lock:
            return self._symbols[SENT] | self._symbols[SEEN]

    @property
    def sent(self) -> set[str]:
        """Of those in which we sent an order."""
        with self._lock:
            return set(self._symbols[SENT])

    def touch(self, *symbols: str, sent: bool = False) -> None:
        """Remember these, durably. OSError if the disk does not take it."""
        name = SENT if sent else SEEN
        with self._lock:
            if self._symbols[name].issuperset(symbols):
                return
            known = {**self._symbols, name: self._symbols[name].union(symbols)}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            with fresh.open("w", encoding="utf-8") as file:
                json.dump({key: sorted(values) for key, values in known.items()}, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            self._symbols = known

    # ---- orders ------------------------------------------------------------------------------------------------------
    def sends(self, key: str, *, conditional: bool = False) -> None:
        """An order of ours is about to leave."""
        with self._lock:
            (self._waiting if conditional else self._keys).add(key)

    def is_ours(self, key: str) -> bool:
        """Whether this process sent it, as a plain or a conditional order."""
        with self._lock:
            return key in self._keys or key in self._waiting

    def is_conditional(self, key: str) -> bool:
        """Whether this process sent it as a conditional order."""
        with self._lock:
            return key in self._waiting

    def own(self, symbol: str, number: str, owner: Owner) -> None:
        """The plain order of this number is that one's."""
        with self._lock:
            self._owners[symbol, number] = owner

    def owner(self, symbol: str, number: str) -> Owner | None:
        """Whose order it is; None: nobody asked yet."""
        with self._lock:
            return self._owners.get((symbol, number))
