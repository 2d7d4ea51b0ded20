"""CloudEvents over HTTP: what each mode is answered, and what the traffic port takes as one."""

import json

import pytest
from tests.unit.gateway.builders import gateway, post, repo_config

from headgate_gateway.pipeline.tombstone import NO_VALUE

CONFIG = repo_config(endpoints=[{"path": "/ce", "format": "CloudEvents"}])
BINARY = ("ce-id: 1", "CE-Source: /s", "ce-Type: t", "ce-specversion: 1.0")
EVENT = b'{"specversion":"1.0","type":"t","source":"/s","id":"1","data":{"a":1.0}}'
STRUCTURED, BATCH = "application/cloudevents+json", "Application/CloudEvents-Batch+JSON; charset=UTF-8"


async def test_each_mode_becomes_records_of_the_same_kind() -> None:
    async with gateway(CONFIG) as g:
        for request in (
            post(EVENT, f"Content-Type: {STRUCTURED}", path="/ce"),
            post(b"[%b]" % EVENT, f"Content-Type: {BATCH}", path="/ce"),
            post(b'{"a":1.0}', "Content-Type: application/json", *BINARY, path="/ce"),
        ):
            answer = await g.ask(request)
            assert (answer.status, answer.json["accepted"]) == (200, 1)
        assert g.producer.values == [b'{"a":1.0}'] * 3
        for records in g.producer.submitted:
            assert records.row_headers is not None
            assert set(records.row_headers[0]) == {
                ("ce_specversion", b"1.0"),
                ("ce_type", b"t"),
                ("ce_source", b"/s"),
                ("ce_id", b"1"),
                ("content-type", b"application/json"),
            }
        assert (g.counters().received, g.counters().delivered, g.budget.reserved) == (3, 3, 0)


async def test_an_event_without_data_needs_no_body() -> None:
    async with gateway(CONFIG) as g:
        bare = "\r\n".join(["POST /ce HTTP/1.1", "Host: gw", *BINARY, "", ""]).encode()
        for request in (post(b"", *BINARY, path="/ce"), bare):
            assert (await g.ask(request)).status == 200
        assert [value is NO_VALUE for value in g.producer.values] == [True, True]


async def test_a_request_without_anything_says_what_is_missing() -> None:
    async with gateway(CONFIG) as g:
        nothing = await g.ask(post(b"", path="/ce"))
        assert (nothing.status, nothing.json["reason"]) == (400, "InvalidCloudEvent")
        assert "attribute id is missing" in nothing.json["message"]
        empty = await g.ask(post(b"", f"Content-Type: {STRUCTURED}", path="/ce"))
        assert (empty.status, empty.json["reason"]) == (400, "EmptyBody")


async def test_an_empty_batch_is_a_good_one() -> None:
    async with gateway(CONFIG) as g:
        answer = await g.ask(post(b"[]", f"Content-Type: {BATCH}", path="/ce"))
        assert (answer.status, answer.json["accepted"], answer.json["partitions"]) == (200, 0, [])
        assert (g.producer.submitted, g.budget.reserved) == ([], 0)


@pytest.mark.parametrize(
    "media", ["application/cloudevents+avro", "application/cloudevents", "application/cloudevents-batch+xml"]
)
async def test_events_in_another_format_are_415(media: str) -> None:
    async with gateway(CONFIG) as g:
        answer = await g.ask(post(EVENT, f"Content-Type: {media}", *BINARY, path="/ce"))
        assert (answer.status, answer.json["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("media", ["image/png", "application/xml", "multipart/form-data; boundary=x"])
async def test_data_may_be_of_any_type(media: str) -> None:
    async with gateway(CONFIG) as g:
        assert (await g.ask(post(b"\x89PNG", f"Content-Type: {media}", *BINARY, path="/ce"))).status == 200


async def test_the_wrong_version_is_a_400_that_names_it() -> None:
    async with gateway(CONFIG) as g:
        body = json.dumps({**json.loads(EVENT), "specversion": "0.3"}).encode()
        for answer in (
            await g.ask(post(body, f"Content-Type: {STRUCTURED}", path="/ce")),
            await g.ask(post(b"", *BINARY[:3], "ce-specversion: 0.3", path="/ce")),
        ):
            assert (answer.status, answer.json["reason"]) == (400, "InvalidCloudEvent")
            assert "specversion must be 1.0" in answer.json["message"]
