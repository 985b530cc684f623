"""A settings file from the disk to a tree, with a clear word for everything that files can suffer."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from trader.errors import SettingsError

MAX_BYTES = 5_000_000


def display(path: Path) -> str:
    """A path as people name it: relative to where they are, if it is below."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):  # elsewhere; or the working folder was deleted
        return str(path)


def read_text(path: Path) -> str:
    """The file's text. SettingsError unless it is a regular file of at most 5 MB of clean UTF-8."""
    name = display(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SettingsError("Expected a file, was a folder.", where=name, todo="Move the folder away.")
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError("Expected an ordinary file, was a device or a pipe.", where=name)
        if status.st_size > MAX_BYTES:
            raise SettingsError(
                f"Expected at most {MAX_BYTES // 1_000_000} MB, was {status.st_size / 1e6:.0f} MB.",
                where=name,
                todo="This is not a settings file, or it was overwritten. Restore it.",
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError("There is no such file.", where=name, todo="Run `trader init` to make one.") from None
    except OSError as error:
        raise SettingsError(
            f"The file cannot be read: {error.strerror}.", where=name, todo="Check its owner and mode."
        ) from None
    return _decoded(data, name)


def _decoded(data: bytes, name: str) -> str:
    save = "Save it as UTF-8 without a byte order mark."
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SettingsError("Expected UTF-8, was UTF-16.", where=f"{name}:1:1", todo=save)
    if data.startswith(b"\xef\xbb\xbf"):
        raise SettingsError("The file begins with a byte order mark (BOM).", where=f"{name}:1:1", todo=save)
    if b"\0" in data:
        raise SettingsError(
            "The file has a NUL byte: it was half-written or damaged.",
            where=name + _place(data, data.index(b"\0")),
            todo="Restore it from your last good copy.",
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"Expected UTF-8, was the byte 0x{data[error.start]:02x}.",
            where=name + _place(data, error.start),
            todo=save,
        ) from None


def _place(data: bytes, at: int) -> str:
    start = data.rfind(b"\n", 0, at) + 1
    return f":{data.count(bytes([10]), 0, at) + 1}:{len(data[start:at].decode('utf-8', 'replace')) + 1}"


def parse(text: str, path: Path) -> dict[str, Any]:
    """The TOML tree. SettingsError with line and column if it is not TOML."""
    name = display(path)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError("Brackets are nested too deep.", where=name) from None
    except ValueError as error:  # TOMLDecodeError, and what int() says to a number of 5,000 digits
        message = str(error)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)", message)
        where, todo = name, "Mend the line; nothing was read."
        if place and place[1]:
            where = f"{name}:{place[1]}:{place[2]}"
        elif place:
            last = text.rstrip("\n").split("\n")
            where = f"{name}:{len(last)}:{len(last[-1]) + 1}"
            todo = "The file ends too early: was it half-written? Restore or complete it; nothing was read."
        message = message[: place.start()] if place else message
        if "overwrite" in message or "twice" in message:
            message += " (the same key or table twice)"
        raise SettingsError(f"This is not valid TOML: {message}.", where=where, todo=todo) from None
