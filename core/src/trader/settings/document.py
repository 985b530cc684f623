"""The whole of the settings: the core's tables, and the tables of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from trader.settings.layers import KINDS, Raw
from trader.settings.schema import Application, BookSettings, Observability, Table, Trading


class PluginKeys(BaseModel):
    """The keys of a plugin's table that belong to the core; all others are the plugin's own."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    enabled: bool = Field(True, description="false: written, but not used.")
    plugin: str | None = Field(None, min_length=1, description="The installed plugin, if the table is not named as it.")
    connection: str | None = Field(
        None, min_length=1, description="Whose secrets and lane it uses, if not those of the table's name."
    )
    isolation: Literal["none"] = Field("none", description="Where it runs: in this process.")
    timeout: float | None = Field(
        None, gt=0, le=86_400, description="Seconds for one call, if not the kind's usual time."
    )


@dataclass(frozen=True, slots=True)
class PluginTable:
    """One instance of a plugin, as the settings have it."""

    kind: str
    """The plural: "brokers"."""
    name: str
    """The name of the table: the instance."""
    plugin: str
    """The installed plugin's name."""
    enabled: bool = True
    connection: str = ""
    isolation: str = "none"
    timeout: float | None = None
    """Seconds for one call; None: the kind's usual time."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Everything else in the table; the plugin's own Settings validate it."""
    origin: str = ""
    """Where the table stands: "settings.toml:41"."""
    written: bool = True
    """False: nothing is written about it, it is used by its name alone."""

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.name)


class Settings(Table):
    """All settings, validated and frozen."""

    application: Application = Field(default_factory=Application, description="The book `main` and the session.")
    trading: Trading = Field(default_factory=Trading, description="How near to real money.")
    observability: Observability = Field(default_factory=Observability, description="Health, metrics, log.")
    books: dict[str, BookSettings] = Field(
        default_factory=dict, description="More books; each inherits from `application` what it does not say."
    )
    brokers: dict[str, PluginKeys] = Field(default_factory=dict, description="Accounts at brokers.")
    data_sources: dict[str, PluginKeys] = Field(default_factory=dict, description="Where bars come from.")
    strategies: dict[str, PluginKeys] = Field(default_factory=dict, description="Strategies.")
    allocators: dict[str, PluginKeys] = Field(default_factory=dict, description="Scores to weights.")
    execution_styles: dict[str, PluginKeys] = Field(default_factory=dict, description="Trades to orders.")
    risk_rules: dict[str, PluginKeys] = Field(default_factory=dict, description="Limits.")
    alert_transports: dict[str, PluginKeys] = Field(default_factory=dict, description="How alerts reach people.")
    services: dict[str, PluginKeys] = Field(default_factory=dict, description="Supervised background work.")
    _raw: Raw = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """`load` hands the folded tables over as the validation's context."""
        if isinstance(context, Raw):
            self._raw = context

    @property
    def raw(self) -> Raw:
        """The folded tables and where each key was set."""
        return self._raw

    @property
    def path(self) -> Path:
        """settings.toml, absolute."""
        return self._raw.path

    @property
    def root(self) -> Path:
        """The folder of settings.toml; relative paths in the settings begin here."""
        return self._raw.path.parent

    @property
    def state_dir(self) -> Path:
        """The folder of all state, absolute."""
        return self.root / Path(self.application.state_dir).expanduser()

    @property
    def book_names(self) -> tuple[str, ...]:
        """Names of all books: "main" first, then as written."""
        return ("main", *self.books)

    def book(self, name: str) -> BookSettings:
        """One book with what it inherits; KeyError for a name that is not in `book_names`."""
        return self.application if name == "main" else self.books[name]

    def table(self, kind: str, name: str) -> PluginTable:
        """The instance `name`; with defaults where nothing is written about it."""
        keys: PluginKeys | None = getattr(self, _known(kind)).get(name)
        written = keys is not None
        keys = keys or PluginKeys.model_validate({})
        return PluginTable(
            kind=kind,
            name=name,
            plugin=keys.plugin or name,
            enabled=keys.enabled,
            connection=keys.connection or name,
            isolation=keys.isolation,
            timeout=keys.timeout,
            options=dict(keys.model_extra or {}),
            origin=self._raw.origin((kind, name)),
            written=written,
        )

    def tables(self, kind: str) -> dict[str, PluginTable]:
        """Every written table of a kind, by its name, in the order of the file."""
        return {name: self.table(kind, name) for name in getattr(self, _known(kind))}


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise KeyError(f"{kind!r} is no kind of plugin; kinds are {', '.join(KINDS)}")
    return kind
