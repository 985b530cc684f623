"""How an emulated venue begins."""

from trader.testing.emulation import Setup

__all__ = ["Setup"]
