"""Edits of settings.toml that keep its comments, its order and its line ends.

Each function answers with plain sentences: what was changed. Nothing is written unless the new text is valid TOML
that says exactly what was meant; it then replaces the old file in one step.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trader.errors import SettingsError
from trader.settings.check import KINDS, show
from trader.settings.text import display, parse, read_text

EXCLUSIVE = {"brokers": "broker", "data_sources": "data", "allocators": "allocator", "execution_styles": "execution"}
"""Kinds of which a book uses one, and the key of `application` that selects it."""

PIPELINE = ("application", "models", "pipeline")

Change = Callable[[Any], list[str]]


def enable(path: str | Path, kind: str, name: str) -> list[str]:
    """Makes `name` run: its table is enabled; a strategy joins the pipeline, an exclusive kind is selected."""

    def change(tree: Any) -> list[str]:
        done = _set_enabled(tree, kind, name, enabled=True)
        if kind == "strategies":
            done += _join(tree, name, None)
        elif kind in EXCLUSIVE:
            done += _select(tree, kind, name)
        elif kind == "risk_rules":
            done += _list_rule(tree, name, listed=True)
        return done

    return edit(path, change)


def disable(path: str | Path, kind: str, name: str) -> list[str]:
    """Makes `name` not run: its table is disabled, and whatever named it in `application` lets it go."""

    def change(tree: Any) -> list[str]:
        done = _set_enabled(tree, kind, name, enabled=False)
        if kind == "strategies":
            done += _leave(tree, name)
        elif kind in EXCLUSIVE:
            done += _deselect(tree, kind, name)
        elif kind == "risk_rules":
            done += _list_rule(tree, name, listed=False)
        return done

    return edit(path, change)


def set_enabled(path: str | Path, kind: str, name: str, enabled: bool) -> list[str]:
    """Sets `enabled` in [kind.name], which is added if it is not there."""
    return edit(path, lambda tree: _set_enabled(tree, kind, name, enabled=enabled))


def join_pipeline(path: str | Path, name: str, drop_threshold: float | None = None) -> list[str]:
    """Appends a strategy to `application.models.pipeline`, unless it is in it."""
    return edit(path, lambda tree: _join(tree, name, drop_threshold))


def leave_pipeline(path: str | Path, name: str) -> list[str]:
    """Takes a strategy out of `application.models.pipeline`."""
    return edit(path, lambda tree: _leave(tree, name))


def select(path: str | Path, kind: str, name: str) -> list[str]:
    """Selects the one broker, data source, allocator or execution style of the book `main`."""
    return edit(path, lambda tree: _select(tree, kind, name))


def edit(path: str | Path, change: Change) -> list[str]:
    """Applies `change`, which edits tables in place and says what it did; nothing said, nothing written."""
    path = Path(path)
    old = read_text(path)
    wanted = copy.deepcopy(parse(old, path))
    try:
        done = change(wanted)
    except SettingsError as error:
        raise SettingsError(error.what, where=display(path), todo=error.todo) from None
    if not done:
        return []
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(old)
        change(document)
        new = tomlkit.dumps(document)
        if "\r\n" in old:
            new = new.replace("\r\n", "\n").replace("\n", "\r\n")
        same = parse(new, path) == wanted
    except (TOMLKitError, SettingsError, ValueError, LookupError, TypeError, AttributeError):
        same, new = False, ""
    if not same:
        raise SettingsError(
            "The file is written in a way that cannot be edited without losing something. It was left as it is.",
            where=display(path),
            todo="Write this change into it by hand:\n" + "\n".join(done),
        )
    _replace(path, new)
    return done


def _replace(path: Path, text: str) -> None:
    """The whole new file or the whole old one, whatever happens; a link keeps pointing to it."""
    path = path.resolve()
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, temporary)
        with contextlib.suppress(AttributeError, PermissionError):  # Windows; who is not root owns what he writes
            os.chown(temporary, path.stat().st_uid, path.stat().st_gid)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise SettingsError(
            f"The file cannot be written: {error.strerror}. It was left as it is.",
            where=display(path),
            todo="Check the owner and mode of the file and its folder.",
        ) from None


def _set(tree: Any, value: Any, *names: str) -> None:
    """Sets the value at `names`; tables that are missing are made. SettingsError where no table can be."""
    for number, name in enumerate(names[:-1]):
        if name not in tree:  # made whole before it goes in: a half-made one is lost among scattered tables
            for inner in reversed(names[number + 1 :]):
                value = {inner: value}
            tree[name] = value
            return
        tree = tree[name]
        if not hasattr(tree, "keys"):
            raise SettingsError(f"[{'.'.join(names[: number + 1])}] is not a table.", todo="Mend it by hand.")
    tree[names[-1]] = value


def _get(tree: Any, *names: str) -> Any:
    """The value at `names`, or None."""
    for name in names:
        if not hasattr(tree, "keys") or name not in tree:
            return None
        tree = tree[name]
    return tree


def _list(tree: Any, *names: str) -> Any:
    """The list at `names`, or None. SettingsError where something else is."""
    found = _get(tree, *names)
    if found is not None and not isinstance(found, list):
        what = f"Expected a list in {'.'.join(names)}, was {show(found)}."
        raise SettingsError(what, todo="Mend it by hand; nothing was changed.")
    return found


def _set_enabled(tree: Any, kind: str, name: str, *, enabled: bool) -> list[str]:
    what = f"{KINDS[kind].capitalize()} {name} is {'enabled' if enabled else 'disabled'}"
    written = _get(tree, kind, name)
    if written is not None and bool((_get(written, "enabled") in (None, True)) == enabled):
        return []
    _set(tree, enabled, kind, name, "enabled")
    if written is None:
        return [f"{what}: added [{kind}.{name}] with enabled = {show(enabled)}."]
    return [f"{what}: [{kind}.{name}] enabled = {show(enabled)}."]


def _join(tree: Any, name: str, drop_threshold: float | None) -> list[str]:
    stage: dict[str, Any] = {"name": name}
    if drop_threshold is not None:
        stage["drop_threshold"] = drop_threshold
    pipeline = _list(tree, *PIPELINE)
    if pipeline is None:
        _set(tree, [stage] if type(tree) is dict else _array(stage), *PIPELINE)
    elif any(_get(other, "name") == name for other in pipeline):
        return []
    else:
        pipeline.append(_like(pipeline, stage))
    return [f"Strategy {name} joined application.models.pipeline as stage {len(_get(tree, *PIPELINE))}."]


def _array(stage: dict[str, Any]) -> Any:
    """[{ name = "..." }], in brackets."""
    import tomlkit

    array = tomlkit.array()
    array.append(_like(array, stage))
    return array


def _like(pipeline: Any, stage: dict[str, Any]) -> Any:
    """As the others of the list are written: `{...}` in brackets, a table under [[...]]."""
    import tomlkit
    from tomlkit.items import Array

    if not isinstance(pipeline, Array):
        return stage
    table = tomlkit.inline_table()
    table.update(stage)
    return table


def _leave(tree: Any, name: str) -> list[str]:
    pipeline = _list(tree, *PIPELINE) or []
    places = [number for number, stage in enumerate(pipeline) if _get(stage, "name") == name]
    for number in reversed(places):
        del pipeline[number]
    return [f"Strategy {name} left application.models.pipeline ({len(pipeline)} left)."] if places else []


def _selector(tree: Any, kind: str) -> tuple[str, ...]:
    """The key that selects; the alias `application.portfolio.allocator` where that is what is written."""
    key = EXCLUSIVE[kind]
    alias = ("application", "portfolio", key)
    return alias if _get(tree, "application", key) is None and _get(tree, *alias) is not None else ("application", key)


def _select(tree: Any, kind: str, name: str) -> list[str]:
    key = _selector(tree, kind)
    before = _get(tree, *key)
    if before == name:
        return []
    _set(tree, name, *key)
    was = f" (was {show(str(before))})" if before is not None else ""
    return [f"{KINDS[kind].capitalize()} {name} is selected: {'.'.join(key)} = {show(name)}{was}."]


def _deselect(tree: Any, kind: str, name: str) -> list[str]:
    key = _selector(tree, kind)
    if _get(tree, *key) != name:
        return []
    del _get(tree, *key[:-1])[key[-1]]
    return [f"{'.'.join(key)} no longer names {name}."]


def _list_rule(tree: Any, name: str, *, listed: bool) -> list[str]:
    rules = _list(tree, "application", "risk_rules")
    if rules is None or (name in rules) == listed:
        return []
    if listed:
        rules.append(name)
        return [f"application.risk_rules now lists {name}."]
    rules.remove(name)
    return [f"application.risk_rules no longer lists {name}."]
