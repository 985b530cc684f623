"""Everything that a connection sees of the terminal."""

from __future__ import annotations

from trader_emulators.mt5.charts import Charts
from trader_emulators.mt5.session import Session
from trader_emulators.mt5.trades import Trades


class Terminal(Session, Charts, Trades):
    """What is public here is what `import MetaTrader5` has."""
