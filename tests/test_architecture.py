"""The floors of the core hold, a break of each contract is noticed, and members import only what they declare."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "src" / "trader"
# Imported only when a caller asks for a frame of that library, who then has it.
ON_REQUEST = {"trader-core": {"pandas", "polars"}}
# The plugin API speaks in these: they come with the core that a plugin depends on.
WITH_THE_CORE = {"numpy", "pydantic"}
MEMBERS = [*sorted(path.parent for path in ROOT.glob("*/*/pyproject.toml")), ROOT / "core"]


def lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the root's contracts on the package `trader` in `folder`."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()"]
    return subprocess.run(
        [*command, "--config", str(ROOT / "pyproject.toml"), "--no-cache", "--no-logo", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
    )


def test_the_contracts_hold() -> None:
    done = lint_imports(CORE.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [
        ("floors", "model.py", "import trader.settings"),
        ("floors", "cycle/planted.py", "import trader.session"),
        ("floors", "session/planted.py", "import trader.testing"),
        ("floors", "a_room_without_a_floor.py", "import trader.model"),
        ("rooms", "store/planted.py", "import trader.orders"),
        ("rooms", "simulation/planted.py", "import trader.cycle"),
        ("rooms-store", "cycle/planted.py", "import trader.store"),
        ("decision", "cycle/planted.py", "import time"),
        ("decision", "cycle/planted.py", "from sqlalchemy import select"),
        ("plugin-hosts", "session/planted.py", "from stevedore import named"),
        ("asyncio", "orders/planted.py", "import asyncio"),
    ],
)
def test_a_break_is_noticed(tmp_path: Path, contract: str, file: str, line: str) -> None:
    shutil.copytree(CORE, tmp_path / "trader", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "trader" / file).open("a", encoding="utf-8") as planted:
        planted.write(f"\n{line}\n")
    done = lint_imports(tmp_path, "--contract", contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 broken" in done.stdout


def imported(folder: Path) -> Iterator[str]:
    """The top-level names that the sources of a member import."""
    for path in (folder / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_a_member_imports_only_what_it_declares(member: Path) -> None:
    project = tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for names in project.get("optional-dependencies", {}).values() for name in names]
    requirements = [*project["dependencies"], *extras, *WITH_THE_CORE, project["name"]]
    declared = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", name, maxsplit=1)[0]).lower() for name in requirements}
    providers = importlib.metadata.packages_distributions()
    foreign = set(imported(member)) - set(sys.stdlib_module_names) - ON_REQUEST.get(project["name"], set())
    undeclared = {name for name in foreign if not distributions(name, providers) & declared}
    assert undeclared == set()


def distributions(module: str, providers: Mapping[str, list[str]]) -> set[str]:
    """What to install for a module. An editable install of a member does not list its modules."""
    own = "trader-core" if module == "trader" else module.replace("_", "-")
    return {name.lower().replace("_", "-") for name in providers.get(module, [own])}
