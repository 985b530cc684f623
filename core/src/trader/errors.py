"""Every error that a user can meet.

    TraderError                 exit code 1
    ├── UsageError              2   the command line asked for something that makes no sense
    ├── SettingsError           2   a settings file, an environment variable, a --set
    ├── PluginError             3   a plugin is missing, broken, incompatible, or answered nonsense
    │   ├── PluginMissing           nothing of that name is installed
    │   ├── PluginBroken            it does not load, or raises in provide_*
    │   ├── PluginIncompatible      it was written for another plugin API
    │   ├── PluginConflict          two distributions bring the same name
    │   └── BadAnswer               what it returned has the wrong shape, is infinite or out of range
    ├── DataError               4   bars that nobody can trade on
    │   └── BadPayload              a venue's answer lacks a field, or has one that is wrong
    ├── StoreError              5   the database cannot be read or written
    ├── Refused                 6   it could be done, but it must not be (live without guards, two sessions, ...)
    └── Unreachable             7   a broker or a data source does not answer, after all tries

An illegal step of the program itself is an `AssertionError` (`IllegalTransition`): it halts, it is never handled.
"""

from __future__ import annotations


class TraderError(Exception):
    """A fault with an explanation for a person: where, what (expected and was), what to do."""

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, todo: str | None = None) -> None:
        self.what, self.where, self.todo = what, where, todo
        super().__init__(what, where, todo)

    def __str__(self) -> str:
        """One paragraph: where on its own line, then what, then what to do."""
        if self.where is None:
            return "\n".join(part for part in (self.what, self.todo) if part)
        body = "\n".join(part for part in (self.what, self.todo) if part)
        return self.where + "\n  " + body.replace("\n", "\n  ")


class UsageError(TraderError):
    exit_code = 2


class SettingsError(TraderError):
    exit_code = 2


class PluginError(TraderError):
    exit_code = 3


class PluginMissing(PluginError):
    """Nothing of that kind and name is installed."""


class PluginBroken(PluginError):
    """It does not import, lacks its hook or its Settings, or raised while it was made."""


class PluginIncompatible(PluginError):
    """It was written for another version of the plugin API."""


class PluginConflict(PluginError):
    """Two distributions bring the same kind and name."""


class BadAnswer(PluginError):
    """A plugin's answer has the wrong shape, is infinite, or is out of range."""


class DataError(TraderError):
    exit_code = 4


class BadPayload(DataError):
    """What a venue sent cannot be what it should: `where` ("order"), the field ("" for the whole), expected, was."""

    def __init__(self, where: str, field: str, expected: str, was: object) -> None:
        self.field, self.expected = field, expected
        huge = isinstance(was, int) and was.bit_length() > 1_000  # Python refuses to print longer ones
        seen = f"a whole number of {was.bit_length()} bits" if isinstance(was, int) and huge else ascii(was)
        self.was = seen if len(seen) <= 80 else seen[:77] + "..."
        name = f"{where}.{field}" if field else where
        super().__init__(f"{name}: expected {expected}, was {self.was}.", where=None)


class StoreError(TraderError):
    exit_code = 5


class Refused(TraderError):
    exit_code = 6


class Unreachable(TraderError):
    exit_code = 7


ESCAPES = (Exception, SystemExit)
"""What may escape from a plugin and is answered with the cautious outcome: a plugin does not end a session."""


def escaped(error: BaseException) -> BaseException:
    """What a plugin that was called, and not awaited, let escape: asyncio's own and a client's kind too, which are no
    `Exception`. A person's Ctrl-C is raised again: it may strike in the middle of a plugin."""
    if isinstance(error, KeyboardInterrupt):
        raise error
    return error


class IllegalTransition(AssertionError):
    """The program tried to move an order where the state table has no way. It halts."""


_SECRETS: set[str] = set()
"""What plugins were given of secrets in this process."""
SHORTEST_SECRET = 8
"""A shorter one stands in many a text by chance."""


def keep_secret(value: str) -> None:
    """From now on `redacted` shows it to nobody. A number is an account's, and names it."""
    if len(value) >= SHORTEST_SECRET and not value.isdecimal():
        _SECRETS.add(value)


def redacted(text: str) -> str:
    """The text without secrets: a client's error may quote the request that it was in."""
    for value in tuple(_SECRETS):
        text = text.replace(value, "***")
    return text


def storable(text: str) -> str:
    """A stranger's text without secrets, and with "?" for what no database, no hash and no file takes: half of a
    character, and NUL."""
    return redacted(text).encode("utf-8", "replace").decode().replace("\0", "?")


def words(error: BaseException) -> str:
    """Kind and words of what a plugin let escape; a client's error may fail to say what it is."""
    try:
        said = str(error)
    except ESCAPES:
        said = "it cannot say what it is"
    return storable(f"{type(error).__name__}: {said}")
