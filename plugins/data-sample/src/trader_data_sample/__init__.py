"""Real daily bars to try trader on: AAPL GOOG IBM MSFT FB, March 2000 to March 2013.

The prices are adjusted for the splits between the first and the last bar, and for nothing else.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field, model_validator
from trader.hookspecs import hookimpl
from trader.protocols import Env

from trader_data_sample.source import SampleSource

__all__ = ["SampleSource", "Settings", "provide_data_source"]


class Settings(BaseModel):
    """What may stand in `[data_sources.sample]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: date | None = Field(None, description="First trading day to play; without it 2000-03-01.")
    end: date | None = Field(None, description="Last trading day to play; without it 2013-03-01.")

    @model_validator(mode="after")
    def _in_order(self) -> Settings:
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"start ({self.start}) lies after end ({self.end}); put the earlier day in start")
        return self


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> SampleSource:  # noqa: ARG001 - the hook's signature
    """The sample bars, cut to the days that the settings name."""
    return SampleSource(settings.start, settings.end)
