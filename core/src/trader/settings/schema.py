"""What may stand in the settings, and what it means. The reference page is generated from these models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator, model_validator
from pydantic.config import JsonDict

from trader.settings.cron import with_named_days

SHARE: JsonDict = {"expected": "a number from 0 to 1 (a share of equity)"}
TIMEFRAME = r"^[1-9][0-9]{0,3}[mhdw]$"
SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}

Names = Annotated[tuple[str, ...], Strict(False)]
"""A list in TOML, a tuple here: frozen settings do not change under their reader."""


class Table(BaseModel):
    """Strict (a number in quotes is no number), frozen, and nothing unknown is let in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Coverage(Table):
    """Which symbols a book looks at."""

    source: Literal["static", "pattern", "broker"] = Field(
        "static",
        description="Where the symbols come from: `symbols`, a `pattern` over what the data source has, or a watch list"
        " of the broker.",
    )
    symbols: Names = Field((), description='The symbols of source "static".')
    pattern: str | None = Field(None, description='The glob of source "pattern", such as "A*".')
    watchlist: str | None = Field(None, description='The name of the broker\'s list, for source "broker".')
    timeframe: str = Field(
        "1d",
        pattern=TIMEFRAME,
        description="Length of the bars: a number and m, h, d or w.",
        json_schema_extra={"expected": "a length of bars such as 1m, 15m, 1h or 1d"},
    )

    @field_validator("symbols")
    @classmethod
    def _names(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        for number, symbol in enumerate(symbols):
            if not symbol or symbol != symbol.strip():
                raise ValueError(f'A symbol is empty or has a space at its begin or end: "{symbol}".')
            if symbol in symbols[:number]:
                raise ValueError(f'The symbol "{symbol}" is named twice. Name it once.')
        return symbols

    @model_validator(mode="after")
    def _complete(self) -> Coverage:
        if self.source == "static" and self.model_fields_set and not self.symbols:
            raise ValueError('Source "static" covers nothing without symbols. Write symbols = ["AAPL", "MSFT"].')
        needs = {"pattern": "pattern", "broker": "watchlist"}
        wanted = needs.get(self.source)
        if wanted and not getattr(self, wanted):
            raise ValueError(f'Source "{self.source}" needs a {wanted}. Write {wanted} = "...".')
        return self


class Stage(Table):
    """One strategy of the pipeline."""

    name: str = Field(min_length=1, description="The strategy: the name of its table [strategies.NAME].")
    drop_threshold: float = Field(
        0.0,
        ge=0,
        le=1,
        description="A symbol whose |score| is below it is dropped.",
        json_schema_extra={"expected": "a number from 0 to 1 (a score)"},
    )
    dropped: Literal["flat", "hold"] = Field("flat", description="What a dropped symbol does: be sold, or be kept.")


class Models(Table):
    """The strategies."""

    pipeline: Annotated[tuple[Stage, ...], Strict(False)] = Field((), description="The stages, in their order.")

    @field_validator("pipeline")
    @classmethod
    def _once(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        names = [stage.name for stage in stages]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f'The strategy "{name}" stands in the pipeline twice. Name a second instance:'
                    f' [strategies.{name}_2] plugin = "{name}".'
                )
        return stages


class Portfolio(Table):
    """From target weights to trades."""

    allocator: str | None = Field(None, description="The same as `application.allocator`.")
    balancer: Literal["threshold", "on_signal"] = Field(
        "threshold", description="Trade when a weight has drifted out of its band, or only when the signal changes."
    )
    threshold_weight: float | None = Field(
        None,
        ge=0,
        le=1,
        description="The drift band as a share of equity; 0.02 if `threshold_relative` is not given either.",
        json_schema_extra=SHARE,
    )
    threshold_relative: float | None = Field(
        None,
        ge=0,
        description="The drift band as a share of the target weight.",
        json_schema_extra={"expected": "a number from 0 on (a share of the target weight)"},
    )
    cash_buffer: float = Field(0.01, ge=0, lt=1, description="Share of equity kept as cash.", json_schema_extra=SHARE)
    allow_short: bool = Field(False, description="Negative scores sell short; otherwise they mean flat.")
    currency: str = Field(
        "USD",
        pattern=r"^[A-Z]{3,10}$",
        description="The book's one currency.",
        json_schema_extra={"expected": "a currency in capital letters such as USD"},
    )

    @model_validator(mode="before")
    @classmethod
    def _one_band(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "threshold_weight" in data:
            if isinstance(data, dict) and "threshold_relative" in data:
                raise ValueError("Both threshold_weight and threshold_relative are given. Keep one of them.")
            return data
        return data if "threshold_relative" in data else {**data, "threshold_weight": 0.02}


class Exits(Table):
    """When a position is left, asked before anything else in a cycle."""

    stop: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Leave after this loss, as a share of the entry price.",
        json_schema_extra={"expected": "a number above 0 and up to 1 (a share of the entry price)"},
    )
    target: float | None = Field(
        None,
        gt=0,
        description="Leave after this gain, as a share of the entry price.",
        json_schema_extra={"expected": "a number above 0 (a share of the entry price)"},
    )
    max_age: int | None = Field(None, ge=1, description="Leave after this many bars.")


def _understood(cron: str) -> None:
    from apscheduler.triggers.cron import CronTrigger  # slow to import, and most need no cron

    try:
        CronTrigger.from_crontab(with_named_days(cron))
    except ValueError as problem:
        raise ValueError(
            f'cron = "{cron}" is not understood: {problem}. Write one such as "30 15 * * mon-fri".'
        ) from None


class Schedule(Table):
    """When a cycle runs. On recorded data the bars are the schedule."""

    run_forever: bool = Field(True, description="false: exactly one cycle.")
    trigger: Literal["interval", "cron", "market", "bar"] = Field("interval", description="What starts a cycle.")
    interval_seconds: float = Field(
        60.0, gt=0, le=31_536_000, description="Trigger interval: seconds from cycle to cycle."
    )
    cron: str | None = Field(None, description='Trigger cron: five fields, such as "30 15 * * mon-fri".')
    calendar: str = Field("XNYS", description="Trigger market: the exchange's calendar, by its MIC.")
    at: Literal["open", "close"] = Field("close", description="Trigger market: which moment of the trading day.")
    offset_seconds: float = Field(
        0.0,
        ge=-604_800,
        le=604_800,
        description="Trigger market: seconds after that moment, at most a week; negative is before.",
    )
    timezone: str = Field("UTC", description='The zone in which `cron` is written, such as "America/New_York".')

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            raise ValueError(
                f'There is no time zone "{name}". Write one such as "America/New_York" or "UTC".'
            ) from None
        return name

    @model_validator(mode="after")
    def _complete(self) -> Schedule:
        if self.trigger == "cron" and (self.cron is None or len(self.cron.split()) != 5):
            raise ValueError('Trigger "cron" needs five fields. Write cron = "30 15 * * mon-fri".')
        if self.trigger == "cron" and self.cron is not None:
            _understood(self.cron)
        if self.trigger != "cron" and self.cron is not None:
            raise ValueError('cron is given but the trigger is not "cron". Write trigger = "cron" or delete cron.')
        return self


class Shutdown(Table):
    """What a stop leaves behind."""

    grace: float = Field(30.0, ge=0, le=300, description="Seconds for outcomes under way to arrive; at most 300.")
    orders: Literal["leave", "cancel"] = Field("leave", description="Working orders: leave them, or cancel them.")
    positions: Literal["keep", "close"] = Field("keep", description="Open positions: keep them, or close them.")


class Reconcile(Table):
    """How the journal is compared with the venue."""

    interval_seconds: float = Field(60.0, gt=0, description="Seconds from one full comparison to the next.")
    external: Literal["adopt", "ignore", "halt"] = Field(
        "adopt",
        description="What somebody else trades on the account: adopt it into the book, keep it apart and leave it"
        " alone, or adopt it and halt the book.",
    )
    cash_tolerance: float = Field(
        0.01, ge=0, description="Money of the book's currency that may differ without a reason. More blocks new risk."
    )


class Connect(Table):
    """How a broker is reached, and reached again after it was lost."""

    tries: int = Field(20, ge=1, description="So many tries, then it is given up until a person acts.")
    first_seconds: float = Field(
        1.0, gt=0, le=86_400, description="Pause after the first try; it doubles, with jitter."
    )
    longest_seconds: float = Field(60.0, gt=0, le=86_400, description="The longest pause between two tries.")


class Heartbeat(Table):
    """Proof of life."""

    interval_seconds: float = Field(
        30.0, gt=0, description="Seconds between two readings of account and positions. Two missed ones raise an alert."
    )
    clock_limit_seconds: float = Field(
        5.0, gt=0, description="A venue's clock that is further from this machine's raises an alert."
    )


class BookSettings(Table):
    """What is traded together: one broker, one data source, one pipeline, positions and limits of its own."""

    broker: str | None = Field(None, description="The broker's table; one enabled broker is implied.")
    data: str | None = Field(None, description="The data source's table; one enabled source is implied.")
    allocator: str | None = Field(None, description="The allocator; one enabled allocator is implied.")
    execution: str | None = Field(None, description="The execution style; one enabled style is implied.")
    risk_rules: Annotated[tuple[str, ...], Strict(False)] | None = Field(
        None, description="The risk rules that guard it; all that are enabled unless given."
    )
    coverage: Coverage = Field(default_factory=Coverage, description="The symbols.")
    models: Models = Field(default_factory=Models, description="The pipeline.")
    portfolio: Portfolio = Field(
        default_factory=lambda: Portfolio.model_validate({}), description="From weights to trades."
    )
    exits: Exits = Field(default_factory=Exits, description="When to leave.")
    schedule: Schedule = Field(default_factory=Schedule, description="When to run.")
    reconcile: Reconcile = Field(default_factory=Reconcile, description="Comparing the journal with the venue.")
    max_data_age: float | None = Field(
        None,
        gt=0,
        description="Seconds of market time since a symbol's last bar; no new risk on older ones. Unless given, five of"
        " the book's bars without one of its own.",
    )

    @field_validator("risk_rules")
    @classmethod
    def _once(cls, rules: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for number, rule in enumerate(rules or ()):
            if rule in (rules or ())[:number]:
                raise ValueError(f'The risk rule "{rule}" is named twice. Name it once.')
        return rules


class Application(BookSettings):
    """The book `main`, and what the whole session shares."""

    state_dir: str = Field("var", min_length=1, description="Folder of all state, relative to the settings file.")
    database: str | None = Field(
        None,
        description="`postgresql://USER@HOST:PORT/NAME`; without it a SQLite file in the state folder. A password"
        " belongs into PGPASSWORD or ~/.pgpass, not here.",
    )
    lease_seconds: float = Field(
        15.0, gt=0, description="PostgreSQL: a session that does not renew its lease for so long counts as dead."
    )
    seed: int = Field(0, ge=0, description="Seed of all randomness.")
    connect: Connect = Field(default_factory=Connect, description="Reaching brokers.")
    heartbeat: Heartbeat = Field(default_factory=Heartbeat, description="Proof of life.")
    shutdown: Shutdown = Field(default_factory=Shutdown, description="What a stop does.")

    @field_validator("state_dir")
    @classmethod
    def _findable(cls, folder: str) -> str:
        if "\0" in folder:
            raise ValueError("A path has no NUL character.")
        try:
            Path(folder).expanduser()
        except RuntimeError:
            raise ValueError(f'Nobody knows where "{folder}" is. Write the whole path.') from None
        return folder


class Trading(Table):
    """How near to real money."""

    mode: Literal["read_only", "paper", "live"] = Field(
        "paper", description="read_only plans nothing; paper wants paper or demo accounts; live is real money."
    )
    dry_run: bool = Field(False, description="Plan and check orders, send none.")
    require_demo: bool = Field(True, description="Refuse every account that is not paper or demo, in every mode.")
    accept_uncertified: Names = Field(
        (), description="Brokers that live mode takes without a certificate (trader plugins certify NAME)."
    )


class Observability(Table):
    """Health, metrics and the log."""

    host: str = Field("127.0.0.1", min_length=1, description="Address of health and metrics.")
    port: int = Field(9090, ge=0, le=65535, description="Port of health and metrics; 0 takes a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_file: bool = Field(True, description="Write JSON lines to logs/ in the state folder.")
