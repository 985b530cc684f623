"""What `trader init` writes: settings.toml, .env.example and .gitignore."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from trader.errors import SettingsError

TEMPLATES = {"settings.toml": "settings.toml", "env.example": ".env.example", "gitignore": ".gitignore"}
"""Packaged name to the name in the user's folder."""


def init_files(folder: str | Path) -> list[Path]:
    """Writes what is missing into `folder` (made if absent) and answers with the paths written.

    A file that exists is never touched. SettingsError where the folder cannot be written.
    """
    folder = Path(folder)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for packaged, name in TEMPLATES.items():
            text = (files("trader") / "templates" / packaged).read_text(encoding="utf-8")
            path = folder / name
            try:
                with path.open("x", encoding="utf-8", newline="\n") as file:
                    file.write(text)
            except FileExistsError:
                continue
            written.append(path)
    except OSError as error:
        raise SettingsError(
            f"The folder cannot be written: {error.strerror}.", where=str(folder), todo="Choose another folder."
        ) from None
    return written
