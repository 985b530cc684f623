"""What scripts/crash runs; the crashes themselves are in tests/crash."""
