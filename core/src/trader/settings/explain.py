"""pydantic's findings in words for people: where, what was expected, what it was, what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from trader.errors import SettingsError
from trader.settings.check import show
from trader.settings.faults import Key, dotted, nearest, raise_all, unknown

if TYPE_CHECKING:
    from trader.settings.layers import Raw

M = TypeVar("M", bound=BaseModel)

_PLAIN = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "string": "text in quotes",
    "list": "a list in brackets",
    "tuple": "a list in brackets",
    "model": "a table",
    "dict": "a table",
    "date": "a date such as 2024-01-31",
    "datetime": "a date and time such as 2024-01-31T16:00:00Z",
    "finite": "a finite number",
}
_COMPARED = {
    "greater_than_equal": "a number from {ge} on",
    "greater_than": "a number above {gt}",
    "less_than_equal": "a number up to {le}",
    "less_than": "a number below {lt}",
    "string_too_short": "text that is not empty",
    "too_short": "a list of at least {min_length}",
    "string_pattern_mismatch": "text of the form {pattern}",
}


def validate(model: type[M], data: Mapping[str, Any], at: Sequence[str], raw: Raw) -> M:
    """`data` (the tree at the key `at` of `raw`) as a model; a SettingsError that tells every fault otherwise."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise_all([fault for fault, _ in explain(error, model, tuple(at), raw)])
        raise AssertionError("a validation error without errors") from error


def explain(error: ValidationError, model: type[BaseModel], at: Key, raw: Raw) -> Iterator[tuple[SettingsError, Key]]:
    """One error for each setting that is wrong, and the setting."""
    groups: dict[Key, list[_Finding]] = {}
    for found in error.errors(include_url=False):
        finding = _find(model, found)
        groups.setdefault(finding.key, []).append(finding)
    for key, findings in groups.items():
        yield _explain_one(findings, at + key, model, at, raw), at + key


@dataclass(frozen=True, slots=True)
class _Finding:
    key: Key
    field: FieldInfo | None
    owner: type[BaseModel] | None
    """The model in which the last name of `key` stands or should stand."""
    found: Mapping[str, Any]


def _find(model: type[BaseModel], found: Mapping[str, Any]) -> _Finding:
    """Follows pydantic's location through the models; names that it made up for branches of a union fall away."""
    annotation: Any = model
    key: Key = ()
    field: FieldInfo | None = None
    owner: type[BaseModel] | None = None
    for part in found["loc"]:
        values, inner = _values_in(annotation), _model_in(annotation)
        if isinstance(part, int):
            key = (*key, part)
        elif values is not None:
            key, annotation, field, owner = (*key, part), values, None, None
        elif inner is not None and part != inner.__name__:
            owner, field = inner, inner.model_fields.get(part)
            key, annotation = (*key, part), field.annotation if field else None
    return _Finding(key, field, owner, found)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of `X`, `X | None`, `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _values_in(annotation: Any) -> Any:
    """The X of `dict[str, X]` and `dict[str, X] | None`."""
    if get_origin(annotation) in (dict, Mapping):
        return get_args(annotation)[1]
    if get_origin(annotation) in (Union, UnionType):
        return next((v for v in map(_values_in, get_args(annotation)) if v is not None), None)
    return None


def _explain_one(findings: Sequence[_Finding], key: Key, model: type[BaseModel], at: Key, raw: Raw) -> SettingsError:
    """Several findings for one setting are the branches of a union: any of them would do."""
    first = findings[0]
    where, kind, was = raw.where(key), str(first.found["type"]), first.found.get("input")
    if kind == "extra_forbidden":
        return _unknown(key, first.owner, where, model, at)
    if kind == "missing":
        return SettingsError(f"'{key[-1]}' is missing.", where=where, todo=f"Add it: {_describe(first.field)}.")
    if kind in ("value_error", "assertion_error"):
        return SettingsError(str(first.found.get("ctx", {}).get("error", first.found["msg"])), where=where)
    expected = " or ".join(dict.fromkeys(_expected(finding) for finding in findings))
    write = next(filter(None, (_suggest(str(f.found["type"]), was, f.field) for f in findings)), None)
    return SettingsError(f"Expected {expected}, was {show(was)}." + (f" Write {write}." if write else ""), where=where)


def _unknown(key: Key, owner: type[BaseModel] | None, where: str, model: type[BaseModel], at: Key) -> SettingsError:
    name = str(key[-1])
    table = f"[{dotted(key[:-1])}]" if len(key) > 1 else "the settings"
    what, known = f"There is no setting '{name}' in {table}.", list(owner.model_fields) if owner else []
    below = [key[:-1] + home for home in _homes(owner, name, ())] if owner else []
    homes = below or [at + home for home in _homes(model, name, ())]
    if not homes:
        return unknown(where, what, name, known)
    belongs = " or ".join(dotted(home) for home in homes)
    return SettingsError(
        f"{what} It belongs to {belongs}.", where=where, todo=f"Allowed here: {', '.join(sorted(known))}."
    )


def _homes(model: type[BaseModel], name: str, at: Key) -> Iterator[Key]:
    """Where in the whole tree of tables a setting of that name stands."""
    for field_name, field in model.model_fields.items():
        if get_origin(field.annotation) is dict:
            continue
        if field_name == name:
            yield (*at, field_name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _homes(field.annotation, name, (*at, field_name))


def _describe(field: FieldInfo | None) -> str:
    return (field.description or "it is required").rstrip(".") if field else "it is required"


def _expected(finding: _Finding) -> str:
    field, kind = finding.field, str(finding.found["type"])
    extra = field.json_schema_extra if field else None
    if isinstance(extra, dict) and "expected" in extra:
        return str(extra["expected"])
    if kind == "literal_error":
        choices = [f'"{choice}"' for choice in _choices(field)]
        return choices[0] if len(choices) == 1 else "one of " + ", ".join(choices)
    bounds = _bounds(field)
    if kind in _COMPARED:
        return bounds or _COMPARED[kind].format(**finding.found.get("ctx", {}))
    if kind.startswith("int") and bounds:
        return bounds.replace("a number", "a whole number")
    if kind.startswith("float") and bounds:
        return bounds
    plain = next((text for start, text in _PLAIN.items() if kind.startswith(start)), None)
    message = str(finding.found["msg"])
    return plain or message[:1].lower() + message[1:]


def _bounds(field: FieldInfo | None) -> str | None:
    """The limits of a number in words."""
    limits: dict[str, Any] = {}
    for rule in _rules(field):
        limits.update({name: getattr(rule, name) for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)})
    if "ge" in limits and "le" in limits:
        return f"a number from {limits['ge']} to {limits['le']}"
    words = {"ge": "from {} on", "gt": "above {}", "le": "up to {}", "lt": "below {}"}
    parts = [words[name].format(value) for name, value in limits.items()]
    return f"a number {' and '.join(parts)}" if parts else None


def _rules(field: FieldInfo | None) -> Iterator[Any]:
    """The constraints of a field, also those inside `Annotated[...] | ...`."""
    if field is None:
        return
    yield from field.metadata
    for inner in get_args(field.annotation):
        for rule in getattr(inner, "__metadata__", ()):
            yield from rule.metadata if isinstance(rule, FieldInfo) else (rule,)


def _choices(field: FieldInfo | None) -> list[str]:
    found: list[str] = []
    waiting = [field.annotation] if field else []
    while waiting:
        annotation = waiting.pop(0)
        if get_origin(annotation) is Literal:
            found += [str(choice) for choice in get_args(annotation)]
        else:
            waiting += list(get_args(annotation))
    return found


def _suggest(kind: str, was: Any, field: FieldInfo | None) -> str | None:
    """What to write in its place, where that can be told."""
    if kind == "literal_error":
        choices = _choices(field)
        meant = choices[0] if len(choices) == 1 else nearest(was, choices) if isinstance(was, str) else None
        return show(meant) if meant else None
    if kind.startswith("bool"):
        word = str(was).strip().lower()
        return {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}.get(
            word, word if word in ("true", "false") else None
        )
    if kind.startswith(("int", "float", "decimal")) and isinstance(was, str):
        return _number(was, whole=kind.startswith("int"))
    if kind == "less_than_equal" and _bounds(field) == "a number from 0 to 1" and isinstance(was, int | float):
        return format(Decimal(str(was)) / 100, "f") if was <= 100 else None
    if kind.startswith("string") and isinstance(was, int | float):
        return show(str(was))
    if kind.startswith(("list", "tuple")) and isinstance(was, str):
        return show([part.strip() for part in was.split(",") if part.strip()])
    return None


def _number(text: str, *, whole: bool) -> str | None:
    """The number in "2%", "20,000" or " 5 ", exactly."""
    plain = text.strip().replace("_", "")
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    match = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\s*(%?)", plain)
    if not match:
        return None
    number = Decimal(match[1]) / (100 if match[2] else 1)
    if whole and number != int(number):
        return None
    return format(number, "f")
