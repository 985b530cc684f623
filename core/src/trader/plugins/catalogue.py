"""What is installed: found in the metadata of distributions and in manifests. No plugin module is imported.

Uniqueness is checked here, over all distributions: two that bring the same kind and name are both refused.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from trader.errors import PluginConflict, PluginMissing
from trader.plugins import manifest
from trader.plugins.kinds import API_VERSION, KINDS, Kind
from trader.plugins.manifest import NOTHING_ASKED, Permissions
from trader.plugins.metadata import Head, distributions, head_of, normal

BESIDE = ("trader.commands", "trader.emulators")
"""Entry-point groups of what is no plugin: commands for the command line, venues for the testing kit."""
Status = Literal["enabled", "disabled", "broken", "incompatible"]


@dataclass(frozen=True, slots=True)
class Plugin:
    """One installed plugin, as far as metadata and manifest know it."""

    kind: str
    """A key of `KINDS`: "risk_rule"."""
    name: str
    """What a user writes: "max_order_notional"."""
    module: str
    """What the entry point names: "trader_risk_limits.max_order_notional"."""
    distribution: str
    version: str
    api: int | None = None
    """The plugin API it was written for; None without a manifest."""
    summary: str = ""
    capabilities: Mapping[str, Any] = field(default_factory=dict, compare=False)
    permissions: Permissions = NOTHING_ASKED
    conformance: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Where and with what its suite asks it: emulator, its setup, symbol, price, quantity, options."""
    manifest: bool = False
    problem: str | None = None
    """Why it cannot be used, in words; None if nothing is known against it."""

    @property
    def source(self) -> str:
        """Where it comes from: "trader-risk-limits 0.1.0"."""
        return f"{self.distribution} {self.version}"

    @property
    def label(self) -> str:
        """Who it is, for the head of a message: "Plugin 'rsi_dip' (rsi-dip 0.3.2, strategy)"."""
        return f"Plugin {self.name!r} ({self.source}, {KINDS[self.kind].people})"

    @property
    def incompatible(self) -> bool:
        return self.api is not None and self.api != API_VERSION


def status(plugin: Plugin, enabled: bool) -> Status:
    """One word for a listing. `enabled`: the settings name it (see `trader.plugins.selection.enabled_plugins`)."""
    if plugin.incompatible:
        return "incompatible"
    if plugin.problem:
        return "broken"
    return "enabled" if enabled else "disabled"


class Catalogue:
    """All installed plugins, in the order of their kinds, then by name."""

    def __init__(self, plugins: Iterable[Plugin], faults: Iterable[str] = ()) -> None:
        order = list(KINDS)
        self._plugins = tuple(sorted(plugins, key=lambda p: (order.index(p.kind), p.name, p.distribution)))
        self.faults = tuple(faults)
        """What is wrong with a distribution as a whole, a paragraph each."""

    def all(self) -> tuple[Plugin, ...]:
        return self._plugins

    def of(self, kind: str) -> tuple[Plugin, ...]:
        """All of one kind, by name."""
        return tuple(plugin for plugin in self._plugins if plugin.kind == kind)

    def names(self, kind: str) -> tuple[str, ...]:
        """Names of one kind, each once, sorted."""
        return tuple(dict.fromkeys(plugin.name for plugin in self.of(kind)))

    def named(self, name: str) -> tuple[Plugin, ...]:
        """All of that name, of whatever kind."""
        return tuple(plugin for plugin in self._plugins if plugin.name == name)

    def __iter__(self) -> Iterator[Plugin]:
        return iter(self._plugins)

    def __len__(self) -> int:
        return len(self._plugins)

    def get(self, kind: str, name: str, *, where: str | None = None) -> Plugin:
        """The one plugin of that kind and name; it may have a `problem`.

        Raises:
            PluginMissing: nothing of that name; the message lists what is installed and what is close.
            PluginConflict: two distributions bring it; the message names both.
        """
        found = [plugin for plugin in self.of(kind) if plugin.name == name]
        if not found:
            raise self.missing(KINDS[kind], name, where)
        if len(found) > 1:
            raise PluginConflict(str(found[0].problem), where=where)
        return found[0]

    def missing(self, kind: Kind, name: str, where: str | None = None) -> PluginMissing:
        """The error for a name that nobody brings."""
        what = f"There is no {kind.people} {name!r}."
        near = close(name, self.names(kind.word))
        if near:
            twin = next(plugin for plugin in self.of(kind.word) if plugin.name == near)
            what += f" Did you mean {near!r} ({twin.source})?"
        elif others := [plugin for plugin in self.named(name) if plugin.kind != kind.word]:
            what += f" There is a {KINDS[others[0].kind].people} of that name ({others[0].source})."
        installed = ", ".join(self.names(kind.word))
        todo = f"Installed {kind.people_plural}: {installed}." if installed else f"No {kind.people} is installed."
        return PluginMissing(what, where=where, todo=todo)


def close(word: str, known: Iterable[str]) -> str | None:
    """The nearest of `known`, if it is near at all."""
    from difflib import get_close_matches

    matches = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def catalogue() -> Catalogue:
    """Scan the metadata of everything on `sys.path`. Imports no plugin; reads a manifest for each package."""
    groups = {kind.group: kind for kind in KINDS.values()}
    plugins: list[Plugin] = []
    faults: list[str] = []
    scan = _Scan()
    for distribution in distributions():
        try:
            points = [point for point in distribution.entry_points if point.group.startswith("trader.")]
        except Exception as error:  # noqa: BLE001 - a stranger's damaged metadata can make the parser raise anything
            faults.append(f"{head_of(distribution).name}: its entry_points.txt cannot be read: {error}")
            continue
        head = head_of(distribution)
        for point in points:
            if point.group in groups:
                plugins.append(_plugin(groups[point.group], point, head, scan))
            elif point.group not in BESIDE:
                near = close(point.group, groups)
                hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(groups)}."
                faults.append(f"{head.name} {head.version}: unknown entry point group {point.group!r}; {hint}")
    return Catalogue(_judge(plugins), faults)


# ---- one plugin ---------------------------------------------------------------------------------------------------
class _Scan:
    """What one scan asks the import system, each question once."""

    def __init__(self) -> None:
        self._places: dict[str, manifest.Location | None] = {}
        self._documents: dict[str, Mapping[str, Any] | manifest.Fault | None] = {}
        self._there: dict[str, bool] = {}

    def place(self, module: str) -> manifest.Location | None:
        top = module.partition(".")[0]
        if top not in self._places:
            self._places[top] = manifest.locate(top)
        return self._places[top]

    def document(self, module: str) -> Mapping[str, Any] | None:
        """The manifest of the module's package. manifest.Fault if it cannot be read."""
        top, place = module.partition(".")[0], self.place(module)
        if top not in self._documents:
            path = manifest.find(place) if place else None
            try:
                self._documents[top] = manifest.read(path) if path else None
            except manifest.Fault as fault:
                self._documents[top] = fault
        document = self._documents[top]
        if isinstance(document, manifest.Fault):
            raise document
        return document

    def lacks(self, requires: Iterable[str]) -> str | None:
        """The first distribution that is needed everywhere (no marker) and is not installed; the core is running."""
        for line in requires:
            found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
            if found is None or ";" in line or normal(found.group()) == "trader-core":
                continue
            if not self._installed(found.group()):
                return found.group()
        return None

    def _installed(self, name: str) -> bool:
        if name not in self._there:
            try:
                importlib.metadata.distribution(name)
                self._there[name] = True
            except importlib.metadata.PackageNotFoundError:
                self._there[name] = False
        return self._there[name]


def _plugin(kind: Kind, point: importlib.metadata.EntryPoint, head: Head, scan: _Scan) -> Plugin:
    plugin = Plugin(kind.word, point.name, point.value, head.name, head.version, summary=head.summary)
    problem = _bad_name(point)
    if problem:
        return replace(plugin, problem=problem)
    if scan.place(point.value) is None:
        return replace(plugin, problem=f"its module {point.value.partition('.')[0]!r} is not there")
    try:
        document = scan.document(point.value)
        table = manifest.entry(document, kind, point.name) if document is not None else None
    except manifest.Fault as fault:
        return replace(plugin, manifest=True, problem=str(fault))
    if table:
        plugin = replace(
            plugin,
            api=table.api,
            summary=table.summary or head.summary,
            capabilities=table.capabilities,
            permissions=table.permissions,
            conformance=table.conformance,
            manifest=True,
        )
    if plugin.incompatible:
        return replace(plugin, problem=f"written for plugin API {plugin.api}; this trader has API {API_VERSION}")
    missing = scan.lacks(head.requires)
    return replace(plugin, problem=f"needs {missing!r}, which is not installed") if missing else plugin


def _bad_name(point: importlib.metadata.EntryPoint) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", point.name):
        return f"its name {point.name!r} must be snake_case, such as 'my_name': letters, digits and single underscores"
    if not all(part.isidentifier() for part in point.value.split(".")):
        return f"its entry point must name a module, such as 'my_package.my_name'; was {point.value!r}"
    return None


# ---- all together --------------------------------------------------------------------------------------------------
def _judge(plugins: list[Plugin]) -> list[Plugin]:
    """Mark those that bring the same kind and name, and those that share a module."""
    by_name: dict[tuple[str, str], list[Plugin]] = {}
    by_module: dict[str, list[Plugin]] = {}
    for plugin in plugins:
        by_name.setdefault((plugin.kind, plugin.name), []).append(plugin)
        by_module.setdefault(plugin.module, []).append(plugin)
    return [_judged(plugin, by_name[plugin.kind, plugin.name], by_module[plugin.module]) for plugin in plugins]


def _judged(plugin: Plugin, namesakes: list[Plugin], sharers: list[Plugin]) -> Plugin:
    if len(namesakes) > 1:
        who = " and ".join(sorted(other.source for other in namesakes))
        text = f"{KINDS[plugin.kind].people} {plugin.name!r} is brought by more than one distribution: {who}."
        return replace(plugin, problem=f"{text} Neither is used. Uninstall one of them")
    if len(sharers) > 1 and not plugin.problem:
        who = ", ".join(sorted(f"{KINDS[other.kind].people} {other.name!r} ({other.source})" for other in sharers))
        return replace(plugin, problem=f"module {plugin.module!r} serves {who}; each entry point needs its own module")
    return plugin
