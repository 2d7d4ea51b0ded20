"""What endpoints of other formats and answers say over HTTP."""

from typing import Any

import pytest
from tests.unit.gateway.builders import FakeProducer, constraint, expression, gateway, post, repo_config

from headgate_gateway.config import RepoConfig
from headgate_gateway.http.messages import Head, Response
from headgate_gateway.http.upload import BodyUpload
from headgate_gateway.kafka.outcome import FailureReason, Outcome
from headgate_gateway.pipeline.records import Records

PATH = "/post"


def on(endpoint: dict[str, Any], **changes: Any) -> RepoConfig:
    return repo_config(endpoints=[{"path": PATH, **endpoint}], **changes)


OFFSET = {"format": "JSON", "response": "Offset"}


async def test_an_event_is_answered_with_its_offset() -> None:
    wanted = constraint(expression("drop", "DoesNotExist"))
    async with gateway(on(OFFSET, constraint=wanted)) as g:
        for offset in (0, 1):
            answer = await g.ask(post(b'{"a":1}', path=PATH))
            assert (answer.status, answer.body) == (200, b'{"status":"ok","partition":0,"Offset":%d}\n' % offset)
            assert answer.headers["content-type"] == "application/json"
        dropped = await g.ask(post(b'{"drop":1}', path=PATH))
        assert (dropped.status, dropped.body) == (200, b'{"status":"ok","partition":0,"Offset":-1}\n')


async def test_an_event_in_the_dead_letter_has_no_offset_to_tell() -> None:
    async with gateway(on(OFFSET, kafka={"deadLetter": {"topic": "dead"}})) as g:
        assert (await g.ask(post(b"no", path=PATH))).body == b'{"status":"ok","partition":0,"Offset":-1}\n'
        assert (g.producer.submitted[0].topic, g.counters().dead_lettered) == ("dead", 1)


async def test_several_events_have_no_one_offset() -> None:
    async with gateway(on(OFFSET)) as g:
        answer = await g.ask(post(b'[{"a":1},{"a":2}]', path=PATH))
        assert (answer.status, answer.json["reason"]) == (400, "TooManyEvents")
        assert (g.counters().received, g.counters().rejected, g.producer.submitted) == (1, 1, [])


async def test_an_offset_that_never_came_is_a_503() -> None:
    def lose(records: Records) -> Outcome:
        return Outcome(unknown=records.lines, reason=FailureReason.TIMEOUT, reasons={FailureReason.TIMEOUT})

    async with gateway(on(OFFSET), producer=FakeProducer(fate=lose)) as g:
        answer = await g.ask(post(b"{}", path=PATH))
        assert (answer.status, answer.json["reason"]) == (503, "DeliveryTimeout")


@pytest.mark.parametrize("partial", ["Accept", "Reject"])
@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b'{"a":', 400, "InvalidJSON"),
        (b"[{},", 400, "InvalidJSON"),
        (b'{"a":"\xff"}', 400, "InvalidUTF8"),
        (b'"text"', 400, "NotAnObject"),
        (b'{"a":"%b"}' % (b"x" * 300), 413, "LineTooLarge"),
        (b" ", 400, "EmptyBody"),
        (b"[]", 400, "EmptyBody"),
    ],
)
async def test_a_body_that_is_no_events_says_why(body: bytes, status: int, reason: str, partial: str) -> None:
    config = on({"format": "JSON"}, partial=partial, limits={"lineBytes": 256})
    async with gateway(config) as g:
        answer = await g.ask(post(body, path=PATH))
        assert (answer.status, answer.json["reason"]) == (status, reason)
        assert g.counters().received == g.counters().rejected
        assert (g.budget.reserved, g.producer.submitted) == (0, [])


async def test_bad_elements_are_named_by_position() -> None:
    async with gateway(on({"format": "JSON"}, partial="Accept")) as g:
        answer = await g.ask(post(b'[{"a":1},2,{"a":3}]', path=PATH))
        assert (answer.status, answer.json["rejectedLines"], answer.json["accepted"]) == (207, ["2"], 2)
        assert answer.json["lines"][0]["reason"] == "NotAnObject"


PUT = {
    "format": "JSON",
    "response": "Empty",
    "envelope": "BodyData",
    "topicHeader": {"name": "topic", "topics": ["orders", "visits"]},
}


async def test_the_compatibility_endpoint_takes_its_topic_from_a_header() -> None:
    async with gateway(on(PUT), producer=FakeProducer(refused={"visits": "topic visits does not exist"})) as g:
        answer = await g.ask(post(b'{"url":"/a"}', "topic: orders", path=PATH))
        assert (answer.status, answer.body) == (200, b"")
        (records,) = g.producer.submitted
        assert (records.topic, records.values) == ("orders", [rb'{"body_data":"{\"url\":\"\/a\"}"}'])
        missing, other = await g.ask(post(b"{}", path=PATH)), await g.ask(post(b"{}", "topic: t", path=PATH))
        assert (missing.status, missing.json["reason"]) == (400, "MissingTopic")
        assert (other.status, other.json["reason"]) == (403, "TopicNotAllowed")
        twice = await g.ask(post(b"{}", "topic: orders", "topic: visits", path=PATH))
        assert twice.status == 403
        gone = await g.ask(post(b"{}", "Topic: visits", path=PATH))
        assert (gone.status, gone.json["reason"]) == (503, "KafkaRefused")
        assert len(g.producer.submitted) == 1


async def test_endpoints_of_one_repo_have_their_own_formats() -> None:
    config = repo_config(endpoints=[{"path": "/a", "format": "JSON"}, {"path": "/b", "format": "Text"}])
    async with gateway(config) as g:
        assert (await g.ask(post(b'[{"a":1},{"a":2}]', path="/a"))).json["accepted"] == 2
        assert (await g.ask(post(b"any\ntext\n", path="/b"))).json["accepted"] == 2
        assert g.producer.values == [b'{"a":1}', b'{"a":2}', b"any", b"text"]


ALL_DROPPED = {"constraint": constraint(expression("a", "DoesNotExist"))}
LARGE = b'[{"a":"%b"}]' % (b"x" * 50_000)


@pytest.mark.parametrize("format_", ["JSON", "CloudEvents"])
async def test_a_body_that_came_in_pieces_is_held_once_and_its_copy_is_reserved(format_: str) -> None:
    async with gateway(on({"format": format_}, **ALL_DROPPED)) as g:
        head = Head("POST", PATH, {"content-type": b"application/cloudevents-batch+json"}, chunked=True)
        upload = BodyUpload(g.ingest.router[PATH], head, "id", g.ingest.shared)
        body, answers = bytearray(LARGE), list[Response]()
        assert upload.take(len(body)) is None
        upload.complete(body, answers.append)
        assert (len(body), len(answers)) == (0, 1)
        assert g.producer.peak >= 2 * len(LARGE)
        assert (g.producer.reserved, g.budget.reserved) == (0, 0)


async def test_a_body_without_room_for_its_copy_is_refused() -> None:
    async with gateway(on({"format": "JSON"}, **ALL_DROPPED), producer=FakeProducer(limit=90_000)) as g:
        upload = BodyUpload(g.ingest.router[PATH], Head("POST", PATH, {}, chunked=True), "id", g.ingest.shared)
        body, answers = bytearray(LARGE), list[Response]()
        assert upload.take(len(body)) is None
        upload.complete(body, answers.append)
        assert [answer.status for answer in answers] == [503]
        assert (g.producer.submitted, g.producer.reserved, g.budget.reserved) == ([], 0, 0)
