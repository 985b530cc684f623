"""How much of the account's history is read, and that nothing of it is missed for that."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trader.clock import SystemClock
from trader.env import World
from trader.model import (
    Accepted,
    NotFound,
    OrderRef,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
    Unavailable,
)
from trader.testing.emulation import Mishap

D = Decimal
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LISTS, ORDERS = "GET /orders/", "GET /orders/{id}/"


class Ahead(SystemClock):
    """The machine's clock, and it can be put forward."""

    def __init__(self):
        self.forward = timedelta(0)

    def now(self):
        return super().now() + self.forward

    def monotonic(self):
        return super().monotonic() + self.forward.total_seconds()

    def pass_by(self, **span):
        self.forward += timedelta(**span)


class Story:
    """A broker, its venue, one clock for both, and what was asked."""

    def __init__(self, kit):
        self.clock, self.kit, self.asked, self._numbers = Ahead(), kit, Counter(), 0
        self.windows = []
        self.venue = kit.venue(clock=self.clock)
        self.venue.page_size = 10
        self.venue.doorman.tokens = dict.fromkeys(self.venue.doorman.tokens, self.clock.now() + 1000 * DAY)
        self.broker = self.connect()
        authorized = self.venue.authorized

        def count(asked, call):
            if asked.method == "GET" and call in ("orders", "order"):
                self.asked[LISTS if call == "orders" else ORDERS] += 1
                self.windows.append(asked.query.get("updated_at[gte]"))
            return authorized(asked, call)

        self.venue.authorized = count

    def connect(self):
        where = self.kit._folder
        world = World(root=where, state=where / "state", environ=dict(self.venue.secrets), clock=self.clock)
        self.kit._ends.append(world.close)
        return self.kit.broker(self.kit.door(world))

    def place(self, limit="100", tif="gtc", quantity="1"):
        self._numbers += 1
        name = f"t{self._numbers}"
        request = OrderRequest(name, self.broker.key(name), "main", "AAPL", Side.BUY, D(quantity), OrderType.LIMIT,
                               TimeInForce(tif), D(limit), None, False, Purpose.REBALANCE, D(100),
                               self.clock.now())  # fmt: skip
        outcome = self.broker.submit(request)
        assert isinstance(outcome, Accepted), outcome
        return OrderRef(name, request.key, "AAPL", outcome.venue_id)

    def fill(self, price=99.0):
        self.venue.trade("AAPL", price)

    def filled(self, number=1):
        refs = [self.place() for _ in range(number)]
        self.clock.pass_by(seconds=1)
        self.fill()
        return refs

    def lists(self, question):
        """Lists that were read for a question, and its answer."""
        before = self.asked[LISTS]
        answer = question()
        return self.asked[LISTS] - before, answer


@pytest.fixture
def story(kit):
    return Story(kit)


def rounds(story, number=40, **apart):
    """GETs of what a session asks in `number` cycles, with an order in each."""
    story.asked.clear()
    for _ in range(number):
        story.clock.pass_by(**apart)
        (ref,) = story.filled()
        fills = story.broker.fills(story.clock.now() - DAY)
        assert ref.key in {fill.key for fill in fills}
        assert story.broker.orders() == []
        assert story.broker.order(OrderRef(ref.client_id, ref.key, "AAPL")).state is OrderState.FILLED
    return sum(story.asked.values())


def proven(story):
    """An account whose filter was found to hold."""
    story.filled()
    story.clock.pass_by(minutes=5)
    assert len(story.broker.fills(EPOCH)) == 1 and story.broker._book._memory.trusted


def listed(story, choose):
    """The venue shows these orders only: choose(order, report, asked since)."""
    counter, shown, authorized = story.venue._counter, story.venue._counter._shown, story.venue.authorized
    since = []

    def asked(request, call):
        if call == "orders" and request.method == "GET":
            text = request.query.pop("updated_at[gte]", None)
            since[:] = [datetime.fromisoformat(text) if text else EPOCH]
        return authorized(request, call)

    story.venue.authorized = asked
    counter._shown = lambda: [row for row in shown() if choose(*row, since[0] if since else EPOCH)]


def heal(story):
    del story.venue._counter._shown


# ---- how much is read ----------------------------------------------------------------------------------------------
def test_what_is_read_does_not_grow_with_the_history(story):
    """Reading all that the questions are about took 591 GETs."""
    for _ in range(10):
        story.filled(10)
        story.clock.pass_by(minutes=30)
    assert rounds(story, minutes=15) <= 250


def test_a_history_that_nobody_asks_about_costs_nothing(story):
    for _ in range(10):
        story.filled(10)
    story.clock.pass_by(days=2)
    assert len(story.broker.fills(EPOCH)) == 100 and story.broker.orders() == []
    story.filled()
    story.broker.fills(story.clock.now() - DAY)
    for question in (story.broker.orders, lambda: story.broker.fills(story.clock.now() - DAY)):
        story.clock.pass_by(minutes=1)
        story.filled()
        assert story.lists(question)[0] == 1


def test_what_is_over_and_not_asked_for_is_forgotten(story):
    for _ in range(3):
        story.filled(5)
        story.clock.pass_by(days=2)
    waiting = story.place(limit="90")
    for _ in range(4):
        story.filled()
        story.broker.fills(story.clock.now() - DAY)
        assert [report.key for report in story.broker.orders()] == [waiting.key]
        story.clock.pass_by(days=1)
    assert len(story.broker._book._memory.rows) <= 4
    assert len(story.broker.fills(EPOCH)) == 19


# ---- nothing is missed ---------------------------------------------------------------------------------------------
def test_an_order_that_works_for_weeks_is_shown_and_its_fill_is_found(story):
    proven(story)
    waiting = story.place(limit="80")
    for _ in range(6):
        story.clock.pass_by(days=7)
        story.filled(3)
        assert [report.key for report in story.broker.orders()] == [waiting.key]
        story.broker.fills(story.clock.now() - DAY)
    story.fill(79.0)
    assert waiting.key in {fill.key for fill in story.broker.fills(story.clock.now() - DAY)}
    assert story.broker.orders() == []


def test_a_new_connection_finds_the_old_order_too(story):
    proven(story)
    waiting = story.place(limit="80")
    story.clock.pass_by(days=60)
    story.filled(3)
    story.broker.close()
    story.broker.open()
    assert len(story.broker.fills(story.clock.now() - DAY)) == 3
    assert [report.key for report in story.broker.orders()] == [waiting.key]
    assert isinstance(story.broker.order(OrderRef("t0", story.broker.key("t0"), "AAPL")), NotFound)


def test_an_order_that_is_shown_ten_minutes_late_is_found(story):
    proven(story)
    late = story.place()
    story.fill()
    hidden = story.venue.venue.accepted[-1].venue_id
    listed(story, lambda taken, report, since: taken.venue_id != hidden and report.time >= since)
    story.clock.pass_by(minutes=10)
    story.filled()
    since = story.clock.now() - DAY
    assert len(story.broker.fills(since)) == 2
    heal(story)
    assert late.key in {fill.key for fill in story.broker.fills(since)}


def test_a_venue_whose_clock_is_behind_or_goes_back_hides_nothing(story):
    proven(story)
    for ahead in (300, -300, 0, -600):
        story.venue.skew(ahead)
        (ref,) = story.filled()
        assert ref.key in {fill.key for fill in story.broker.fills(story.clock.now() - DAY)}, ahead
        assert story.broker.orders() == []


def test_F28_a_correction_without_a_new_change_is_seen_within_the_hour(story):
    proven(story)
    story.clock.pass_by(hours=2)
    story.filled()
    since = story.clock.now() - DAY
    story.broker.fills(since)
    first = story.venue.venue.truth_fills()[0].execution_id
    story.venue.venue.correct(first, D("98.50"))
    assert len(story.broker.fills(since)) == 2
    story.clock.pass_by(hours=1)
    assert D("98.50") in {fill.price for fill in story.broker.fills(since)}


def test_F36_an_order_that_is_over_and_renamed_shows_its_fills_once(story):
    proven(story)
    before = story.broker.fills(EPOCH)
    story.venue.venue.rename("V1")
    assert [fill.execution_id for fill in story.broker.fills(EPOCH)] == [fill.execution_id for fill in before]
    assert story.broker.order(OrderRef("t1", story.broker.key("t1"), "AAPL")).state is OrderState.FILLED


@pytest.mark.parametrize("mishap", [Mishap.FAILED, Mishap.TRUNCATED, Mishap.HTML, Mishap.RATE_LIMITED])
def test_what_is_remembered_is_no_answer_by_itself(story, mishap):
    proven(story)
    story.place(limit="90")
    assert len(story.broker.orders()) == 1
    since = story.clock.now() - DAY
    for question in (story.broker.orders, lambda: story.broker.fills(since)):
        story.venue.mishap("orders", mishap)
        assert isinstance(question(), Unavailable)
        story.clock.pass_by(minutes=1)
    assert len(story.broker.orders()) == 1 and len(story.broker.fills(since)) == 1


# ---- the filter is not taken on trust ------------------------------------------------------------------------------
def test_a_filter_that_goes_by_creation_is_noticed_and_nothing_is_missed(story):
    listed(story, lambda taken, report, since: taken.moment >= since)
    waiting = story.place(limit="80")
    story.clock.pass_by(days=20)
    story.filled(3)
    assert [report.key for report in story.broker.orders()] == [waiting.key]
    assert len(story.broker.fills(story.clock.now() - DAY)) == 3
    assert story.broker._book._memory.trusted is False
    story.fill(79.0)
    assert waiting.key in {fill.key for fill in story.broker.fills(story.clock.now() - timedelta(hours=1))}
    assert story.broker.orders() == []


def test_a_filter_that_is_ignored_costs_pages_and_no_truth(story):
    listed(story, lambda taken, report, since: True)
    waiting = story.place(limit="80")
    for _ in range(3):
        story.clock.pass_by(hours=5)
        story.filled(10)
        fills = story.broker.fills(story.clock.now() - timedelta(hours=4))
        assert [report.key for report in story.broker.orders()] == [waiting.key]
        assert len(fills) == 10


def test_a_filter_that_holds_no_more_is_noticed_when_all_is_read_again(story):
    proven(story)
    waiting = story.place(limit="80")
    story.broker.orders()
    since = story.clock.now() - DAY
    story.fill(79.0)  # and this change is not listed for as long as only changes are asked for
    stale = story.venue.venue.accepted[-1].venue_id
    listed(story, lambda taken, report, at: taken.venue_id != stale and report.time >= at)
    for _ in range(3):
        story.clock.pass_by(minutes=15)
        story.filled()
        story.broker.fills(since)
    heal(story)
    story.clock.pass_by(hours=1)
    assert waiting.key in {fill.key for fill in story.broker.fills(since)}
    assert story.broker._book._memory.trusted is False
    story.clock.pass_by(hours=1)
    story.filled()
    assert len(story.broker.fills(since)) == 6


def test_an_account_without_a_change_to_prove_it_by_is_read_further_back(story):
    waiting = story.place(limit="80")
    story.clock.pass_by(days=5)
    assert [report.key for report in story.broker.orders()] == [waiting.key]
    story.windows.clear()
    assert story.broker.fills(story.clock.now() - DAY) == []
    assert datetime.fromisoformat(story.windows[-1]) < story.clock.now() - timedelta(days=100)
