"""Writes the reference pages of docs/ from the code, and says which of them are stale.

`tests/test_docs.py` imports this package; `scripts/docs` runs it in the clone's environment.
"""
