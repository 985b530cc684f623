"""The decision: history and portfolio in, Decision out. Pure and synchronous: no I/O, no clock."""
