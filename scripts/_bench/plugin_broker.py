"""The venue that answers at once as a plugin; its account is the one that a file describes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.protocols import Env

from _bench.exchange import Exchange


class Settings(BaseModel):
    """What may stand in [brokers.bench]. `account`: a file of `Exchange.keep`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str


@hookimpl
def provide_broker(settings: Settings, env: Env) -> Exchange:
    """The account as it was kept."""
    return Exchange.taken_up(env.file(settings.account).read_bytes())
