"""The page about brokers: what each can, which keys it wants, and every conformance case that is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from _docs.sources import ROOT
from _docs.text import code, page, table

NAMES = ("paper", "alpaca", "binance", "binance_futures", "robinhood", "mt5")
LEAD = (
    "For whoever chooses a broker, and for plugin authors: what each broker of this project can do, which keys it"
    " wants, and which cases of the conformance suite are asked of it. After it you know what to expect of an order at"
    " each venue, and what is not proven."
)
PROVEN = (
    "Each `yes` is a case of `trader.testing.BrokerConformance` that runs in this project's CI on each commit, through"
    " the broker's real client library, over a socket, against the [emulator](../how-to/trade-on-an-emulator.md) of its"
    " venue (the paper broker: against the simulated venue that it is). `trader plugins certify NAME` asks them on your"
    " machine and writes a certificate. No case here was asked of a venue itself: that takes your keys, and"
    " `trader plugins certify NAME --venue paper`."
)


def brokers() -> str:
    """Capabilities, keys, and the table of cases."""
    from trader.plugins import catalogue

    installed = catalogue()
    plugins = [installed.get("broker", name) for name in NAMES]
    rows, reasons = _cases(plugins)
    return page(
        "Brokers",
        "plugin.toml of each broker and the conformance suite",
        LEAD,
        "## What each can do",
        table(("", *(code(name) for name in NAMES)), _abilities(plugins)),
        "Ids: `forever`, the venue refuses a client order id that it has seen; `open_only`, as long as the order with"
        " it works; `none`, it takes it again. Horizon: an order whose answer was lost, and that no query shows, counts"
        " as absent after so long. The pages of the brokers say more: "
        + ", ".join(f"[{plugin.name}](../../{_folder(plugin)}/README.md)" for plugin in plugins)
        + ".",
        "## Keys",
        "Environment variables, `.env`, the system's keyring or `.secrets.toml`; never in `settings.toml`.",
        table(("broker", "keys"), [(code(one.name), _keys(one)) for one in plugins]),
        "## Conformance",
        PROVEN,
        table(("case", "what it proves", *(code(name) for name in NAMES)), rows),
        "### What is not asked, and why",
        "A case is left out only through what the manifest declares.",
        table(("", "declared", "by"), reasons),
    )


def _folder(plugin: Any) -> str:
    folder: str = "brokers/" + plugin.distribution.removeprefix("trader-broker-")
    if not (ROOT / folder).is_dir():
        raise SystemExit(f"{plugin.label} does not lie in {folder}")
    return folder


def _keys(plugin: Any) -> str:
    return ", ".join(code(name) for name in plugin.permissions.secrets) or "none"


def _abilities(plugins: Sequence[Any]) -> list[tuple[str, ...]]:
    def row(label: str, key: str, unit: str = "", missing: str = "no") -> tuple[str, ...]:
        return (label, *(_said(one.capabilities.get(key), unit, missing) for one in plugins))

    return [
        row("order types", "order_types"),
        row("time in force", "time_in_force"),
        row("ids", "id_policy"),
        row("horizon", "horizon_seconds", " s"),
        row("order stream", "streams"),
        row("cancel all in one call", "cancel_all"),
        row("cash events", "cash_events"),
        row("shorts", "shorting"),
        row("dead man's switch", "dead_man_switch"),
        row("calls at once", "concurrency", missing="1"),
        row("experimental", "experimental"),
    ]


def _said(value: Any, unit: str, missing: str) -> str:
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, bool) or value is None:
        return "yes" if value else missing
    return "a setting" if value == "setting" else f"{value}{unit}"


def _cases(plugins: Sequence[Any]) -> tuple[list[tuple[str, ...]], list[tuple[str, str, str]]]:
    """A row a case; and every reason for leaving one out, by its letter."""
    from trader.testing.certify import place_of, title_of
    from trader.testing.conformance.broker import BrokerConformance
    from trader.testing.conformance.broker.venue import reason_to_skip
    from trader.testing.conformance.suite import number_of

    letters: dict[str, str] = {}
    by: dict[str, list[str]] = {}
    rows = []
    for name in sorted((name for name in dir(BrokerConformance) if number_of(name)), key=place_of):
        cells = []
        for plugin in plugins:
            reason = reason_to_skip(plugin, getattr(BrokerConformance, name))
            if reason is None:
                cells.append("yes")
                continue
            letter = letters.setdefault(reason, chr(ord("a") + len(letters)))
            if code(plugin.name) not in by.setdefault(reason, []):
                by[reason].append(code(plugin.name))
            cells.append(f"({letter})")
        rows.append((str(number_of(name)), title_of(name), *cells))
    return rows, [(f"({letter})", reason, ", ".join(by[reason])) for reason, letter in letters.items()]
