"""Import one plugin, check it, let it make its object, check that too.

stevedore imports the module that the entry point names; pluggy checks its hook against `trader.hookspecs`. Each plugin
has a plugin manager of its own: asked of all plugins at once, a hook answers with somebody else's object.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trader.errors import BadAnswer, PluginBroken, PluginConflict, PluginIncompatible, TraderError
from trader.plugins import manifest
from trader.plugins.catalogue import Plugin
from trader.plugins.faults import at, expected, fault_line, off
from trader.plugins.hooks import check_hooks, register, settings_model
from trader.plugins.kinds import API_VERSION, KINDS
from trader.plugins.shape import check_object, optional_protocols
from trader.plugins.watching import observers_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from trader.protocols import Env
    from trader.settings.layers import Raw


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin whose module is imported and has the right form; it has made nothing yet."""

    plugin: Plugin
    module: ModuleType
    settings: type[BaseModel]
    """Its `Settings`: what may stand in its table."""
    provide: Callable[..., Any]
    """Its own provide_<kind>, called as provide(settings=..., env=...)."""


@dataclass(frozen=True, slots=True)
class Provided:
    """One instance of a plugin and the object that it made."""

    instance: str
    plugin: Plugin
    object: Any
    has: frozenset[str] = frozenset()
    """Names of the protocols in `trader.protocols` that the object satisfies: its kind's and the optional ones."""
    observers: Mapping[str, Callable[..., None]] = field(default_factory=dict)
    """Observer hook -> the object's method."""

    @property
    def label(self) -> str:
        """Who it is, for the head of a message."""
        if self.instance == self.plugin.name:
            return self.plugin.label
        return f"{self.instance!r}: {self.plugin.label}"


def provide(
    plugin: Plugin, options: Mapping[str, Any], env: Env, *, instance: str, origin: str = "", raw: Raw | None = None
) -> Provided:
    """Load a plugin and let it make one object.

    `options` is its settings table without the core's own keys. Where the table stands is said by `raw` (each key has
    its line) or by `origin` ("settings.toml:41").

    Raises:
        PluginIncompatible, PluginConflict, PluginBroken: it cannot be loaded, or raised while it made its object.
        SettingsError: its options are wrong, or a secret or file it needs is not there.
        BadAnswer: what it made lacks something that its kind must have.
    """
    loaded = load(plugin)
    settings = options_of(loaded, options, instance=instance, origin=origin, raw=raw)
    hook = KINDS[plugin.kind].hook
    try:
        made = loaded.provide(settings=settings, env=env)
    except (TraderError, KeyboardInterrupt):  # both speak for themselves: a missing secret, a person at the keyboard
        raise
    except BaseException as error:
        raise PluginBroken(
            f"It raised in {hook}(settings, env):\n{fault_line(plugin, error)}",
            where=at(plugin, instance),
            todo=f"Expected an object; {hook} runs once at start and does no network.",
        ) from error
    where = at(plugin, instance)
    if len(made) != 1:
        raise BadAnswer(f"{hook} returned nothing; expected {expected(plugin)}.", where=where)
    try:
        check_object(made[0], plugin, where)
        has, observers = optional_protocols(made[0], plugin, where), observers_of(made[0], where)
    except (TraderError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a property of it
        raise PluginBroken(
            f"What {hook} returned raised when it was looked at:\n{fault_line(plugin, error)}",
            where=where,
            todo=f"Expected {expected(plugin)}.",
        ) from error
    return Provided(instance, plugin, made[0], has, observers)


def options_of(
    loaded: Loaded, options: Mapping[str, Any], *, instance: str, origin: str = "", raw: Raw | None = None
) -> BaseModel:
    """The options as the plugin's own `Settings`. SettingsError names file and line, key, expected and was;
    PluginBroken: they raised what is no verdict on an option."""
    from trader.settings.explain import validate
    from trader.settings.layers import Raw

    table = (KINDS[loaded.plugin.kind].plural, instance)
    if raw is None:
        origins = {table: origin or "settings"}
        raw = Raw(Path("settings.toml"), {table[0]: {instance: dict(options)}}, origins)  # type: ignore[arg-type]
    try:
        return validate(loaded.settings, options, table, raw)
    except (TraderError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PluginBroken(
            f"Its Settings raised:\n{fault_line(loaded.plugin, error)}",
            where=at(loaded.plugin, instance),
            todo="Expected the options, or a ValueError that says what is wrong with one.",
        ) from error


def load(plugin: Plugin) -> Loaded:
    """Import a plugin's module and check its form; `Settings` is then known, nothing is made.

    Raises:
        PluginIncompatible, PluginConflict, PluginBroken.
    """
    kind = KINDS[plugin.kind]
    _refuse_known_problem(plugin)
    _check_provenance(plugin)
    module = _import(plugin)
    manager = register(plugin, module)
    check_hooks(plugin, module)
    return Loaded(plugin, module, settings_model(plugin, module), getattr(manager.hook, kind.hook))


def _refuse_known_problem(plugin: Plugin) -> None:
    if plugin.incompatible:
        newer = (plugin.api or 0) > API_VERSION
        raise PluginIncompatible(
            f"It was written for plugin API {plugin.api}; expected API {API_VERSION}.",
            where=plugin.label,
            todo=f"Install a {'newer trader-core' if newer else 'newer release of it'}, or turn it off: {off(plugin)}",
        )
    if plugin.problem:
        conflict = "more than one distribution" in plugin.problem
        error = PluginConflict if conflict else PluginBroken
        raise error(f"It cannot be used: {plugin.problem}.", where=plugin.label)
    if plugin.kind == "service":
        raise PluginBroken("Services cannot be loaded by this version of trader.", where=plugin.label)


def _check_provenance(plugin: Plugin) -> None:
    """What an import would find must be the distribution's own file, not a namesake earlier on `sys.path`."""
    top = plugin.module.partition(".")[0]
    place = manifest.locate(top)
    try:
        files = importlib.metadata.distribution(plugin.distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    except Exception as error:  # a stranger's damaged metadata can make the parser raise anything
        raise PluginBroken(
            f"The list of its files cannot be read: {error}", where=plugin.label, todo="Install it anew."
        ) from error
    own = [file for file in files if file.as_posix() in (f"{top}.py", f"{top}/__init__.py")]  # none where editable
    if not own or place is None or place.file is None:
        return
    expected = Path(str(own[0].locate()))
    if expected.exists() and not expected.samefile(place.file):
        raise PluginBroken(
            f"Another module of its name would be imported. Expected {expected}, was {place.file}.",
            where=plugin.label,
            todo="Move or rename the other one.",
        )


def _import(plugin: Plugin) -> ModuleType:
    from stevedore.named import NamedExtensionManager

    kind = KINDS[plugin.kind]
    point = importlib.metadata.EntryPoint(plugin.name, plugin.module, kind.group)
    faults: list[BaseException] = []

    class ThisOne(NamedExtensionManager[Any]):
        """Loads the entry point that was checked, not one that stevedore's own cache finds under the same name."""

        def list_entry_points(self) -> list[importlib.metadata.EntryPoint]:
            return [point]

    found: list[Any] = []
    try:
        found = ThisOne(
            kind.group,
            [plugin.name],
            on_load_failure_callback=lambda _manager, _point, error: faults.append(error),
            on_missing_entrypoints_callback=None,
            conflict_resolver=_no_conflict,
        ).extensions
    except KeyboardInterrupt:  # a person at the keyboard
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit and AssertionError pass through stevedore
        faults.append(error)
    if faults:
        raise _broken_import(plugin, faults[0]) from faults[0]
    module = found[0].plugin
    if not isinstance(module, ModuleType):
        raise PluginBroken(f"Expected a module, was {module!r}.", where=plugin.label)
    return module


def _no_conflict(namespace: str, name: str, found: list[Any]) -> Any:
    raise AssertionError(f"{len(found)} plugins {name!r} in {namespace}: uniqueness is checked before")


def _broken_import(plugin: Plugin, error: BaseException) -> PluginBroken:
    or_off = f"or turn it off: {off(plugin)}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        own = error.name == plugin.module or plugin.module.startswith(f"{error.name}.")
        if not own:
            return PluginBroken(
                f"It needs {error.name!r}, which is not installed.\n{fault_line(plugin, error)}",
                where=plugin.label,
                todo=f"Install what it needs into this environment, {or_off}",
            )
        return PluginBroken(
            f"Its entry point names the module {plugin.module!r}, and there is none.",
            where=plugin.label,
            todo=f"Expected a file for that module in the distribution. Install it anew, {or_off}",
        )
    return PluginBroken(
        f"Importing {plugin.module!r} raised:\n{fault_line(plugin, error)}",
        where=plugin.label,
        todo=f"Expected an import without effects. Tell its author, {or_off}",
    )
