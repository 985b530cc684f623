"""Planned trades to orders: `market` and `limit`, a module each."""
