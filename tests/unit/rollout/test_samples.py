"""What the tracks did since the marks."""

from tests.unit.rollout.builders import NEW, OLD, gauge, totals

from headgate_gateway.config.analysis import WrittenRange
from headgate_operator.rollout.model import Gauge, Marks, Observation, Written
from headgate_operator.rollout.samples import count_all, count_split, count_totals, mark, merge_written


def requests(gauges: list[Gauge], since: list[Gauge]) -> int:
    return count_totals(gauges, since).requests


def test_the_same_process_is_subtracted_in_every_counter() -> None:
    now = gauge("a", 30, errors=3, lost=9, rejected=4, dropped=2, slow=5, excluded=6)
    before = gauge("a", 10, errors=1, lost=2, rejected=1, dropped=1, slow=2, excluded=1)
    assert count_totals([now], [before]) == totals(20, errors=2, lost=7, rejected=3, dropped=1, slow=3, excluded=5)


def test_a_process_that_the_marks_do_not_know_counts_from_zero() -> None:
    assert requests([gauge("a", 30), gauge("b", 7)], [gauge("a", 10)]) == 27


def test_a_process_that_is_gone_counts_nothing() -> None:
    assert requests([gauge("b", 7)], [gauge("a", 10)]) == 7


def test_counters_that_begin_anew_within_a_process_count_from_zero() -> None:
    assert count_totals([gauge("a", 5, errors=1)], [gauge("a", 10)]) == totals(5, errors=1)
    assert count_totals([gauge("a", 12, excluded=1)], [gauge("a", 10, excluded=4)]) == totals(12, excluded=1)
    seen = Observation(
        now=2.0, exists=True, desired=NEW, gauges_canary=(gauge("c", 3),), gauges_stable=(gauge("s", 200),)
    )
    split = count_split(seen, Marks(at=1.0, canary=(gauge("c", 90),), stable=(gauge("s", 190),)))
    assert (split.canary, split.stable) == (3, 10)


def test_another_revision_in_the_same_process_counts_from_zero() -> None:
    assert requests([gauge("a", 30, revision=NEW)], [gauge("a", 10, revision=OLD)]) == 30


def test_a_topic_that_is_new_since_the_marks_is_counted() -> None:
    counted = count_totals([gauge("a", 30, topic="new")], [gauge("a", 10, topic="old")])
    assert (counted.records["new"].total, counted.records["old"].total) == (300, -100)


def test_a_longer_row_of_buckets_keeps_its_tail() -> None:
    short = gauge("a", 5)
    short = Gauge(process="a", sample=short.sample.model_copy(update={"latency": (1,)}))
    assert sum(count_totals([gauge("a", 10)], [short]).latency) == 9


def test_the_split_counts_requests_that_say_nothing_about_a_revision_too() -> None:
    seen = Observation(
        now=2.0, exists=True, desired=NEW,
        gauges_canary=(gauge("c", 20, excluded=10),), gauges_stable=(gauge("s", 200, excluded=70),),
    )  # fmt: skip
    split = count_split(seen, Marks(at=1.0, canary=(gauge("c", 10),), stable=(gauge("s", 100),)))
    assert (split.canary, split.stable, split.total) == (20, 170, 190)
    assert split.interval().holds(0.1)
    assert not split.interval().holds(0.5)


def test_marks_leave_out_what_was_written() -> None:
    span = WrittenRange(topic="events", partition=0, first=1, last=2, records=2)
    seen = Observation(now=2.0, exists=True, desired=NEW, gauges_canary=(gauge("c", 1, written=[span]),))
    assert mark(seen).canary[0].sample.written == ()
    assert count_all(seen.gauges_canary) == 1


def test_what_was_written_is_merged_over_processes_and_time() -> None:
    one = WrittenRange(topic="events", partition=0, first=10, last=20, records=5)
    two = WrittenRange(topic="events", partition=0, first=15, last=40, records=9)
    other = WrittenRange(topic="audit", partition=3, first=1, last=1, records=1)
    present = [gauge("a", 1, written=[one]), gauge("b", 1, written=[two, other])]
    merged = merge_written((Written(topic="events", partition=0, first=2, last=30, records=11),), present)
    assert merged == (
        Written(topic="audit", partition=3, first=1, last=1, records=1),
        Written(topic="events", partition=0, first=2, last=40, records=14),
    )
    assert merge_written(merged, present) == merged
    assert merge_written(merged, ()) == merged
