"""What the page says of rounds in which a core was idle, and what is put beside a bar."""

from tests.bench import bodies, runs, spool_async
from tests.bench.loading import Report
from tests.bench.runs import Run
from tests.bench.spooling import Commits
from tests.bench.tables import closed_loop_table


def run_of(name: str, records: int, *, busy: float = 1.0, cpu_seconds: float = 8.0) -> Run:
    report = Report(
        seconds=8,
        statuses={200: records},
        lost=0,
        busy=busy,
        network=0,
        stolen=0,
        load_stolen=0,
        load_busy=0.5,
        cpu_seconds=8 * busy,
        load_cpu_seconds=2,
        sending_seconds=8,
        behind_seconds=0,
        p50_ms=1,
        p99_ms=2,
    )
    return Run(name, records, records, report, resident_mib=50, cpu_seconds=cpu_seconds)


def round_of(*made: Run) -> runs.Round:
    return {each.name: each for each in made}


def test_rounds_in_which_a_core_was_idle_stay_out_where_others_count() -> None:
    busy, idle = round_of(run_of("ours", 2)), round_of(run_of("ours", 1, busy=0.5))
    assert runs.kept([busy, idle], saturating=True) == [busy]
    assert runs.kept([idle], saturating=True) == [idle]
    assert runs.kept([busy, idle], saturating=False) == [busy, idle]


def test_pairs_that_were_not_busy_are_marked_and_told_by_cpu_time_too() -> None:
    idle = round_of(run_of("ours", 100, cpu_seconds=2), run_of("theirs", 100, busy=0.5, cpu_seconds=3))
    busy = round_of(run_of("ours", 100), run_of("theirs", 100))
    text = closed_loop_table({16: [idle], 256: [busy]}, "connections", "requests/s", ["ours", "theirs"])
    assert text.count("†") == 2  # the figure, and the note
    assert "- 16 connections, ours by theirs: 1.50 ×" in text
    assert "- 256" not in text


def test_a_table_in_which_all_were_busy_says_nothing_of_cpu_time() -> None:
    busy = round_of(run_of("ours", 100), run_of("theirs", 100))
    assert "†" not in closed_loop_table({1: [busy]}, "connections", "requests/s", ["ours", "theirs"])


def test_the_bar_of_lingers_is_measured_against_the_fastest_and_the_ceiling_within_each_round() -> None:
    names = ("ours", "franz-go, linger 0s", "franz-go, linger 2ms", "Collector")
    made = round_of(*(run_of(name, records) for name, records in zip(names, (800, 200, 400, 100), strict=True)))
    franz, collector, ceiling = bodies.told_bars(100, bodies.Measured([made], [125.0]), names)
    assert "linger 2ms" in franz
    assert franz.endswith("measured: 2.00 ×")
    assert collector.endswith("measured: 8.00 ×")
    assert ceiling.endswith("measured: 80%")


def test_requests_of_a_commit_are_of_the_rounds_whose_commits_count() -> None:
    rounds = [round_of(run_of(spool_async.DISK, 100)), round_of(run_of(spool_async.DISK, 60))]
    row = spool_async.commit_row("load", spool_async.Series(rounds, Commits({0.001: 30, 0.0025: 40})))
    assert row == ["load", "2", "40", "4.0", "0.7 ms (0 to 1)", "2.4 ms (1 to 2.5)"]
