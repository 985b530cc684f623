"""The command line of scripts/day."""
