"""The command line of the simulation; what it runs is in tests/simulation."""
