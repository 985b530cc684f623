"""What is known of a venue's ways, and what the settings want done about them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class VenuePolicy:
    """What a broker's manifest and the settings say of a venue. `horizon_seconds`: how late an order may still turn up
    and be seen; `late_arrival_bounded`: after it nothing can arrive; `watch_seconds`: how long an absent order is
    looked out for."""

    horizon_seconds: float = 600.0
    late_arrival_bounded: bool = False
    watch_seconds: float = 86_400.0
    id_policy: str = "forever"
    external: Literal["adopt", "ignore", "halt"] = "adopt"
    cash_tolerance: Decimal = Decimal("0.01")

    @property
    def doubt_seconds(self) -> float:
        """How long an absent order counts in exposure where nothing bounds its arrival."""
        return 0.0 if self.late_arrival_bounded else 2 * self.horizon_seconds + 60
