"""Folder, distribution, module, entry points and manifest of every member follow from two words; the lock fits them."""

import importlib.metadata
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
KIND_FOLDERS = ("brokers", "strategies", "plugins")

# Entry-point group -> the word that a manifest uses for the kind.
KINDS = {
    "trader.brokers": "broker",
    "trader.strategies": "strategy",
    "trader.risk_rules": "risk_rule",
    "trader.alert_transports": "alert_transport",
    "trader.data_sources": "data_source",
    "trader.allocators": "allocator",
    "trader.execution_styles": "execution_style",
    "trader.services": "service",
}
# First word of a distribution's name after `trader-` -> the group that it must have entry points in.
GROUPS = {
    "broker": "trader.brokers",
    "strategy": "trader.strategies",
    "data": "trader.data_sources",
    "risk": "trader.risk_rules",
    "alert": "trader.alert_transports",
    "allocate": "trader.allocators",
    "execution": "trader.execution_styles",
    "service": "trader.services",
}
# Groups of what is no plugin: it has no manifest.
BESIDE = {"trader.commands", "trader.emulators"}
OUTSIDE_THE_RULE = {"plugins/dashboard", "plugins/emulators"}


def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


WORKSPACE = toml(ROOT / "pyproject.toml")["tool"]["uv"]["workspace"]["members"]
MEMBERS = sorted(
    path.parent.relative_to(ROOT).as_posix() for pattern in WORKSPACE for path in ROOT.glob(f"{pattern}/pyproject.toml")
)
PLUGINS = [member for member in MEMBERS if member != "core"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def project(member: str) -> dict[str, Any]:
    return toml(ROOT / member / "pyproject.toml")["project"]


def distribution(member: str) -> str:
    if member == "core":
        return "trader-core"
    if member in OUTSIDE_THE_RULE:
        return f"trader-{member.split('/')[1]}"
    folder, name = member.split("/")
    return f"trader-{ {'brokers': 'broker-', 'strategies': 'strategy-', 'plugins': ''}[folder] }{name}"


def module(member: str) -> str:
    return "trader" if member == "core" else distribution(member).replace("-", "_")


def entry_points(member: str) -> dict[tuple[str, str], str]:
    groups = project(member).get("entry-points", {})
    return {(group, name): value for group, names in groups.items() for name, value in names.items()}


def normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def test_there_are_members_and_the_scripts_see_the_same_ones() -> None:
    assert "core" in MEMBERS
    assert PLUGINS
    assert sorted(runpy.run_path(str(ROOT / "scripts" / "_setup.py"))["MEMBERS"]) == sorted(WORKSPACE)


def test_every_folder_beside_the_members_is_a_member() -> None:
    folders = {path.relative_to(ROOT).as_posix() for kind in KIND_FOLDERS for path in ROOT.glob(f"{kind}/*/")}
    assert {folder for folder in folders if not folder.split("/")[1].startswith(("_", "."))} == set(PLUGINS)


@pytest.mark.parametrize("member", MEMBERS)
def test_distribution_and_module_follow_from_the_folder(member: str) -> None:
    assert project(member)["name"] == distribution(member)
    sources = [path.name for path in (ROOT / member / "src").iterdir() if not path.name.endswith((".egg-info", ".pth"))]
    assert sources == [module(member)]
    package = ROOT / member / "src" / module(member)
    assert (package / "__init__.py").is_file()
    assert (package / "py.typed").is_file()
    wheel = toml(ROOT / member / "pyproject.toml")["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": [f"src/{module(member)}"]}


@pytest.mark.parametrize("member", PLUGINS)
def test_entry_points_are_of_the_members_kind_and_name_its_own_modules(member: str) -> None:
    points = entry_points(member)
    assert {group for group, _ in points} <= set(KINDS) | BESIDE
    for (_, name), target in points.items():
        value = target.partition(":")[0]  # a command names its function too
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
        assert value == module(member) or value.startswith(module(member) + ".")
        path = ROOT / member / "src" / value.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
    assert len(set(points.values())) == len(points), "one module for each entry point"
    if member in OUTSIDE_THE_RULE:
        return
    kind, _, name = distribution(member).removeprefix("trader-").partition("-")
    own = [point for group, point in points if group == GROUPS[kind]]
    assert own
    if member.startswith(("brokers/", "strategies/")):
        assert name.replace("-", "_") in own


@pytest.mark.parametrize("member", PLUGINS)
def test_the_manifest_has_a_table_for_each_entry_point(member: str) -> None:
    plugins = {(group, name) for group, name in entry_points(member) if group not in BESIDE}
    if not plugins:
        pytest.skip("offers no plugin")
    manifest = toml(ROOT / member / "src" / module(member) / "plugin.toml")
    tables = {(kind, name) for kind, names in manifest.items() for name in names}
    assert tables == {(KINDS[group], name) for group, name in plugins}


def test_an_entry_point_name_is_given_once() -> None:
    names = [point for member in PLUGINS for point in entry_points(member)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("member", MEMBERS)
def test_every_member_has_the_same_metadata_a_readme_and_tests(member: str) -> None:
    metadata = toml(ROOT / member / "pyproject.toml")
    assert metadata["project"]["version"] == project("core")["version"]
    assert metadata["project"]["license"] == "Apache-2.0"
    assert metadata["project"]["requires-python"] == ">=3.11"
    assert metadata["project"]["readme"] == "README.md"
    assert metadata["project"]["description"]
    assert metadata["build-system"]["build-backend"] == "hatchling.build"
    assert set(metadata["tool"]) == {"hatch"}, "tool configuration belongs to the root"
    assert (ROOT / member / "README.md").read_text(encoding="utf-8").strip()
    assert list((ROOT / member / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("member", PLUGINS)
def test_plugins_depend_on_the_core_of_their_version(member: str) -> None:
    major, minor, _ = project("core")["version"].split(".")
    assert f"trader-core>={major}.{minor},<{major}.{int(minor) + 1}" in project(member)["dependencies"]


@pytest.mark.parametrize("member", MEMBERS)
def test_the_installed_member_is_this_one(member: str) -> None:
    assert importlib.metadata.version(distribution(member)) == project(member)["version"]


def test_the_core_says_its_version() -> None:
    import trader

    assert trader.__version__ == project("core")["version"]


def test_no_top_level_folder_is_a_package() -> None:
    tracked = [*ROOT.glob("*/__init__.py"), *(ROOT / member / "__init__.py" for member in MEMBERS)]
    tests = [*ROOT.glob("tests/**/__init__.py"), *(p for m in MEMBERS for p in (ROOT / m).glob("tests/**/__init__.py"))]
    assert [path for path in [*tracked, *tests] if path.exists()] == []


def test_the_licence_is_the_one_that_members_name() -> None:
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_lock_has_hashes_and_no_address() -> None:
    assert "://" not in LOCK
    entries = re.split(r"\n(?=[a-z])", LOCK)[1:]
    assert len(entries) > 20
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("member", MEMBERS)
def test_the_lock_covers_what_the_member_needs(member: str) -> None:
    locked = {normal(line) for line in LOCK.splitlines() if re.match(r"[a-z]", line)}
    extras = [name for names in project(member).get("optional-dependencies", {}).values() for name in names]
    backend = toml(ROOT / member / "pyproject.toml")["build-system"]["requires"]
    needed = {normal(requirement) for requirement in [*project(member)["dependencies"], *extras, *backend]}
    assert needed - locked <= {distribution(member) for member in MEMBERS}


def lock_check(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts" / "lock"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_lock_is_in_step_with_the_metadata() -> None:
    done = lock_check(ROOT)
    assert done.returncode == 0, done.stderr


def test_a_dependency_that_is_not_locked_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ["pyproject.toml", "requirements.lock", *(f"{member}/pyproject.toml" for member in MEMBERS)]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    assert lock_check(tmp_path).returncode == 0
    metadata = tmp_path / "core" / "pyproject.toml"
    text = metadata.read_text(encoding="utf-8")
    metadata.write_text(text.replace("dependencies = [", 'dependencies = [\n  "left-pad",', 1), encoding="utf-8")
    done = lock_check(tmp_path)
    assert done.returncode == 1
    assert "run scripts/lock" in done.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="the check asks git for the files")
def test_an_address_or_a_path_of_the_machine_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    command = [sys.executable, str(tmp_path / "scripts" / "check"), "--only-addresses"]
    clean = subprocess.run(command, capture_output=True, text=True, check=False)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    (tmp_path / "notes.md").write_text(f"fine\nsee py{'pi'}.org\nin {tmp_path}/x\n", encoding="utf-8")
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert [line.split(": ")[0] for line in found.stdout.splitlines() if "notes" in line] == [
        "notes.md:2",
        "notes.md:3",
    ]
