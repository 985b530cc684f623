"""The shell: start, run, stop. The only room that knows asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trader.session.session import Session as Session

__all__ = ["Session"]


def __getattr__(name: str) -> Any:
    if name == "Session":
        from trader.session.session import Session

        return Session
    raise AttributeError(name)
