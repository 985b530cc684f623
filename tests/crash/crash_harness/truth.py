"""What a venue server is started with, and what it knows."""

from __future__ import annotations

from decimal import Decimal

from trader.model import Fill, OrderReport, Struct


class Plan(Struct, frozen=True):
    """What a server is started with."""

    seed: int
    port_file: str


class Truth(Struct, frozen=True):
    """What the venue knows. `accepted`: (key, the venue's id) of every order there ever was; `requests`: the key of
    every submit that arrived; `working`: what could still fill."""

    accepted: list[tuple[str, str]]
    requests: list[str]
    fills: list[Fill]
    positions: dict[str, Decimal]
    cash: Decimal
    working: list[OrderReport]
