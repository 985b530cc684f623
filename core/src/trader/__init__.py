"""trader: runs trading strategies against real brokers, unattended."""

__version__ = "0.1.0"
