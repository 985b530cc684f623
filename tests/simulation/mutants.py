"""Bugs to plant in the program: each is one that trading systems have had, and each must be found.

    with planted("send_first"):
        history = run(seed)

A plant changes the program's own functions while it stands; nothing else knows of it. `bugs.registry` has the means,
the bugs are beside it, by what they spoil.
"""

from .bugs import answers, booking, doubt, keyboard, sending  # noqa: F401 - each enters its bugs
from .bugs.registry import MUTANTS, Mutant, planted

__all__ = ["MUTANTS", "Mutant", "planted"]
