"""Venues on this machine that speak the real protocols: `trader emulate alpaca`, or `emulate("alpaca", Setup())`."""

from trader.testing.emulation import Setup, emulate, emulators

__all__ = ["Setup", "emulate", "emulators"]
