"""What can be read from the core's sources without running them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
CORE = ROOT / "core" / "src" / "trader"
LEVELS = ("debug", "info", "warning", "error")


class Member(NamedTuple):
    """A method, a property or an attribute of a class."""

    name: str
    signature: str
    """ "score(history: History) -> Signals", or "lookback: int"."""
    doc: str
    is_method: bool


class Described(NamedTuple):
    """A class as it is written."""

    name: str
    doc: str
    members: list[Member]
    section: str
    """The comment line `# ---- risk ---` that it stands under."""


class Event(NamedTuple):
    """One call that writes a line to the log."""

    name: str
    level: str
    fields: tuple[str, ...]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def classes(path: Path) -> list[Described]:
    """Every public class of a module with its public members, in their order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [node for node in tree(path).body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    return [Described(node.name, ast.get_docstring(node) or "", list(_members(node)), _section(lines, node.lineno))
            for node in found]  # fmt: skip


def _section(lines: list[str], number: int) -> str:
    for line in reversed(lines[:number]):
        if line.startswith("# ---- "):
            return line.strip("# -").strip()
    return ""


def _members(node: ast.ClassDef) -> Iterator[Member]:
    for here, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name):
            default = f" = {ast.unparse(here.value)}" if here.value is not None else ""
            doc = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                doc = str(after.value.value).strip()
            yield Member(here.target.id, f"{here.target.id}: {ast.unparse(here.annotation)}{default}", doc, False)
        elif isinstance(here, ast.FunctionDef) and not _private(here.name):
            returns = ast.unparse(here.returns) if here.returns else "None"
            doc = ast.get_docstring(here) or ""
            if any(ast.unparse(decorator) == "property" for decorator in here.decorator_list):
                yield Member(here.name, f"{here.name}: {returns}", doc, False)
            else:
                arguments = ast.unparse(here.args).removeprefix("self").removeprefix(", ")
                yield Member(here.name, f"{here.name}({arguments}) -> {returns}", doc, True)


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def modules(*folders: Path, without: tuple[str, ...] = ()) -> Iterator[Path]:
    """Every module below these folders, but for folders and files of these names."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            if not set(path.relative_to(folder).parts) & set(without):
                yield path


def words(*without: str) -> frozenset[str]:
    """Every name and every string of the core that is one word: who is used, and who is not."""
    found: set[str] = set()
    for path in modules(CORE, without=without):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                found.add(node.value)
    return frozenset(found)


def events() -> list[Event]:
    """Every event that the core and the members of this workspace can log, by name."""
    members = [path for pattern in ("brokers", "strategies", "plugins") for path in (ROOT / pattern).glob("*/src")]
    found: dict[tuple[str, str], set[str]] = {}
    for path in modules(CORE, *sorted(members), without=("testing",)):
        module = tree(path)
        chosen = _chosen(module)
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and (level := _level(node, chosen)) and node.args:
                for name in _names(node.args[0], module):
                    fields = found.setdefault((name, level), set())
                    fields |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return [Event(name, level, tuple(sorted(fields))) for (name, level), fields in sorted(found.items())]


def _chosen(module: ast.Module) -> dict[ast.expr, str]:
    """Calls of a logging method that was chosen before: `say = log.warning if bad else log.info; say(...)`, or
    `self._say(twice)(...)`."""
    found: dict[ast.expr, str] = {}
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            local = {ast.unparse(node.targets[0]): _levels(node.value)
                     for node in ast.walk(function) if isinstance(node, ast.Assign)}  # fmt: skip
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and node.keywords and _is_event(node):
                    if isinstance(node.func, ast.Call):
                        found[node] = _levels(node.func)
                    elif isinstance(node.func, ast.Name) and node.func.id in local:
                        found[node] = local[node.func.id]
    return found


def _is_event(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)


def _levels(value: ast.expr) -> str:
    levels = {_of_log(node) for node in ast.walk(value) if isinstance(node, ast.expr)} - {""}
    return " or ".join(sorted(levels)) or "varies"


def _of_log(function: ast.expr) -> str:
    """The word info of `self._log.info`; nothing of what is no method of a log."""
    if not isinstance(function, ast.Attribute) or function.attr not in LEVELS:
        return ""
    return function.attr if re.search(r"\b_?log(ger)?$", ast.unparse(function.value)) else ""


def _level(call: ast.Call, chosen: dict[ast.expr, str]) -> str:
    """The level of a call on a logger: `self.log.info(...)`, `env.log.warning(...)`, or one chosen before."""
    return _of_log(call.func) or chosen.get(call, "")


def _names(argument: ast.expr, module: ast.Module) -> list[str]:
    """The event names that an argument can be: a string, or an entry of a table of strings in the same module."""
    if isinstance(argument, ast.Constant):
        return [str(argument.value)]
    table = ast.unparse(argument.value) if isinstance(argument, ast.Subscript) else ""
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if ast.unparse(target) == table:
                return [str(ast.literal_eval(value)) for value in node.value.values]
    raise ValueError(f"no plain event name: {ast.unparse(argument)}")


def capabilities() -> dict[str, str]:
    """Every capability of a manifest that the core reads -> what holds without it."""
    found = {}
    for path in modules(CORE, without=("testing",)):
        for node in ast.walk(tree(path)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "get"
                and ast.unparse(node.func.value).endswith("capabilities")
                and isinstance(node.args[0], ast.Constant)
            ):
                found[str(node.args[0].value)] = ast.unparse(node.args[1]) if len(node.args) > 1 else "not given"
    return dict(sorted(found.items()))


def tree_doc(path: Path) -> str:
    """The docstring of a module."""
    return ast.get_docstring(tree(path)) or ""
