"""The lease: one session per PostgreSQL database, by the database's clock."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trader
from sqlalchemy import text
from trader.clock import SystemClock
from trader.errors import Refused, StoreError
from trader.store.lease import Lease, holder, owner

TTL = 0.3


@pytest.fixture
def store(url, opened):
    return opened(url, clock=SystemClock())


def _elapse(store, seconds=60):
    """The database's clock runs on: everybody's lease is so much older."""
    with store.transaction() as connection:
        connection.execute(text("UPDATE lease SET expires_at = expires_at - :past"), {"past": seconds * 10**6})


def test_a_free_lease_is_taken_and_named(store):
    assert holder(store) is None
    lease = store.lock(session="s1")
    assert lease.holder == holder(store) == f"{socket.gethostname()}:{os.getpid()} s1"
    assert lease.epoch == 1
    assert 14 < lease.left() <= 15
    lease.release()
    lease.release()
    assert (holder(store), lease.left(), lease.renew()) == (None, 0, False)


def test_each_owner_has_an_epoch_of_its_own(store):
    epochs = []
    for _ in range(3):
        with Lease(store, owner()).acquire() as lease:
            epochs.append(lease.epoch)
    assert epochs == [1, 2, 3]


def test_F63_a_second_session_is_refused_by_the_name_of_the_living_first(store, opened, url):
    """Two sessions on one PostgreSQL database: the second one sees a renewal and goes, within the lease's time."""
    first = Lease(store, "here:1 s1", 5.0).acquire()
    second = Lease(opened(url, clock=_Renewing(first)), "there:2 s2", 5.0)
    with pytest.raises(Refused, match=r"Another session runs on this database \(here:1 s1\)"):
        second.acquire()
    assert (second.left(), second.renew()) == (0, False)
    assert first.renew()
    with pytest.raises(Refused, match="here:1 s1"):
        second.acquire(patience=0)


class _Renewing(SystemClock):
    """While one waits, the other one renews."""

    def __init__(self, lease):
        self.lease = lease

    def sleep(self, seconds):
        assert self.lease.renew()


def test_F63_the_lease_of_a_dead_session_is_waited_for(store, opened, url):
    """An owner that died renews no more: its place is taken when its lease has ended, and not before."""
    dead = Lease(store, "here:1 s1", TTL).acquire()
    began = SystemClock().monotonic()
    lease = opened(url, clock=SystemClock()).lock(session="s2", ttl=TTL)
    assert SystemClock().monotonic() - began > TTL * 0.8
    assert (lease.epoch, dead.epoch) == (2, 1)
    assert not dead.renew()
    assert dead.left() == 0
    assert lease.renew()


def test_F63_a_lease_that_lasts_longer_than_a_start_waits_is_not_waited_for(store, opened, url):
    """Nobody waits in vain: a start gives up at once, by name."""
    Lease(store, "here:1 s1", 3600).acquire()
    with pytest.raises(Refused, match="here:1 s1"):
        opened(url, clock=_Impatient()).lock(ttl=TTL)


class _Impatient(SystemClock):
    def sleep(self, seconds):
        raise AssertionError("it waits")


def test_a_lease_that_ended_is_renewed_as_long_as_nobody_took_it(store):
    lease = Lease(store, "here:1").acquire()
    _elapse(store)
    assert holder(store) is None
    assert lease.renew()
    assert holder(store) == "here:1"


def test_what_is_left_is_counted_from_before_the_question(store):
    """A slow answer costs the owner, not the others: its clock never runs behind the database's."""

    class Slow(SystemClock):
        moment = 100.0

        def monotonic(self):
            self.moment += 4.0
            return self.moment

    store.clock = Slow()
    lease = Lease(store, "here:1", 15.0).acquire()
    assert lease.left() == 11.0
    assert lease.renew()
    assert [lease.left(), lease.left(), lease.left(), lease.left()] == [11.0, 7.0, 3.0, 0.0]


def test_of_many_that_start_at_once_one_gets_it(store, opened, url):
    stores = [opened(url, clock=SystemClock()) for _ in range(6)]
    got, refused = [], []

    def start(number):
        try:
            got.append(Lease(stores[number], f"here:{number}").acquire(patience=0))
        except Refused as problem:
            refused.append(problem)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(len(stores))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(got), len(refused)) == (1, 5)
    assert holder(store) == got[0].holder


def test_a_busy_writer_does_not_keep_a_lease_from_being_renewed(store):
    lease = Lease(store, "here:1").acquire()
    with store.transaction() as connection:
        connection.execute(text("SELECT count(*) FROM intent"))
        assert lease.renew()


def test_a_server_that_is_away_leaves_the_lease_to_its_end(store, server, url):
    lease = Lease(store, "here:1").acquire()
    name = url.partition("?")[0].rpartition("/")[2]
    server.psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false;")
    with pytest.raises(StoreError):
        lease.renew()
    assert lease.left() > 10
    lease.release()
    assert lease.left() == 0
    server.psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true;")


def test_F63_the_lease_of_a_killed_process_is_free_after_its_time(store, url):
    """kill -9 of the first process: the second one waits for the rest of its lease and starts."""
    program = (
        "import sys, time\nfrom trader.store.database import open_store\n"
        f"held = open_store({url!r}).lock(session='s1', ttl={TTL})\nprint(held.holder, flush=True)\n"
        "while held.renew(): time.sleep(0.02)"
    )
    source = str(Path(trader.__file__).parents[1])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=env) as other:
        name = other.stdout.readline().strip()
        assert name.endswith(f":{other.pid} s1")
        with pytest.raises(Refused, match=str(other.pid)):
            store.lock(ttl=TTL)
        other.kill()
        other.wait()
    assert store.lock(ttl=TTL).epoch == 2
