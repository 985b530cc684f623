"""Client order ids: deterministic, unique for the life of the journal's epoch, legal at every venue we know.

    id = "t" + hex(blake2b(nonce | account | book | cycle_id | symbol | leg | generation))[:25]   [a-z0-9], 26 long

That is 100 bits: a collision is not to be expected in 10^14 orders.
The nonce is drawn when an epoch of the journal opens, so that a cold start never repeats an id.
"""

from __future__ import annotations

import hashlib


class IdMint:
    """Makes the ids of one book."""

    def __init__(self, nonce: bytes, account: str, book: str) -> None:
        self._root = hashlib.blake2b(b"\x1f".join((nonce, account.encode(), book.encode(), b"")), digest_size=20)

    def cycle(self, cycle_id: str) -> CycleIds:
        """The ids of one cycle (a cycle's id is market time)."""
        base = self._root.copy()
        base.update(cycle_id.encode() + b"\x1f")
        return CycleIds(base)


class CycleIds:
    """The ids of one cycle of one book."""

    def __init__(self, base: hashlib.blake2b) -> None:
        self._base = base

    def __call__(self, symbol: str, leg: int = 0, generation: int = 0) -> str:
        """The id of one intent; the same arguments give the same id."""
        digest = self._base.copy()
        digest.update(b"%b\x1f%d\x1f%d" % (symbol.encode(), leg, generation))
        return "t" + digest.hexdigest()[:25]
