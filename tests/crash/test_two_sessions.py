"""A second session on the same store is refused, and told who has it."""

from crash_harness.trial import PATIENCE, Trial


def refused(trial, name):
    first = trial.start()
    trial.trades(first, 2)
    accepted = len(trial.truth().accepted)
    second = trial.start(cycles=1)
    assert second.wait(PATIENCE) == 6
    assert f"Another session runs on this database ({name(first)}" in second.said()
    trial.trades(first, 2)
    assert len(trial.truth().accepted) >= accepted
    first.kill()
    return trial.settle().faults


def test_F63_a_second_session_on_a_file_is_refused(trial):
    """Two sessions on one SQLite file: the second is refused and names the first, which trades on."""
    assert refused(trial, lambda first: f"process {first.pid}") == []


def test_F63_a_second_session_on_a_database_is_refused(tmp_path, nursery, postgres):
    """Two sessions on one PostgreSQL database: the same, by the lease."""
    import socket

    with Trial(tmp_path / "trial", nursery, url=postgres.database("two")) as trial:
        assert refused(trial, lambda first: f"{socket.gethostname()}:{first.pid}") == []
