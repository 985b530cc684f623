"""Installs the programs that trader is compared to, each in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from _bench.programs import Failed

VERSIONS = {
    "plugins": ("llm==0.36", "datasette==0.65.5"),
    "bt": ("bt==1.4.1",),
    "nautilus": ("nautilus_trader==1.221.0",),
}
"""Environment -> what is installed into it: the versions that the targets were set against."""


def install(folder: Path) -> None:
    """Make what is missing, with uv and its own configuration."""
    beside = Path(sys.executable).with_name("uv.exe" if sys.platform == "win32" else "uv")
    uv = shutil.which("uv") or str(beside)
    for name, packages in VERSIONS.items():
        environment = folder / name
        python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        print(f"{name}: {', '.join(packages)}", flush=True)
        if not python.exists():
            _call(uv, "venv", "--quiet", "--python", sys.executable, str(environment))
        _call(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *packages)


def _call(*command: str) -> None:
    if subprocess.run(command, check=False).returncode:
        raise Failed(f"this failed: {' '.join(command)}")
