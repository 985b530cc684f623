"""Alpaca on this machine: trading, market data and streams on one port, for the unmodified alpaca-py."""

from __future__ import annotations

from trader.testing.emulation import Setup

from trader_emulators.alpaca.venue import AlpacaEmulator

__all__ = ["AlpacaEmulator", "emulate"]


def emulate(setup: Setup) -> AlpacaEmulator:
    """Start it; close() ends it. OSError if its port is taken."""
    emulator = AlpacaEmulator(setup)
    emulator.start()
    return emulator
