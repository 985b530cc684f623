"""What may stand in `[data_sources.files]`."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from trader_data_files import timeframes


class Columns(BaseModel):
    """Names of columns, as they stand in the files, where they are not found by themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: str | None = Field(None, description="The bar's date or time.")
    symbol: str | None = Field(None, description="The symbol, in files that hold several.")
    open: str | None = Field(None, description="First price of the bar.")
    high: str | None = Field(None, description="Highest price of the bar.")
    low: str | None = Field(None, description="Lowest price of the bar.")
    close: str | None = Field(None, description="Last price of the bar.")
    volume: str | None = Field(None, description="Units traded in the bar.")

    def named(self) -> dict[str, str]:
        """Role to column, of those that are set."""
        return {role: name for role, name in self.model_dump().items() if name is not None}


class Settings(BaseModel):
    """What may stand in `[data_sources.files]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: str = Field(min_length=1, description="Folder with the files, relative to settings.toml.")
    pattern: str = Field("*", min_length=1, description='Which files in it, such as "*_1d.csv" or "**/*.parquet".')
    format: Literal["auto", "csv", "parquet"] = Field(
        "auto", description='"auto" takes files that end in .csv or .parquet; else all that match are read as this.'
    )
    separator: str = Field(",", min_length=1, max_length=1, description="What stands between the values of a CSV line.")
    columns: Columns = Field(default_factory=Columns, description="Names of columns that are not found by themselves.")
    timezone: str | None = Field(
        None, description='Zone of times that do not say theirs, such as "UTC" or "America/New_York".'
    )
    label: Literal["start", "end"] | None = Field(
        None,
        description="Whether the time in the files is a bar's start or its end, where the column's name is silent.",
    )
    timeframe: str | None = Field(
        None, description='Length of the bars, such as "1m" or "1d"; else found from spacing.'
    )
    session: str | None = Field(
        None,
        description='When trading opens and closes in `timezone`, such as "09:30-16:00", for files with dates only.',
    )
    time_format: str | None = Field(
        None, description='How times are written, such as "%d/%m/%Y %H:%M", where they are not ISO 8601 or Unix times.'
    )
    on_bad_rows: Literal["refuse", "drop"] = Field(
        "refuse", description='"refuse" stops at the first bad row; "drop" leaves bad rows out, counts and logs them.'
    )

    @field_validator("separator")
    @classmethod
    def _is_one_byte(cls, value: str) -> str:
        if not value.isascii() or value in {'"', "\n", "\r"}:
            raise ValueError(f"expected one ASCII character such as , or ; and was {value!r}")
        return value

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError(
                    f"there is no time zone '{value}'; expected a name such as UTC or America/New_York"
                ) from None
        return value

    @field_validator("timeframe")
    @classmethod
    def _is_a_timeframe(cls, value: str | None) -> str | None:
        if value is not None and timeframes.seconds(value) is None:
            raise ValueError(f"expected a number and s, m, h, d or w, such as 1m, 5m, 1h, 1d; was '{value}'")
        return value

    @field_validator("session")
    @classmethod
    def _is_a_session(cls, value: str | None) -> str | None:
        if value is not None:
            timeframes.session_minutes(value)
        return value

    @model_validator(mode="after")
    def _session_has_a_zone(self) -> Settings:
        if self.session is not None and self.timezone is None:
            raise ValueError('session needs timezone, such as timezone = "America/New_York"')
        return self
