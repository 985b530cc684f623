"""From the folded tables to `Settings`: books inherit, aliases meet, models validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trader.errors import SettingsError
from trader.settings.document import Settings
from trader.settings.explain import explain
from trader.settings.faults import Key, raise_all
from trader.settings.layers import Raw, fold
from trader.settings.layers import raw as read
from trader.settings.schema import Application, BookSettings

SESSION_ONLY = frozenset(Application.model_fields) - frozenset(BookSettings.model_fields)


def load(path: str | Path, *, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Settings:
    """All layers of the settings file at `path`, validated. SettingsError tells every fault that was found.

    `overrides` are KEY=VALUE as after --set; `environ` is os.environ unless given.
    """
    raw = read(path, overrides=overrides, environ=environ)
    faults: list[SettingsError] = []
    tree = dict(raw.tree)
    main = _one_allocator(tree.get("application", {}), ("application",), raw, faults)
    if "application" in tree:
        tree["application"] = main
    written: dict[str, Any] = tree.get("books", {})
    tree["books"] = {name: _inherit(main, name, book, raw, faults) for name, book in written.items()}
    faults += _accounts(main, written, raw)
    try:
        settings = Settings.model_validate(tree, context=raw)
    except ValidationError as error:
        found = list(explain(error, Settings, (), raw))
        keys = {key for _, key in found}
        for fault, key in found:
            above = key[0] == "books" and ("application", *key[2:]) in keys
            if not (above and raw.get(*key, default=_NOTHING) is _NOTHING):  # inherited: told where it is written
                faults.append(fault)
        raise_all(faults)
        raise AssertionError("a validation error without errors") from error
    raise_all(faults)
    return settings


_NOTHING = object()


def _one_allocator(written: Mapping[str, Any], at: Key, raw: Raw, faults: list[SettingsError]) -> dict[str, Any]:
    """`allocator` and `portfolio.allocator` are one setting: whichever is written stands in both places."""
    table: dict[str, Any] = dict(written)
    portfolio = table.get("portfolio")
    inner = portfolio.get("allocator") if isinstance(portfolio, Mapping) else None
    outer = table.get("allocator")
    if inner is not None and outer is not None and inner != outer:
        faults.append(
            SettingsError(
                f'It says "{inner}" and {raw.origin((*at, "allocator"))} says allocator = "{outer}".',
                where=raw.where((*at, "portfolio", "allocator")),
                todo="They are the same setting. Keep one of them.",
            )
        )
    elif inner is not None:
        table["allocator"] = inner
    elif outer is not None and (portfolio is None or isinstance(portfolio, Mapping)):
        table["portfolio"] = {**(portfolio or {}), "allocator": outer}
    return table


def _inherit(
    main: Mapping[str, Any], name: str, written: Mapping[str, Any], raw: Raw, faults: list[SettingsError]
) -> dict[str, Any]:
    """What book `name` says, over what `application` says; of two ways to say one thing its own counts."""
    book = _one_allocator(written, ("books", name), raw, faults)
    below: dict[str, Any] = {key: value for key, value in main.items() if key not in SESSION_ONLY and key != "broker"}
    own = book.get("portfolio")
    if isinstance(own, Mapping) and isinstance(below.get("portfolio"), Mapping):
        bands = {"threshold_weight", "threshold_relative"}
        dropped = bands if bands & own.keys() else set()
        below["portfolio"] = {key: value for key, value in below["portfolio"].items() if key not in dropped}
    schedule, above = book.get("schedule"), below.get("schedule")
    if isinstance(schedule, Mapping) and isinstance(above, Mapping) and schedule.get("trigger", "cron") != "cron":
        below["schedule"] = {key: value for key, value in above.items() if key != "cron"}
    return fold(below, book)


def _accounts(main: Mapping[str, Any], books: Mapping[str, Any], raw: Raw) -> list[SettingsError]:
    """Each further book names a broker, and no two books share one."""
    faults = []
    taken: dict[str, str] = {}
    if isinstance(main.get("broker"), str):
        taken[main["broker"]] = "main"
    for name, book in books.items():
        where, broker = raw.where(("books", name)), book.get("broker")
        if name == "main":
            faults.append(
                SettingsError("The book 'main' is what [application] describes.", where=where, todo="Choose a name.")
            )
        if name == "session":
            faults.append(
                SettingsError(
                    "No book can be called 'session': what --hold holds has that name.",
                    where=where,
                    todo="Choose another name.",
                )
            )
        if broker is None:
            faults.append(
                SettingsError(
                    f"The book '{name}' names no broker; an account belongs to one book.",
                    where=where,
                    todo='Write broker = "..." with the name of a table [brokers.NAME].',
                )
            )
        elif isinstance(broker, str) and broker in taken:
            faults.append(
                SettingsError(
                    f"The book '{name}' names the broker '{broker}', which belongs to the book '{taken[broker]}'.",
                    where=raw.where(("books", name, "broker")),
                    todo=f'A second account is a second table: [brokers.{broker}_2] plugin = "{broker}".',
                )
            )
        elif isinstance(broker, str):
            taken[broker] = name
    return faults
