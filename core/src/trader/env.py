"""The one door to the world: clock, randomness, sleeping, secrets, files.

A session owns one `World`; each plugin instance is handed a `Door` made from it. A simulation makes a `World` with
another clock and another source of entropy; nothing else in trader asks the operating system for time or chance.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from trader.clock import Clock, SystemClock
from trader.errors import SettingsError, keep_secret, words

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


class Secret:
    """A value that never prints, formats, pickles or serialises; `reveal` where it is used."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a secret cannot be pickled")


@dataclass(frozen=True)
class Secrets:
    """Looks secrets up by name: environment, `.env`, the system's keyring (service "trader"), `.secrets.toml`.

    `folder` holds `.env` and `.secrets.toml`. The latter must be readable by its owner only.
    """

    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    service: str = "trader"

    def find(self, name: str) -> Secret | None:
        """The first source that has it; None if none has."""
        for source in (self._environment, self._dotenv, self._keyring, self._file):
            value = source(name)
            if value:
                return Secret(value)
        return None

    def _environment(self, name: str) -> str | None:
        return self.environ.get(name)

    def _dotenv(self, name: str) -> str | None:
        path = self.folder / ".env"
        if not path.is_file():
            return None
        from dotenv import dotenv_values

        return dotenv_values(path, interpolate=False).get(name)

    def _keyring(self, name: str) -> str | None:
        import keyring
        from keyring.errors import KeyringError

        try:
            return keyring.get_password(self.service, name)
        except KeyringError:  # no keyring on this machine: the next source is asked
            return None

    def _file(self, name: str) -> str | None:
        import tomllib

        path = self.folder / ".secrets.toml"
        if not path.is_file():
            return None
        mode = path.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"Others can read it: its mode is {stat.S_IMODE(mode):o}, expected 600.",
                where=path.name,
                todo=f"Run: chmod 600 {path.name}",
            )
        try:
            value = tomllib.loads(path.read_text("utf-8")).get(name)
        except (ValueError, RecursionError):  # the parser's message may quote a secret
            raise SettingsError("It is not valid TOML.", where=path.name) from None
        except OSError as error:
            raise SettingsError(
                f"It cannot be read: {error.strerror}.", where=path.name, todo="Check its owner and mode."
            ) from None
        if value is not None and not isinstance(value, str):
            raise SettingsError(f"{name} is no text.", where=path.name, todo="Write it in quotes.")
        return value


CALL = threading.local()
"""The call that a lane's thread is in: `until`, the system's monotonic second at which it is given up."""

LET_GO = 5.0
"""Seconds that a plugin may take to close; a thread that hangs in it ends with the process."""


def let_go(thing: Any) -> BaseException | None:
    """Call its `close`, if it has one, beside the calling thread: what it raised, or TimeoutError if it hangs."""
    ends: list[BaseException | None] = []

    def work() -> None:
        CALL.until = SystemClock().monotonic() + LET_GO
        try:
            close = getattr(thing, "close", None)
            if close is not None:
                close()
        except BaseException as error:  # noqa: BLE001 - the others must be closed too
            ends.append(error)
        else:
            ends.append(None)

    thread = threading.Thread(target=work, name="close", daemon=True)
    thread.start()
    thread.join(LET_GO)
    return ends[0] if ends else TimeoutError(f"it did not end within {LET_GO:g} s, and is left to itself")


def _nothing(_name: str) -> None:
    """Nobody dies here."""


@dataclass
class World:
    """What a process may know of the outside: real by default, swapped as a whole by simulations.

    `root` is the folder of the settings file, `state` the folder for everything durable. `market_now` gives market
    time (the session sets it); `seed` seeds every random number of the run; `entropy` names things that must be
    unique in the world (sessions, the nonce of a live journal).
    """

    root: Path
    state: Path
    clock: Clock = field(default_factory=SystemClock)
    entropy: Callable[[int], bytes] = os.urandom
    seed: int = 0
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    market_now: Callable[[], datetime] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    files: dict[str, str] = field(default_factory=dict)
    """Path as written -> sha256 of every file that plugins asked for: part of the run's record."""
    moment: str = ""
    """Seeds `rng` together with the instance's name; the cycle sets it."""
    point: Callable[[str], None] = _nothing
    """Called at named places between two things that a crash could tear apart ("commit>send"): tests die there."""
    make_lane: Callable[[str, float, int], Any] | None = None
    """(name, timeout in seconds, workers) -> a `trader.session.lanes.Lane`; None: worker threads."""
    make_timetable: Callable[[], Any] | None = None
    """() -> a `trader.session.schedule.Timetable`; None: APScheduler, which reads the system's clock."""
    run: Callable[[Coroutine[Any, Any, None]], None] | None = None
    """How a session's loop is run to its end; None: asyncio's own loop."""
    aside: Callable[[Callable[[], None]], None] | None = None
    """Runs long work that nothing waits for; None: a thread."""
    shared: dict[tuple[str, str, Hashable], Any] = field(default_factory=dict)

    def now(self) -> datetime:
        """Market time, aware UTC."""
        return self.market_now() if self.market_now else self.clock.now()

    def rest(self, seconds: float) -> None:
        """Block the calling thread: virtual where the clock is; on the system's clock it ends early at stop."""
        if isinstance(self.clock, SystemClock):
            self.stopping.wait(seconds)
        else:
            self.clock.sleep(seconds)

    def door(
        self, name: str, *, distribution: str, connection: str | None = None, secrets: tuple[str, ...] = ()
    ) -> Door:
        """The door of one plugin instance; `secrets` are the names that its manifest lists."""
        return Door(self, name, connection or name, distribution, secrets)

    def close(self) -> None:
        """Close what plugins shared, newest first; one that fails or hangs does not keep the others."""
        while self.shared:
            key, thing = self.shared.popitem()
            error = let_go(thing)
            if error is not None:
                import structlog

                text = f"close() of what {key[0]} shares raised {words(error)}"
                structlog.get_logger("trader.plugin").error("plugin_fault", text=text)


class Door:
    """What a plugin instance sees of the world (`trader.protocols.Env`)."""

    def __init__(
        self, world: World, name: str, connection: str, distribution: str, secrets: tuple[str, ...] = ()
    ) -> None:
        self.name, self.connection = name, connection
        self._world, self._distribution, self._allowed = world, distribution, secrets
        self._rng: tuple[str, np.random.Generator] | None = None

    @property
    def folder(self) -> Path:
        """Private, durable, archived by --fresh; made when first asked for."""
        path = self._world.state / "plugins" / self.name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def log(self) -> Any:
        import structlog

        return structlog.get_logger("trader.plugin").bind(plugin=self.name)

    @property
    def rng(self) -> np.random.Generator:
        """Seeded from (the run's seed, this name, the cycle): the same draw in a replay."""
        moment = self._world.moment
        if self._rng is None or self._rng[0] != moment:
            import numpy as np

            text = f"{self._world.seed}|{self.name}|{moment}".encode()
            seed = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
            self._rng = (moment, np.random.default_rng(seed))
        return self._rng[1]

    def now(self) -> datetime:
        return self._world.now()

    def sleep(self, seconds: float) -> None:
        """Virtual where the clock is; on the system's clock it ends early when the session stops."""
        self._world.rest(seconds)

    def time_left(self) -> float:
        """Seconds until the lane gives the present call up; 30 outside a lane."""
        until: float | None = getattr(CALL, "until", None)
        return 30.0 if until is None else max(0.0, until - SystemClock().monotonic())

    def secret(self, name: str) -> Secret:
        if name not in self._allowed:
            listed = ", ".join(self._allowed) or "none"
            raise SettingsError(
                f"Plugin '{self.name}' asked for the secret {name},"
                f" which its manifest does not list (listed: {listed})."
            )
        found = Secrets(self._world.root, self._world.environ).find(name)
        if found is None:
            raise SettingsError(
                f"Plugin '{self.name}' needs the secret {name}, and nobody has it.",
                where=name,
                todo=f"Set it in the environment, in .env, in the keyring (keyring set trader {name}), "
                "or in .secrets.toml (mode 600).",
            )
        keep_secret(found.reveal())
        return found

    def file(self, path: str | Path) -> Path:
        full = self._world.root / path
        if not full.exists():
            raise SettingsError(
                f"Plugin '{self.name}' expects a file or folder there, and there is none.",
                where=str(path),
                todo=f"Paths are relative to the settings file's folder, {self._world.root}.",
            )
        if full.is_file():
            with full.open("rb") as stream:
                self._world.files[str(path)] = hashlib.file_digest(stream, "sha256").hexdigest()
        return full

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """One T for (distribution, connection, key), closed with the session."""
        full = (self._distribution, self.connection, key)
        if full not in self._world.shared:
            self._world.shared[full] = make()
        return cast("T", self._world.shared[full])
