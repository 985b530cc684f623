"""BC-69 to BC-76: push. What comes is a hint; what may have been missed is told by Reset."""

from __future__ import annotations

from typing import Any

from trader.model import Accepted, Fill, Idle, OrderReport, OrderState, Reset
from trader.testing.conformance.broker.venue import EPOCH, BrokerSuite, Reader, needs


class StreamCases(BrokerSuite):
    @needs("wire", "streams")
    def test_bc_69_begins_with_a_reset(self) -> None:
        """Connected: what happened before may be missing."""
        _, reader = self._reading()
        first = next(event for event in reader.events if not isinstance(event, Idle))
        assert isinstance(first, Reset), f"Expected Reset first, was {first!r}."

    @needs("wire", "streams")
    def test_bc_70_shows_that_it_is_alive(self) -> None:
        """Idle at least once a second while nothing happens."""
        broker, reader = self._reading()
        self.eventually(lambda: sum(isinstance(event, Idle) for event in reader.events) >= 3, "three times Idle")
        gaps = [after - before for before, after in zip(reader.moments, reader.moments[1:], strict=False)]
        assert max(gaps) < 2.0, f"Expected something each second, was silent for {max(gaps):.1f} s: {broker!r}."

    @needs("wire", "streams")
    def test_bc_71_tells_of_an_order(self) -> None:
        """Taken, filled: the stream says so under the order's key."""
        broker, reader = self._reading()
        request = self.market(broker)
        assert isinstance(broker.submit(request), Accepted)
        self.trade(broker)
        self.eventually(lambda: self._tells(reader, request.key), "a word about the order")
        self.eventually(lambda: any(_done(event) for event in reader.events), "a word that it was filled")

    @needs("wire", "streams")
    def test_bc_72_comes_back_after_a_break(self) -> None:
        """F41: Reset, and what happens after it comes."""
        broker, reader = self._reading()
        resets = self._resets(reader)
        self.venue.drop_streams()
        self.eventually(lambda: self._resets(reader) > resets, "a Reset after the break", 15.0)
        request = self.market(broker)
        broker.submit(request)
        self.trade(broker)
        self.eventually(lambda: self._tells(reader, request.key), "a word about an order after the break")

    @needs("wire", "streams")
    def test_bc_73_notices_silence(self) -> None:
        """F42: connected, and nothing comes, not even an answer to a ping: Reset once it is back. A setting
        `silence_seconds`, where there is one, is 1 here."""
        if "silence_seconds" in self.loaded().settings.model_fields:
            self.options = {**self.options, "silence_seconds": 1}  # type: ignore[misc]
        _, reader = self._reading()
        resets = self._resets(reader)
        self.venue.mute_streams(4.0)
        self.eventually(lambda: self._resets(reader) > resets, "a Reset after the silence", 20.0)

    @needs("wire", "streams")
    def test_bc_74_what_was_missed_is_found_by_asking(self) -> None:
        """F43: an order filled while the stream was down is in fills and order after the Reset."""
        broker, reader = self._reading()
        request = self.limit(broker)
        broker.submit(request)
        resets = self._resets(reader)
        self.venue.drop_streams()
        self.trade(broker, self.tick_price(broker, "0.75"))
        self.eventually(lambda: self._resets(reader) > resets, "a Reset after the break", 15.0)
        self.eventually(lambda: self.shown(broker, request).state is OrderState.FILLED, "the order filled")
        assert [fill for fill in broker.fills(EPOCH) if fill.key == request.key], "Its fill is not there."

    @needs("wire", "streams")
    def test_bc_75_an_execution_has_one_id_on_every_road(self) -> None:
        """F26: what comes as a Fill by the stream has the id that fills shows."""
        broker, reader = self._reading()
        for number in range(3):
            request = self.market(broker, number)
            broker.submit(request)
            self.filled(broker, request)
        self.eventually(lambda: self._tells(reader, request.key), "a word about the last order")
        asked = {fill.execution_id for fill in broker.fills(EPOCH)}
        pushed = {event.execution_id for event in reader.events if isinstance(event, Fill)}
        assert pushed <= asked, f"By stream {sorted(pushed)}, by query {sorted(asked)}."

    @needs("wire", "streams")
    def test_bc_76_ends_when_it_is_closed(self) -> None:
        """close ends the stream within three seconds, without an error."""
        broker, reader = self._reading()
        broker.close()
        assert reader.ended(3.0), "It still waits, three seconds after close."
        assert reader.error is None, f"It ended with {reader.error!r}."

    # ---- tools -----------------------------------------------------------------------------------------------------
    def _reading(self) -> tuple[Any, Reader]:
        """A broker whose stream is connected and read."""
        broker = self.open()
        reader = Reader(broker)
        self.eventually(lambda: self._resets(reader), "connected", 10.0)
        return broker, reader

    def _resets(self, reader: Reader) -> int:
        return sum(isinstance(event, Reset) for event in reader.events)

    def _tells(self, reader: Reader, key: str) -> bool:
        return any(isinstance(event, Fill | OrderReport) and event.key == key for event in reader.events)


def _done(event: Any) -> bool:
    return isinstance(event, Fill) or (isinstance(event, OrderReport) and event.state is OrderState.FILLED)
