"""The same on PostgreSQL, and PostgreSQL itself crashing under a running trader."""

from crash_harness import campaign


def test_kills_at_every_named_point_lose_nothing(tmp_path, nursery, postgres):
    told = campaign.on_postgresql(tmp_path / "trial", nursery, postgres, 12)
    assert told.figures.faults == [] and told.missed == []
    assert told.crashes == 12 and told.figures.orders > 10


def test_F60_postgresql_crashes_under_load(tmp_path, nursery, postgres):
    """The database server dies without a word, twice, and comes back: no order and no fill is lost or doubled."""
    told = campaign.of_postgresql(tmp_path / "trial", nursery, postgres, 2)
    assert told.figures.faults == []
    assert told.crashes == 2 and told.figures.orders > 5
