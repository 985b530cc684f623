"""A warm process: it has imported what a trader needs and opened nothing. Each trader is a fork of it.

A start costs a twentieth of what it costs from nothing, and the trader is a process like any other: SIGKILL leaves of
it what it leaves of any. On stdin, a line of JSON for each trader to start; on stdout, one for each start and end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from crash_harness.child import Life, live

LOOK = 0.005
"""Seconds from one look for the dead to the next, while somebody lives."""


def main() -> None:
    """Until stdin ends; then nobody who was born here lives on."""
    children: set[int] = set()
    rest = b""
    try:
        while True:
            ready, _, _ = select.select([0], [], [], LOOK if children else None)
            if ready:
                got = os.read(0, 65_536)
                if not got:
                    return
                *lines, rest = (rest + got).split(b"\n")
                children |= {_born(json.loads(line)) for line in lines}
            _bury(children)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def _born(given: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _grow_up(given)
    _tell(started=pid)
    return pid


def _grow_up(given: dict[str, Any]) -> None:
    code = 70
    try:
        log = os.open(given["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        empty = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((empty, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        os.chdir(Path(given["life"]["settings"]).parent)
        os.environ.update(given["environ"])
        sys.path[:0] = given["path"]
        code = live(Life(**given["life"]))
    except BaseException:  # noqa: BLE001 - a fork must never fall back into its parent's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _bury(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        _tell(ended=pid, code=os.waitstatus_to_exitcode(status))


def _tell(**facts: int) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    main()
