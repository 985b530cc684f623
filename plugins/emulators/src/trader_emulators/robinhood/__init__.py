"""Robinhood on this machine: the addresses that robin_stocks 3.4 uses, with device approval, paging and throttling.

The real names of the hosts stay in all links; whoever mounts an adapter on the client's session brings them here.
`Setup.mode` says what a new login meets: "prompt" (the default: a prompt in the app, approved after a moment), "held"
(approved by `approve`), "sms" (a code), "mfa" (a code of an authenticator), "trusted" (nothing). The market is open all
day, every day. Stocks only.
"""

from __future__ import annotations

from trader.testing.emulation import Setup

from trader_emulators.robinhood.emulator import RobinhoodEmulator

__all__ = ["RobinhoodEmulator", "emulate"]


def emulate(setup: Setup) -> RobinhoodEmulator:
    """A running venue; OSError if its port is taken."""
    emulator = RobinhoodEmulator(setup)
    emulator.start()
    return emulator
