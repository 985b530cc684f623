"""The page of all settings: the core's models, and the `Settings` of every plugin of this workspace."""

from __future__ import annotations

import tomllib
import types
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from _docs import sources
from _docs.text import code, page, table

HEADS = ("key", "type", "default", "what it does")
NOT_READ = {"observability.host", "observability.port"}
"""Settings that are checked and that nothing uses yet; a test notices when that changes."""
UNUSED = "Nothing in this version of trader uses it."


def settings() -> str:
    """Every table that may stand in settings.toml."""
    from trader.settings.document import PluginKeys, Settings
    from trader.settings.schema import BookSettings

    core = []
    for name in ("trading", "application", "observability"):
        field = Settings.model_fields[name]
        core += [f"### `[{name}]`", field.description or "", table(HEADS, rows(_model(field.annotation), name))]
    plugins = [line for each in members_plugins() for line in each]
    kinds = [(code(f"[{name}.NAME]"), field.description or "") for name, field in Settings.model_fields.items()
             if field.annotation == dict[str, PluginKeys]]  # fmt: skip
    shared = ", ".join(code(name) for name in BookSettings.model_fields)
    return page(
        "Settings",
        "core/src/trader/settings/schema.py, document.py and the Settings of the plugins",
        "For operators: every key that may stand in `settings.toml`, its type, its default and what it does. After it"
        " you can change what trader does without reading code.",
        "Layers, the later ones win: `settings.toml`, `settings.local.toml` beside it, `.env`, the environment"
        " (`TRADER_TRADING__DRY_RUN=true` is `trading.dry_run`), `--set KEY=VALUE`. Tables fold key by key; values and"
        " lists replace. `trader config show` says where each key was set. A key that is not listed here is an error.",
        'This version refuses `trading.mode = "live"`.',
        "## The core",
        *core,
        "### `[books.NAME]`",
        f"{Settings.model_fields['books'].description} Keys: {shared}. The broker must be named here, and be its own.",
        "## Plugins",
        "The name of a table is the name of the instance.",
        table(("table", "what stands there"), kinds),
        "These keys of every such table belong to the core; all others are the plugin's own.",
        table(HEADS, rows(PluginKeys, "")),
        *plugins,
    )


def members_plugins() -> Iterator[list[str]]:
    """A section for each plugin of this workspace, whatever else is installed."""
    from trader.plugins import KINDS, catalogue
    from trader.plugins.loading import load

    paths = [
        path for kind in ("brokers", "strategies", "plugins") for path in sources.ROOT.glob(f"{kind}/*/pyproject.toml")
    ]
    ours = {tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"] for path in paths}
    for plugin in sorted(catalogue(), key=lambda one: (list(KINDS).index(one.kind), one.name)):
        if plugin.distribution in ours:
            model = load(plugin).settings
            listed = table(HEADS, rows(model, "")) or "It has no keys of its own."
            yield [
                f"### `[{KINDS[plugin.kind].plural}.{plugin.name}]`",
                f"{plugin.summary}. From `{plugin.distribution}`.",
                listed,
            ]


def rows(model: type[BaseModel], above: str, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """A row for each key; the keys of a table within are written with a dot. `above`: the way to this model."""
    for name, field in model.model_fields.items():
        way = f"{above}.{name}" if above else name
        inner = _model(field.annotation)
        if inner is not None and way in NOT_READ:
            described = f"{field.description or ''} {UNUSED}"
            yield code(prefix + name), "table", "", f"{described} Keys: {', '.join(map(code, inner.model_fields))}."
        elif inner is not None:
            yield from rows(inner, way, f"{prefix}{name}.")
        else:
            said = (field.description or "") + (f" {UNUSED}" if way in NOT_READ else "")
            yield code(prefix + name), type_of(field), default_of(field), said


def _model(annotation: Any) -> Any:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def default_of(field: FieldInfo) -> str:
    """The default as TOML would have it; "needed" where there is none."""
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return code(f'"{value}"')
    if isinstance(value, tuple | list):
        return code("[" + ", ".join(f'"{each}"' for each in value) + "]")
    return code("{}" if value == {} else str(value))


def type_of(field: FieldInfo) -> str:
    """The type in a settings author's words, with its limits."""
    limits = [text for part in field.metadata for text in _limits(part)]
    return ", ".join([_type(field.annotation), *limits])


def _limits(part: Any) -> Iterator[str]:
    for name, words in (("gt", "above"), ("ge", "from"), ("lt", "below"), ("le", "up to")):
        value = getattr(part, name, None)
        if value is not None:
            yield f"{words} {value}"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [text for part in arguments[1:] for one in _flat(part) for text in _limits(one)]
        return ", ".join([_type(arguments[0]), *limits])
    if origin is Literal:
        return " or ".join(code(f'"{value}"') for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(each) for each in arguments if each is not type(None))
    if origin in (tuple, list):
        inner = _model(arguments[0])
        return f"list of {{ {', '.join(inner.model_fields)} }}" if inner else f"list of {_type(arguments[0])}s"
    if origin is dict:
        inner = _model(arguments[1])
        return f"table of {{ {', '.join(inner.model_fields)} }} by {_type(arguments[0])}" if inner else "table"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(code(f'"{member.value}"') for member in annotation)
    return WORDS.get(getattr(annotation, "__name__", ""), getattr(annotation, "__name__", str(annotation)))


def _flat(part: Any) -> list[Any]:
    """A pydantic Field holds its limits in `metadata`."""
    return part.metadata if isinstance(part, FieldInfo) else [part]


WORDS = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "Decimal": "number",
    "bool": "true or false",
    "Any": "any",
}
