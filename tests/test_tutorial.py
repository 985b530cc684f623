"""A newcomer does what the tutorial says, in an environment and a folder of their own, and sees what it shows."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

from _docs import reading  # noqa: E402

TUTORIAL = ROOT / "docs" / "tutorial" / "first-strategy.md"
OURS = [sysconfig.get_path("scripts"), os.environ["PATH"]]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that has what this one has, and in which something can be installed."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    found = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    paths = {name: str(home) for name in ("base", "platbase")}
    site = Path(sysconfig.get_path("purelib", vars={**sysconfig.get_config_vars(), **paths}, scheme="venv"))
    # addsitedir, because editable installs are .pth files, and those are read in site folders only
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in sys.path if folder.endswith("site-packages")]
    (site / "this_one.pth").write_text("".join(lines), encoding="utf-8")
    return found


def run(command: str, folder: Path, python: Path) -> subprocess.CompletedProcess[str]:
    """One command of a page; stdout and stderr together, as on a screen."""
    program, *rest = command.split()
    starts = {
        "trader": [str(python), "-c", "from trader.cli import main; main()"],
        "pytest": [str(python), "-m", "pytest", "-p", "no:cacheprovider"],
    }
    if program == "uv":  # offline: what is needed to build and run is there
        uv = shutil.which("uv", path=os.pathsep.join(OURS))
        assert uv, "uv is in the lock"
        words = [uv, "pip", "install", "--python", str(python), "--offline", "--no-deps", "--no-build-isolation"]
        assert rest[:2] == ["pip", "install"]
        rest = rest[2:]
    else:
        words = starts[program]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TRADER_", "PYTEST_"))}
    return subprocess.run(
        [*words, *rest],
        cwd=folder,
        env={**env, "PYTHONUTF8": "1", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_the_tutorial_does_what_it_says(tmp_path: Path, python: Path) -> None:
    folder = tmp_path / "rsi-dip"
    folder.mkdir()
    outputs = {}
    for block in reading.blocks(TUTORIAL):
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for step in reading.steps(block):
                done = run(step.command, folder, python)
                outputs[step.command] = done.stdout
                misspelt = "lenght" in step.command
                assert done.returncode == (2 if misspelt else 0), f"{step.command}\n{done.stdout}"
                if step.output:
                    assert reading.says(step.output, done.stdout), f"{step.command} printed\n{done.stdout}"
    tested = outputs["pytest -q"].splitlines()[-1]
    assert "passed" in tested and "failed" not in tested
    assert "rsi_dip" in outputs["trader run --cycles 200"]
    assert (folder / "var" / "archive").is_dir()


def test_what_a_page_shows_is_compared_line_by_line() -> None:
    assert reading.says("a\n...\nb 1 in 3.2 s", "a\nx\ny\nb 1 in 0.4 s\n")
    assert reading.says("rsi ... 5", "rsi dip 5")
    assert not reading.says("a\nb", "a\nc")
    assert not reading.says("equity 10.00", "equity 10.01")
    assert not reading.says("a", "a\nmore")


@pytest.mark.slow
def test_the_readme_shows_what_a_run_prints(tmp_path: Path, python: Path) -> None:
    blocks = [block for block in reading.blocks(ROOT / "README.md") if block.language == "console"]
    shown = {step.command: step.output for block in blocks for step in reading.steps(block)}["python3 scripts/run"]
    lines = [line for line in shown.splitlines() if not line.startswith("setup:")]
    shutil.copy(ROOT / "settings.toml", tmp_path)
    done = run("trader run --fresh", tmp_path, python)
    assert done.returncode == 0, done.stdout
    assert reading.says("\n".join(lines), done.stdout), done.stdout
