"""No order appears from nowhere, and none goes missing: what left through the gate against what the journal says.

Every pass of the gate has its row; every row but DENIED and NOT_SENT passed, or may have passed and is unresolved; no
order of ours works at the venue without a row. A mismatch is a fault of the program, and it halts.
"""

from __future__ import annotations

from trader.orders.gate import Gate


class Tally:
    """One book's count of this run: intents committed, and those of them that were journalled as NOT_SENT."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.committed = self.not_sent = 0

    def mismatch(self, under_way: int) -> str | None:
        """Why the numbers cannot be right; None if they close. `under_way`: sends whose outcome is not journalled."""
        gate = self._gate
        left = self.committed - self.not_sent
        if gate.passes > left:
            return f"{gate.passes} orders passed the gate, the journal has {left} that may have been sent"
        if gate.passes + gate.waiting + gate.refusals < self.committed - under_way:
            seen = gate.passes + gate.waiting + gate.refusals
            return f"the journal has {self.committed} intents, the gate has seen {seen}"
        if gate.refusals < self.not_sent:
            return f"the journal has {self.not_sent} orders as not sent, the gate refused {gate.refusals}"
        return None


def ours(key: str) -> bool:
    """Whether a key has the shape of our client ids."""
    return len(key) == 26 and key[0] == "t" and all(digit in "0123456789abcdef" for digit in key[1:])
