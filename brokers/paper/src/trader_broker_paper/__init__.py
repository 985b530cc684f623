"""The embedded paper broker: trades on the session's bars, keeps its book in a file of its own."""

from __future__ import annotations

from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_broker_paper.broker import PaperBroker
from trader_broker_paper.settings import Settings

__all__ = ["PaperBroker", "Settings", "provide_broker"]


@hookimpl
def provide_broker(settings: Settings, env: Env) -> PaperBroker:
    """One paper account; its book is `book.db` in the instance's own folder."""
    return PaperBroker(settings, env.name, env.folder / "book.db")
