"""Binance spot on this machine: its REST interfaces, its websocket API and its market streams, on one port."""

from __future__ import annotations

from trader.testing.emulation import Setup

from trader_emulators.binance.spot import Spot


def emulate(setup: Setup) -> Spot:
    """Running; OSError if its port is taken."""
    emulator = Spot(setup)
    emulator.start()
    return emulator
