"""Makes the environment of this clone in .venv once, and finds it again in no time.

Standard library only. An old Python must still be able to read this file, to be told that it is too old.
What it does on Windows is written from the documentation and has not been tried there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

WINDOWS = sys.platform == "win32"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if WINDOWS else "bin")
PYTHON = BIN / ("python.exe" if WINDOWS else "python")
STAMP = VENV / ".trader-setup"
WORKERS = str((os.cpu_count() or 1) + 1)  # of pytest: many tests wait for a socket, not for a processor
MEMBERS = ("core", "brokers/*", "strategies/*", "plugins/*")


def ready() -> None:
    """Return when .venv is as requirements.lock and the members want it."""
    if _current():
        return
    try:
        with _alone():
            if not _current():  # another run may have done it while this one waited
                _install()
    except KeyboardInterrupt:
        sys.exit("\nsetup: interrupted; the next run finishes it")
    except subprocess.CalledProcessError as failure:
        sys.exit("setup: this failed: " + " ".join(failure.cmd))


def become(program: Path | str, *arguments: str) -> NoReturn:
    """Run a program in our place: its output, its signals and its exit code are ours."""
    command = [str(program), *arguments]
    sys.stdout.flush()
    if not WINDOWS:
        os.execv(command[0], command)
    child = subprocess.Popen(command)  # a Windows shell does not wait for what was exec'ed
    while True:
        try:
            sys.exit(child.wait())
        except KeyboardInterrupt:  # the child got it too, and decides
            continue


def members() -> list[Path]:
    return sorted(path.parent for pattern in MEMBERS for path in ROOT.glob(pattern + "/pyproject.toml"))


def say(text: str) -> None:
    print("setup: " + text, file=sys.stderr, flush=True)


def _need_python() -> None:
    if sys.version_info >= (3, 11):
        return
    for minor in (14, 13, 12, 11):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            become(found, *sys.argv)
    sys.exit(
        f"trader needs Python 3.11 or newer, and this is {VERSION} ({sys.executable}).\n"
        f"Install a newer one and start this script with it, for example: python3.12 {sys.argv[0]}"
    )


def _stamp(content: str) -> str:
    # A virtual environment works only where it was made, and only with the Python that it was made with.
    return f"{ROOT}\n{VERSION}\n{content}\n"


def _content() -> str:
    digest = hashlib.sha256()
    for path in [LOCK, *(folder / "pyproject.toml" for folder in members())]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _read_stamp() -> str:
    try:
        return STAMP.read_text(encoding="utf-8") if PYTHON.exists() else ""
    except OSError:
        return ""


def _current() -> bool:
    return _read_stamp() == _stamp(_content())


@contextmanager
def _alone() -> Iterator[None]:
    folder = ROOT / ".venv-setup"  # not in .venv, which may be removed and made again
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a+", encoding="utf-8") as handle:
        if not _locked(handle):
            say("waiting for another run that is setting up this clone")
            while not _locked(handle):
                time.sleep(0.2)
        yield  # closing the file unlocks it, and so does the death of this process


def _locked(handle: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _install() -> None:
    if _read_stamp().splitlines()[:2] != _stamp("").splitlines()[:2]:
        _make_venv()
    STAMP.write_text(_stamp("unfinished"), encoding="utf-8")
    content = _content()
    try:
        _install_with(_uv_installer())
    except subprocess.CalledProcessError:
        say("uv did not succeed; trying pip, which has a configuration of its own")
        _install_with(_pip_installer())
    STAMP.write_text(_stamp(content), encoding="utf-8")


def _make_venv() -> None:
    say(f"making .venv with Python {VERSION}")
    if VENV.exists():
        shutil.rmtree(VENV)
    uv = shutil.which("uv")
    if uv and subprocess.call([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)]) == 0:
        return
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        _call(sys.executable, "-m", "venv", VENV)
    else:
        sys.exit(
            "This Python cannot make a virtual environment: it has no ensurepip.\n"
            "On Debian and Ubuntu: sudo apt install python3-venv    (elsewhere: install uv, which needs neither)"
        )


def _uv_installer() -> list[object]:
    uv = shutil.which("uv")
    if uv is None:
        say("getting uv")
        uv_alone = VENV / "uv.lock"
        entry = re.search(r"^uv==.*(?:\n +.*)*", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
        uv_alone.write_text(entry.group() if entry else "uv", encoding="utf-8")
        _call(*_pip_installer(), "--require-hashes", "-r", uv_alone)
        uv = str(BIN / "uv")
    return [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", PYTHON]


def _pip_installer() -> list[object]:
    if subprocess.call([str(PYTHON), "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        _call(PYTHON, "-m", "ensurepip")
    return [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _install_with(install: list[object]) -> None:
    say("installing what requirements.lock names")
    _call(*install, "--require-hashes", "-r", LOCK)
    say(f"installing the {len(members())} members of the workspace")
    editable = [part for folder in members() for part in ("-e", folder)]
    _call(*install, "--no-deps", "--no-build-isolation", *editable)
    # Compiled here, because a machine may forbid Python to do it at run time: a start would take twice as long.
    _call(PYTHON, "-m", "compileall", "-q", *(folder / "src" for folder in members()))


def _call(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=ROOT, stdout=sys.stderr)


_need_python()  # when imported: what follows in the scripts is for a newer Python
