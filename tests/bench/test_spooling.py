"""What the benches of the spool read off /metrics."""

from tests.bench.spooling import Commits, read_state

EXPOSED = """\
# TYPE headgate_spool_backlog_records gauge
headgate_spool_backlog_records{track="stable"} 700.0
# TYPE headgate_spool_records_replayed_total counter
headgate_spool_records_replayed_total{track="stable"} 40.0
# TYPE headgate_spool_commit_seconds histogram
headgate_spool_commit_seconds_bucket{track="stable",le="0.001"} 50.0
headgate_spool_commit_seconds_bucket{track="stable",le="0.002"} 98.0
headgate_spool_commit_seconds_bucket{track="stable",le="+Inf"} 100.0
headgate_spool_commit_seconds_count{track="stable"} 100.0
headgate_spool_commit_seconds_sum{track="stable"} 0.1
# TYPE headgate_records_total counter
headgate_records_total{repo="live",track="stable",fate="delivered"} 30.0
headgate_records_total{repo="live",track="stable",fate="spooled"} 20.0
"""


def test_backlog_replay_and_commits_are_read() -> None:
    state = read_state(EXPOSED)
    assert (state.backlog, state.replayed, state.commits.total) == (700, 40, 100)


def test_records_whose_answers_told_of_the_disk_are_read_by_repo() -> None:
    assert read_state(EXPOSED).on_disk == {"live": 20}


def test_quantiles_are_told_with_the_bounds_that_they_were_taken_between() -> None:
    commits = read_state(EXPOSED).commits
    assert commits.describe(0.74) == "1.5 ms (1 to 2)"
    assert commits.describe(0.99) == "over 2 ms"


def test_quantiles_lie_between_bounds_in_proportion() -> None:
    commits = read_state(EXPOSED).commits
    assert commits.quantile(0.25) == 0.0005
    assert commits.quantile(0.5) == 0.001
    assert commits.quantile(0.74) == 0.0015


def test_what_took_longer_than_the_last_bound_is_told_as_that_bound() -> None:
    assert read_state(EXPOSED).commits.quantile(0.99) == 0.002


def test_only_commits_since_an_earlier_look_count_and_runs_add_up() -> None:
    earlier, later = Commits({0.001: 5, float("inf"): 5}), Commits({0.001: 7, float("inf"): 9})
    assert (later - earlier).counts == {0.001: 2, float("inf"): 4}
    assert (Commits({}) + earlier + later).counts == {0.001: 12, float("inf"): 14}
