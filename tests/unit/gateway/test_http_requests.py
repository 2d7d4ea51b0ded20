"""Requests over loopback sockets with a fake producer: status codes, bodies, receipts, counters."""

import re

import pytest
from tests.unit.gateway.builders import (
    FakeProducer,
    chunked,
    constraint,
    expression,
    gateway,
    post,
    repo_config,
)

from headgate_gateway.kafka.outcome import FailureReason, Outcome, PartitionAck
from headgate_gateway.pipeline.records import Records


async def test_a_body_is_answered_with_a_receipt() -> None:
    filtered = repo_config(constraint=constraint(expression("status", "Ge", 400)))
    async with gateway(filtered, producer=FakeProducer(offset=7)) as g:
        answer = await g.ask(post(b'{"status":404}\n{"status":200}\n\n{"status":500}\n', "X-Request-Id: abc-1"))
        assert answer.status == 200
        assert answer.headers["x-request-id"] == "abc-1"
        assert "connection" not in answer.headers
        assert answer.json == {
            "status": "ok",
            "requestId": "abc-1",
            "accepted": 2,
            "dropped": 1,
            "rejected": 0,
            "deadLettered": 0,
            "durability": "kafka",
            "partitions": [{"topic": "t", "partition": 0, "baseOffset": 7, "count": 2}],
        }
        assert g.producer.values == [b'{"status":404}', b'{"status":500}']
        assert g.producer.submitted[0].lines == [1, 4]


async def test_a_body_whose_lines_are_all_dropped_sends_nothing() -> None:
    async with gateway(repo_config(constraint=constraint(expression("a", "Exists")))) as g:
        answer = await g.ask(post(b"{}\n{}\n"))
        assert (answer.status, answer.json["dropped"], answer.json["partitions"]) == (200, 2, [])
        assert g.producer.submitted == []


async def test_an_empty_response_has_no_body() -> None:
    async with gateway(repo_config(endpoints=[{"path": "/x", "response": "Empty"}])) as g:
        answer = await g.ask(post(b"{}", path="/x"))
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")


async def test_a_chunked_body_is_a_body() -> None:
    async with gateway() as g:
        answer = await g.ask(chunked(b'{"a":', b"1}\n{", b"}"))
        assert (answer.status, g.producer.values) == (200, [b'{"a":1}', b"{}"])


async def test_invalid_json_names_its_line_and_sends_nothing() -> None:
    async with gateway() as g:
        answer = await g.ask(post(b'{"a":1}\n\n{"a":\n{}\n[]\n'))
        assert answer.status == 400
        assert answer.json["reason"] == "InvalidLines"
        assert [(line["line"], line["reason"]) for line in answer.json["lines"]] == [
            (3, "InvalidJSON"),
            (5, "NotAnObject"),
        ]
        assert answer.json["rejectedLines"] == ["3", "5"]
        assert answer.json["requestId"] == answer.headers["x-request-id"]
        assert g.producer.submitted == []
        counters = g.counters()
        assert (counters.received, counters.rejected, counters.accepted) == (4, 4, 0)


async def test_partial_accept_sends_the_others_and_names_the_refused() -> None:
    async with gateway(repo_config(partial="Accept")) as g:
        answer = await g.ask(post(b'{"a":1}\noops\n{"a":2}\noops\noops\n'))
        assert answer.status == 207
        assert answer.json["status"] == "partial"
        assert (answer.json["accepted"], answer.json["rejected"]) == (2, 3)
        assert answer.json["rejectedLines"] == ["2", "4-5"]
        assert [line["line"] for line in answer.json["lines"]] == [2, 4, 5]
        assert g.producer.submitted[0].lines == [1, 3]


async def test_partial_accept_with_nothing_left_still_names_every_line() -> None:
    async with gateway(repo_config(partial="Accept")) as g:
        answer = await g.ask(post(b"oops\n" * 300))
        assert (answer.status, answer.json["accepted"], answer.json["rejectedLines"]) == (207, 0, ["1-300"])
        assert len(answer.json["lines"]) == 100


@pytest.mark.parametrize("body", [b"\n", b"\r\n\r\n  \n"])
async def test_a_body_without_lines_is_refused(body: bytes) -> None:
    async with gateway() as g:
        answer = await g.ask(post(body))
        assert (answer.status, answer.json["reason"]) == (400, "EmptyBody")


@pytest.mark.parametrize("request_bytes", [post(b""), chunked(), b"POST /log/repo/logs HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_an_empty_body_is_refused(request_bytes: bytes) -> None:
    async with gateway() as g:
        answer = await g.ask(request_bytes)
        assert (answer.status, answer.json["reason"]) == (400, "EmptyBody")


async def test_a_line_over_the_limit_is_413_and_named() -> None:
    async with gateway(repo_config(limits={"lineBytes": 256})) as g:
        answer = await g.ask(post(b'{}\n{"a":"' + b"x" * 300 + b'"}\n'))
        assert (answer.status, answer.json["reason"], answer.json["rejectedLines"]) == (413, "LineTooLarge", ["2"])
        assert g.producer.submitted == []


async def test_with_partial_accept_a_line_over_the_limit_is_refused_alone() -> None:
    async with gateway(repo_config(limits={"lineBytes": 256}, partial="Accept")) as g:
        answer = await g.ask(post(b'{}\n{"a":"' + b"x" * 300 + b'"}\n'))
        assert (answer.status, answer.json["lines"][0]["reason"]) == (207, "LineTooLarge")
        assert g.producer.values == [b"{}"]


async def test_a_body_over_the_limit_is_413_before_it_is_read() -> None:
    async with gateway(repo_config(limits={"bodyBytes": 1024})) as g:
        client = await g.connect()
        client.send(post(b"", length=2**30))
        answer = await client.answer()
        assert (answer.status, answer.json["reason"], answer.headers["connection"]) == (413, "BodyTooLarge", "close")
        assert await client.closed()


async def test_a_chunked_body_is_413_once_it_is_over_the_limit() -> None:
    async with gateway(repo_config(limits={"bodyBytes": 1024})) as g:
        client = await g.connect()
        client.send(b"POST /log/repo/logs HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"400\r\n" + b"x" * 1024 + b"\r\n1\r\nx\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert await client.closed()
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_a_body_over_the_limit_is_413_even_while_it_is_being_sent() -> None:
    async with gateway(repo_config(limits={"bodyBytes": 1024})) as g:
        answer = await g.ask(post(b"x" * 3_000_000))
        assert answer.status == 413


@pytest.mark.parametrize(
    "path",
    [
        "/log/repo/other",
        "/",
        "/log/repo/logs/",
        "/log/repo/%6Cogs",
        "/log//repo/logs",
        "/log/repo/../repo/logs",
        "/x%zz",
    ],
)
async def test_an_unknown_path_is_404(path: str) -> None:
    async with gateway() as g:
        answer = await g.ask(post(b"{}", path=path))
        assert (answer.status, answer.json["reason"]) == (404, "UnknownRepo")


async def test_a_query_is_no_part_of_the_path() -> None:
    async with gateway() as g:
        assert (await g.ask(post(b"{}", path="/log/repo/logs?x=y"))).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method_is_405_with_allow(method: str) -> None:
    async with gateway() as g:
        answer = await g.ask(f"{method} /log/repo/logs HTTP/1.1\r\nHost: gw\r\n\r\n".encode(), method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert (answer.body == b"") is (method == "HEAD")


async def test_after_a_head_request_the_next_answer_is_in_place() -> None:
    async with gateway() as g:
        client = await g.connect()
        client.send(b"HEAD /log/repo/logs HTTP/1.1\r\nHost: gw\r\n\r\n" + post(b"{}"))
        assert (await client.answer("HEAD")).status == 405
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/jsonl",
        "application/x-ndjson",
        "Application/JSON; charset=utf-8",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    ],
)
async def test_content_types_that_clients_put_on_lines(content_type: str) -> None:
    async with gateway() as g:
        assert (await g.ask(post(b"{}", f"Content-Type: {content_type}"))).status == 200


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=x", "application/xml", "application/protobuf", "x"]
)
async def test_another_content_type_is_415(content_type: str) -> None:
    async with gateway() as g:
        answer = await g.ask(post(b"{}", f"Content-Type: {content_type}"))
        assert (answer.status, answer.json["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(("encoding", "status"), [("br", 415), ("identity", 200), ("identity, gzip", 415)])
async def test_content_encoding(encoding: str, status: int) -> None:
    async with gateway() as g:
        assert (await g.ask(post(b"{}", f"Content-Encoding: {encoding}"))).status == status


async def test_status_on_the_traffic_port_says_ok() -> None:
    async with gateway() as g:
        answer = await g.ask(b"GET /status HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert (answer.status, answer.body) == (200, b"ok\n")
        assert (await g.ask(post(b"{}", path="/status"))).status == 405
        assert (await g.ask(b"GET /metrics HTTP/1.1\r\nHost: gw\r\n\r\n")).status == 404


@pytest.mark.parametrize("given", ["a b", "x" * 129, "a\u00e9", '"quoted"'])
async def test_an_odd_request_id_is_replaced(given: str) -> None:
    async with gateway() as g:
        answer = await g.ask(post(b"{}", f"X-Request-Id: {given}"))
        assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", answer.headers["x-request-id"])


async def test_traceparent_travels_into_the_records() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with gateway() as g:
        await g.ask(post(b"{}", f"traceparent: {trace}"))
        assert g.producer.submitted[0].headers == (("traceparent", trace.encode()),)


def three_fates(records: Records) -> Outcome:
    return Outcome(
        acked=records.lines[:40],
        failed=[57],
        unknown=[*records.lines[40:56], *records.lines[57:]],
        acks=[PartitionAck("t", 1, 100, 40)],
        reason=FailureReason.TIMEOUT,
        message="broker 1 did not answer",
    )


async def test_lines_that_kafka_did_not_take_are_named_by_fate() -> None:
    async with gateway(producer=FakeProducer(fate=three_fates)) as g:
        answer = await g.ask(post(b"{}\n" * 60))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json["reason"] == "DeliveryTimeout"
        assert answer.json["message"] == "broker 1 did not answer"
        assert (answer.json["acked"], answer.json["failed"]) == (["1-40"], ["57"])
        assert answer.json["unknown"] == ["41-56", "58-60"]
        assert answer.json["partitions"] == [{"topic": "t", "partition": 1, "baseOffset": 100, "count": 40}]
        counters = g.counters()
        assert (counters.delivered, counters.failed, counters.unknown, counters.in_flight) == (40, 1, 19, 0)
        assert counters.requests == {503: 1}


async def test_a_producer_known_to_be_down_is_503_at_once_and_others_work() -> None:
    down = FakeProducer(down="no broker answers")
    async with gateway(producer=down) as g:
        answer = await g.ask(post(b"{}"))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, "ProducerDown", "5")
        assert "no broker answers" in answer.json["message"]
        assert down.submitted == []
        down.down = None
        assert (await g.ask(post(b"{}"))).status == 200


async def test_a_topic_known_to_be_missing_is_503_before_any_memory_is_held() -> None:
    producer = FakeProducer(refused={"t": "topic t does not exist"})
    async with gateway(producer=producer) as g:
        answer = await g.ask(post(b"{}"))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, "KafkaRefused", "5")
        assert (producer.submitted, producer.peak) == ([], 0)
        producer.refused.clear()
        assert (await g.ask(post(b"{}"))).status == 200


async def test_lines_and_records_are_conserved() -> None:
    config = repo_config(partial="Accept", constraint=constraint(expression("a", "Ge", 1)))
    async with gateway(config) as g:
        client = await g.connect()
        for _ in range(20):
            client.send(post(b'{"a":1}\n{"a":0}\noops\n\n{"a":2}\n'))
            assert (await client.answer()).status == 207
        counters = g.counters()
        assert (counters.received, counters.accepted, counters.dropped, counters.rejected) == (80, 40, 20, 20)
        assert (counters.delivered, counters.in_flight) == (40, 0)


async def test_large_bodies_are_processed_in_turns_and_whole() -> None:
    body = b"".join(b'{"n":%d,"pad":"%b"}\n' % (n, b"x" * 300) for n in range(5_000))
    async with gateway() as g:
        answer = await g.ask(post(body))
        assert (answer.status, answer.json["accepted"]) == (200, 5_000)
        assert b"".join(value + b"\n" for value in g.producer.values) == body
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)
