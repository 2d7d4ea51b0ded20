"""The oracle finds each kind of broken promise, and nothing where all were kept."""

from collections.abc import Sequence
from random import Random

import pytest
from tests.faults.answers import Fate
from tests.faults.lines import Sent, build_line, number_of
from tests.faults.oracle import Found, Kind, Terms, Verdict, judge


def line(number: int, key: str | None = "k", *, sender: int = 0, process: int = 0) -> Sent:
    value = build_line(Random(number), number, key)
    return Sent(number, None if key is None else key.encode(), value, sender, process)


def stored(*lines: Sent, partition: int = 0) -> list[Found]:
    return [Found(partition, offset, each.key, each.value) for offset, each in enumerate(lines)]


def verdict(
    sent: Sequence[Sent], found: Sequence[Found], terms: Terms | None = None, fate: Fate = Fate.KAFKA, **fates: Fate
) -> Verdict:
    """All lines have one fate, but those that are named (`n3=...`)."""
    told = {each.number: fates.get(f"n{each.number}", fate) for each in sent}
    return judge(sent, told, found, terms or Terms())


def kinds(of: Verdict) -> list[Kind]:
    return [each.kind for each in of.violations]


A, B, C = line(1), line(2), line(3)


@pytest.mark.parametrize("fate", [Fate.KAFKA, Fate.DISK])
def test_what_was_promised_and_is_there_once_in_order_is_well(fate: Fate) -> None:
    found = verdict([A, B, C], stored(A, B, C), fate=fate)
    assert kinds(found) == []
    assert (found.sent, found.found, found.doubled, found.late) == (3, 3, 0, 0)


@pytest.mark.parametrize("fate", [Fate.KAFKA, Fate.DISK])
def test_a_promised_line_that_is_not_there_is_lost(fate: Fate) -> None:
    found = verdict([A, B, C], stored(A, C), fate=fate)
    assert kinds(found) == [Kind.LOST]
    assert "line 2" in found.violations[0].text


@pytest.mark.parametrize("fate", [Fate.FAILED, Fate.UNKNOWN, Fate.MEMORY])
def test_a_line_without_a_promise_may_be_missing(fate: Fate) -> None:
    assert kinds(verdict([A, B], stored(A), n2=fate)) == []


def test_memory_is_a_promise_where_nothing_was_killed() -> None:
    terms = Terms(promised={Fate.KAFKA, Fate.MEMORY})
    assert kinds(verdict([A, B], stored(A), terms, fate=Fate.MEMORY)) == [Kind.LOST]


def test_a_line_may_be_lost_where_the_gateway_said_that_its_record_is_damaged() -> None:
    assert kinds(verdict([A, B], stored(A), Terms(may_be_lost={2}), fate=Fate.DISK)) == []


def test_a_record_that_nobody_sent_is_strange() -> None:
    assert kinds(verdict([A], stored(A, B))) == [Kind.STRANGE]


def test_bytes_that_are_no_line_are_strange() -> None:
    assert kinds(verdict([A], [*stored(A), Found(0, 1, None, b"\xff")])) == [Kind.STRANGE]


@pytest.mark.parametrize(
    "changed",
    [
        Found(0, 0, b"k", A.value + b" "),
        Found(0, 0, b"k", A.value.replace(b'{"n"', b'{ "n"')),
        Found(0, 0, b"l", A.value),
        Found(0, 0, None, A.value),
    ],
    ids=["a byte more", "a byte within", "another key", "no key"],
)
def test_a_record_with_another_byte_is_altered_and_its_line_lost(changed: Found) -> None:
    assert kinds(verdict([A], [changed])) == [Kind.ALTERED, Kind.LOST]


def test_a_line_told_to_be_surely_unwritten_must_not_be_there() -> None:
    assert kinds(verdict([A, B], stored(A, B), n2=Fate.FAILED)) == [Kind.DENIED]


@pytest.mark.parametrize("fate", [Fate.UNKNOWN, Fate.UNANSWERED])
def test_a_line_of_unknown_fate_may_be_there(fate: Fate) -> None:
    assert kinds(verdict([A, B], stored(A, B), Terms(may_be_unanswered=True), n2=fate)) == []


def test_lines_of_a_key_in_another_order_are_disordered() -> None:
    found = verdict([A, B, C], stored(B, A, C))
    assert kinds(found) == [Kind.DISORDERED]
    assert "line 2 (kafka) of sender 0 at 0:0 is before line 1 (kafka)" in found.violations[0].text


def test_a_line_of_unknown_fate_that_overtakes_a_promised_one_is_disordered() -> None:
    assert kinds(verdict([A, B], stored(B, A), n2=Fate.UNKNOWN)) == [Kind.DISORDERED]


def test_a_line_of_unknown_fate_may_come_late_and_is_counted() -> None:
    found = verdict([A, B, C], stored(B, C, A), n1=Fate.UNKNOWN)
    assert (kinds(found), found.late) == ([], 1)


def test_order_is_that_of_first_occurrences() -> None:
    assert kinds(verdict([A, B], stored(A, B, A), Terms(doubled=1))) == []


@pytest.mark.parametrize(
    "second",
    [line(2, "other"), line(2, None), line(2, sender=1), line(2, process=1)],
    ids=["another key", "no key", "another sender", "another process"],
)
def test_order_holds_within_a_key_a_sender_and_a_process_only(second: Sent) -> None:
    assert kinds(verdict([A, second], stored(second, A))) == []


def test_no_order_is_judged_where_none_is_promised() -> None:
    assert kinds(verdict([A, B], stored(B, A), Terms(promises_order=False))) == []


def test_lines_that_were_set_aside_have_lost_their_place_and_others_have_not() -> None:
    terms = Terms(set_aside={1})
    assert kinds(verdict([A, B, C], stored(B, C, A), terms)) == []
    assert kinds(verdict([A, B, C], stored(C, B, A), terms)) == [Kind.DISORDERED]


def test_a_key_in_two_partitions_is_scattered() -> None:
    found = [*stored(A), *stored(B, partition=1)]
    assert kinds(verdict([A, B], found)) == [Kind.SCATTERED]
    assert kinds(verdict([A, B], found, Terms(one_partition_a_key=False))) == []


def test_keyless_lines_may_be_anywhere_in_any_order() -> None:
    first, second = line(1, None), line(2, None)
    assert kinds(verdict([first, second], [*stored(second), *stored(first, partition=1)])) == []


@pytest.mark.parametrize(("allowed", "expected"), [(1, [Kind.DOUBLED]), (2, [])])
def test_copies_are_at_most_those_that_can_be_explained(allowed: int, expected: list[Kind]) -> None:
    found = verdict([A, B], stored(A, B, B, A), Terms(doubled=allowed))
    assert (kinds(found), found.doubled) == (expected, 2)


def test_a_request_that_is_never_answered_is_overdue() -> None:
    found = verdict([A], [], Terms(may_be_unanswered=True), n1=Fate.OVERDUE)
    assert kinds(found) == [Kind.OVERDUE]


def test_a_connection_that_breaks_is_wrong_where_nobody_ended_the_gateway() -> None:
    assert kinds(verdict([A], [], n1=Fate.UNANSWERED)) == [Kind.UNANSWERED]
    assert kinds(verdict([A], [], Terms(may_be_unanswered=True), n1=Fate.UNANSWERED)) == []


def test_a_verdict_says_in_a_line_what_happened() -> None:
    found = verdict([A, B], stored(A), n2=Fate.FAILED)
    assert str(found) == "2 lines sent (1 failed, 1 kafka); 1 records in Kafka, 0 of them copies"


@pytest.mark.parametrize("seed", range(50))
def test_a_line_is_json_of_one_line_and_knows_its_number(seed: int) -> None:
    value = build_line(Random(seed), seed, "k1" if seed % 2 else None, large=seed % 10 == 0)
    assert number_of(value) == seed
    assert b"\n" not in value
