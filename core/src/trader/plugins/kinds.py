"""The eight kinds of plugin: how each is called in code, in settings, in an entry point and by people."""

from __future__ import annotations

from typing import NamedTuple

API_VERSION = 1
"""The plugin API that this core offers. The same number as `trader.protocols.API_VERSION` (a test compares them),
said here because that module needs NumPy and a listing must not."""


class Kind(NamedTuple):
    """One kind. `protocols`: one of them must be satisfied; `optional`: found by their methods."""

    word: str
    """In code and in plugin.toml: "risk_rule"."""
    plural: str
    """The settings table: "risk_rules"."""
    people: str
    """In messages: "risk rule"."""
    protocols: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The entry point group: "trader.risk_rules"."""
        return f"trader.{self.plural}"

    @property
    def hook(self) -> str:
        """The one hook a module of this kind implements: "provide_risk_rule"."""
        return f"provide_{self.word}"

    @property
    def people_plural(self) -> str:
        return self.plural.replace("_", " ")


KINDS: dict[str, Kind] = {
    kind.word: kind
    for kind in (
        Kind(
            "broker",
            "brokers",
            "broker",
            ("Broker",),
            ("HasOrderStream", "NeedsBars", "HasCashEvents", "HasCancelAll", "HasWatchlist", "HasState"),
        ),
        Kind(
            "data_source",
            "data_sources",
            "data source",
            ("DataSource",),
            ("HasBarStream", "HasQuotes", "HasTrades", "HasState"),
        ),
        Kind(
            "strategy",
            "strategies",
            "strategy",
            ("Strategy",),
            ("HasExits", "HasTimeframes", "HasReferences", "HasPanel", "HasState"),
        ),
        Kind("allocator", "allocators", "allocator", ("Allocator",), ("HasState",)),
        Kind("execution_style", "execution_styles", "execution style", ("ExecutionStyle",)),
        Kind("risk_rule", "risk_rules", "risk rule", ("RiskRule", "PortfolioRule"), ("HasAssess", "HasState")),
        Kind("alert_transport", "alert_transports", "alert", ("AlertTransport",)),
        Kind("service", "services", "service", ("Service",)),
    )
}
"""By their word, in the order in which a listing shows them. A service can be installed and listed; nothing asks for
one yet, so there is no `provide_service` and loading one says so."""


def kind_of(word: str) -> Kind | None:
    """The kind that a person means: by its word, its settings table or the people's word, with `-`, `_` or a space."""
    said = word.strip().lower().replace("-", "_").replace(" ", "_")
    for kind in KINDS.values():
        if said in (kind.word, kind.plural, kind.people.replace(" ", "_")):
            return kind
    return None
