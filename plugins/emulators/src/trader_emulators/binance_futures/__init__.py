"""Binance USD-M futures on this machine: its REST interface, websocket API and streams, on one port."""

from __future__ import annotations

from trader.testing.emulation import Setup

from trader_emulators.binance_futures.futures import Futures


def emulate(setup: Setup) -> Futures:
    """Running; OSError if its port is taken. mode "hedge": the account is set to hedge mode, which takes no orders."""
    emulator = Futures(setup)
    emulator.start()
    return emulator
