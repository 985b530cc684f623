"""What every function of the terminal passes: nothing is raised, and last_error says why nothing is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trader.errors import DataError
from trader.testing.emulation import Mishap

from trader_emulators.emulator import Unanswered
from trader_emulators.mt5.rows import Rows
from trader_emulators.mt5.server import Line
from trader_emulators.mt5.symbols import BY_NAME, Spec
from trader_emulators.mt5.words import CONNECT, NOT_FOUND, PARAMS, SUCCESS, TROUBLE, Refused, call_argument

if TYPE_CHECKING:
    from trader_emulators.mt5.venue import Mt5Emulator


class Gate:
    """One connection to the terminal."""

    def __init__(self, emulator: Mt5Emulator, line: Line) -> None:
        self._emulator, self._line, self._rows = emulator, line, Rows(emulator)

    def _ask(self, calls: tuple[str, ...], work: Callable[..., Any], *args: Any, failed: Any = None) -> Any:
        """The answer of `work`, or `failed` and why in last_error. `calls`: what the request may serve."""
        emulator = self._emulator
        mishap = emulator.arrived(*calls) if calls else None
        if mishap in {Mishap.LOST, Mishap.LOST_REPLY, Mishap.LATE} and emulator.patience:
            emulator.wait(emulator.patience)
        if mishap in {Mishap.RESET, Mishap.RESET_AFTER}:
            self._line.cut()
        try:
            if mishap is not None:
                raise Refused(*TROUBLE[mishap])
            with emulator.desk:
                answer = work(*args)
        except Unanswered as error:
            if error.mishap is Mishap.RESET:
                self._line.cut()
            self._line.last_error = TROUBLE[error.mishap]
        except Refused as error:
            self._line.last_error = (error.code, error.text)
        except DataError as error:
            self._line.last_error = (PARAMS, str(error))
        else:
            self._line.last_error = SUCCESS
            return answer
        return failed

    def _query(self, calls: tuple[str, ...], work: Callable[..., Any], *args: Any) -> Any:
        """`_ask` of one who must be connected and logged in."""
        return self._ask(calls, self._inside, work, *args)

    def _inside(self, work: Callable[..., Any], *args: Any) -> Any:
        emulator = self._emulator
        if not emulator.initialized:
            raise Refused(CONNECT, "No IPC connection")
        if emulator.revoked or not emulator.authorized:
            raise Refused(*TROUBLE[Mishap.UNAUTHORIZED])
        return work(*args)

    def _spec(self, name: Any) -> Spec:
        spec = BY_NAME.get(call_argument(name, str, "symbol"))
        if spec is None or spec.symbol not in self._emulator.rules:
            raise Refused(NOT_FOUND, "Terminal: Not found")
        return spec
