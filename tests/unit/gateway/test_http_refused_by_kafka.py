"""What a request is answered whose lines Kafka did not all take, by why it did not."""

import pytest
from tests.unit.gateway.builders import FakeProducer, gateway, post, repo_config

from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.records import Records

TIMEOUT, DOWN = FailureReason.TIMEOUT, FailureReason.PRODUCER_DOWN
REFUSED, TOO_LARGE, INVALID = FailureReason.REFUSED, FailureReason.RECORD_TOO_LARGE, FailureReason.RECORD_INVALID

CASES = [
    pytest.param((TOO_LARGE,), False, 413, None, id="too large for the topic"),
    pytest.param((INVALID,), False, 400, None, id="not a record that the topic takes"),
    pytest.param((TOO_LARGE, INVALID), False, 400, None, id="some too large, some invalid"),
    pytest.param((REFUSED,), False, 503, "60", id="not authorized"),
    pytest.param((TOO_LARGE, REFUSED), False, 503, "60", id="too large, and not authorized"),
    pytest.param((TOO_LARGE, TIMEOUT), False, 503, "1", id="too large, and others late"),
    pytest.param((TOO_LARGE,), True, 503, "1", id="perhaps written after all"),
    pytest.param((TIMEOUT,), False, 503, "1", id="late"),
    pytest.param((DOWN,), False, 503, "5", id="down"),
]


@pytest.mark.parametrize(("reasons", "unknown", "status", "retry_after"), CASES)
async def test_only_what_may_help_is_invited(
    reasons: tuple[FailureReason, ...], unknown: bool, status: int, retry_after: str | None
) -> None:
    def fate(records: Records) -> Outcome:
        missing = records.lines[1:]
        return Outcome(
            acked=records.lines[:1],
            failed=[] if unknown else missing,
            unknown=missing if unknown else [],
            acks=[PartitionAck("t", 0, 7, 1)],
            reason=reasons[0],
            reasons=set(reasons),
            message="t-0: what Kafka said",
        )

    async with gateway(producer=FakeProducer(fate=fate)) as g:
        answer = await g.ask(post(b"{}\n{}\n{}\n"))
        assert (answer.status, answer.headers.get("retry-after")) == (status, retry_after)
        assert (answer.json["reason"], answer.json["message"]) == (reasons[0].value, "t-0: what Kafka said")
        assert (answer.json["acked"], answer.json["unknown" if unknown else "failed"]) == (["1"], ["2-3"])


EXPLODED = [
    pytest.param((TOO_LARGE,), [], 413, None, id="never taken"),
    pytest.param((INVALID,), [], 400, None, id="no record that the topic takes"),
    pytest.param((REFUSED,), [], 503, "60", id="not authorized"),
    pytest.param((TIMEOUT,), [], 503, "1", id="late"),
    pytest.param((TOO_LARGE,), [1], 503, "1", id="another of its records perhaps written"),
    pytest.param((TOO_LARGE,), [2], 503, "1", id="another line perhaps written"),
]


@pytest.mark.parametrize(("reasons", "unknown", "status", "retry_after"), EXPLODED)
async def test_a_line_of_which_kafka_will_never_take_a_record_is_not_asked_for_again(
    reasons: tuple[FailureReason, ...], unknown: list[int], status: int, retry_after: str | None
) -> None:
    def fate(records: Records) -> Outcome:
        del records
        return Outcome([1], [1], unknown, [PartitionAck("t", 0, 7, 1)], reasons[0], set(reasons), message="said")

    config = repo_config(executors=[{"explode": {"field": "a"}}])
    async with gateway(config, producer=FakeProducer(fate=fate)) as g:
        answer = await g.ask(post(b'{"a":[1,2]}\n{"a":[3]}'))
        assert (answer.status, answer.headers.get("retry-after")) == (status, retry_after)
        assert (answer.json["reason"], answer.json["failed"]) == (reasons[0].value, [])
        assert answer.json["unknown"] == (["1-2"] if unknown == [2] else ["1"])
