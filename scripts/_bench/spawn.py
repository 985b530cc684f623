"""Runs a command and prints what it took, as JSON: {"start", "seconds", "peak_mb", "code"}.

    python -I -S spawn.py OUTPUT COMMAND...

A program of its own and as small as Python can be: on Linux a child's peak memory is at least that of whoever started
it. `start` is seconds since 1970; `peak_mb` is null where the system does not tell it. What the command says goes to
the file OUTPUT.
"""

from __future__ import annotations

import os
import sys
import time


def main(output: str, command: list[str]) -> None:
    if sys.platform == "win32":
        import subprocess

        with open(output, "wb") as stream:  # noqa: PTH123 - pathlib would make this program larger
            start, began = time.time(), time.perf_counter()
            code = subprocess.call(command, stdout=stream, stderr=stream)
        report(start, time.perf_counter() - began, "null", code)
        return
    start, began = time.time(), time.perf_counter()
    to_file = (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    child = os.posix_spawn(command[0], command, os.environ, file_actions=[to_file, (os.POSIX_SPAWN_DUP2, 1, 2)])
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    megabyte = 2**20 if sys.platform == "darwin" else 2**10  # the unit is bytes on macOS, kilobytes elsewhere
    report(start, seconds, str(usage.ru_maxrss / megabyte), os.waitstatus_to_exitcode(status))


def report(start: float, seconds: float, peak: str, code: int) -> None:
    print(f'{{"start": {start!r}, "seconds": {seconds!r}, "peak_mb": {peak}, "code": {code}}}')


main(sys.argv[1], sys.argv[2:])
