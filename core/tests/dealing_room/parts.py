"""What a session in a room is made of: its venue's client, its bars, one strategy that wants what the room says."""

from collections import defaultdict, deque

import numpy as np
from pydantic import BaseModel
from trader.model import Bars, ExitIntent, Weights

MINUTE = np.timedelta64(1, "m")
NAN = float("nan")
PRESENT = []
"""The room whose session is being put together."""


class Settings(BaseModel, extra="forbid"):
    book: str = "main"


class Client:
    """The broker. Answers are the venue's unless the room says others; `calls` counts them by name."""

    def __init__(self, room, life, book):
        self._life, self._there = life, room.venues[book].connect()
        self._said, self._room = room.said[book], room
        self.calls = room.calls[book]

    def _ask(self, name, *args):
        self._life.touch()
        self.calls[name] += 1
        self._room.before.get(name, _nothing)(*args)
        planned, real = self._said[name], getattr(self._there, name)
        answer = planned.popleft() if planned else self._room.instead.get(name) or ...
        if answer is ...:
            answer = real(*args)
        elif callable(answer):
            answer = answer(real, *args)
        self._room.after.get(name, _nothing)(*args)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def open(self):
        return self._ask("open")

    def close(self):
        self._there.close()

    def key(self, client_id):
        return client_id

    def account(self):
        return self._ask("account")

    def instruments(self, symbols):
        return self._ask("instruments", symbols)

    def positions(self):
        return self._ask("positions")

    def orders(self):
        return self._ask("orders")

    def order(self, ref):
        return self._ask("order", ref)

    def fills(self, since):
        return self._ask("fills", since)

    def cash_events(self, since):
        return self._ask("cash_events", since)

    def submit(self, order):
        return self._ask("submit", order)

    def cancel(self, ref):
        return self._ask("cancel", ref)


class StreamingClient(Client):
    """One that also tells of orders as things happen to them."""

    def stream_orders(self):
        self._life.touch()
        self.calls["stream_orders"] += 1
        planned = self._said["stream_orders"]
        return iter(planned.popleft()) if planned else self._there.stream_orders()


def _nothing(*_args):
    """Nobody listens."""


class Minutes:
    """Minute bars at the prices of the room, up to now."""

    def __init__(self, room, life):
        self._room, self._life = room, life

    def open(self):
        return None

    def close(self):
        pass

    def symbols(self):
        return self._room.symbols

    def bars(self, symbols, timeframe, start, end):
        self._life.touch()
        planned = self._room.bars_said
        if planned:
            answer = planned.popleft()
            if isinstance(answer, BaseException):
                raise answer
            return answer(self._made(symbols, start, end)) if callable(answer) else answer
        return self._made(symbols, start, end)

    def _made(self, symbols, start, end):
        first, last = (np.datetime64(moment.replace(tzinfo=None), "m") for moment in (start, end))
        ends = np.arange(max(first + MINUTE, last - 30 * MINUTE), last + MINUTE, MINUTE).astype("datetime64[ns]")
        close = np.array([[self._room.price_at(moment, symbol) for symbol in symbols] for moment in ends])
        close = close.reshape(len(ends), len(symbols))
        return Bars(tuple(symbols), "1m", ends - MINUTE, ends, close, close, close, close, np.full_like(close, 1e6))


class Wants:
    """The weights that the room says, and everything that an observer hears."""

    lookback = 1

    def __init__(self, room, book):
        self._room, self._book = room, book

    def score(self, history):
        want = self._room.want if self._book == "main" else self._room.wants[self._book]
        return Weights([want.get(symbol, NAN) for symbol in history.symbols])

    def _hear(self, hook, *args):
        self._room.heard[hook].append(args if len(args) > 1 else args[0])

    def on_alert(self, alert):
        self._room.alerts.append((alert.event, alert.text))

    def on_fill(self, fill):
        self._hear("fill", fill)

    def on_refusal(self, order, refusal):
        self._hear("refusal", order, refusal)

    def on_connection(self, name, connected, reason):
        self._hear("connection", name, connected, reason)

    def on_state_change(self, scope, state, reason):
        self._hear("state", scope, state, reason)

    def on_heartbeat(self, at):
        self._hear("heartbeat", at)

    def on_order(self, order, state):
        self._hear("order", order.client_id, str(state))


class Guards(Wants):
    """The same, with stops at the prices that the room says."""

    def exits(self, history, positions):
        stops = self._room.guard
        return [ExitIntent(one, "guard", stop=stops[one]) for one in history.symbols if one in stops]


class Style:
    """The leg that the room says."""

    def __init__(self, room):
        self._room = room

    def legs(self, trades):
        return (self._room.leg,)


def scripts():
    """Of each book, what is said instead of the venue's answers."""
    return defaultdict(lambda: defaultdict(deque))
