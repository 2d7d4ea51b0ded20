"""CloudEvents' HTTP 1.1 Web Hooks for Event Delivery 1.0, section 4: a sender asks whether it may deliver here."""

from typing import Any

import pytest
from tests.unit.gateway.builders import gateway, post, repo_config
from tests.unit.gateway.hashes import API_KEYS, BASIC, basic, credentials

from headgate_gateway.config.analysis import RepoSample
from headgate_gateway.http.ingest import Ingest

EVENTS: dict[str, Any] = {"endpoints": [{"path": "/ce", "format": "CloudEvents"}, {"path": "/lines"}]}
ORIGIN = "WebHook-Request-Origin: eventemitter.example.com"


def options(*lines: str, path: str = "/ce") -> bytes:
    return "\r\n".join([f"OPTIONS {path} HTTP/1.1", "Host: gw", *lines, "", ""]).encode()


def sample(ingest: Ingest) -> RepoSample:
    (found,) = ingest.traffic.analysis.samples(("default", "logs"))
    return found


async def test_the_handshake_of_the_specification_is_answered_with_consent() -> None:
    async with gateway(repo_config(**EVENTS)) as g:
        callback = "WebHook-Request-Callback: https://example.com/confirm?id=12345&key=base64"
        answer = await g.ask(options(ORIGIN, callback, "WebHook-Request-Rate: 120"))
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["allow"] == "POST"
        assert answer.headers["webhook-allowed-origin"] == "eventemitter.example.com"
        assert answer.headers["webhook-allowed-rate"] == "120"
        assert (g.counters().requests, g.counters().received, g.producer.submitted) == ({200: 1}, 0, [])


@pytest.mark.parametrize(
    ("asked", "limit", "allowed"),
    [
        (None, None, "*"),
        ("120", None, "120"),
        (None, 10, "600"),
        ("120", 10, "120"),
        ("10000", 10, "600"),
        ("0", None, "*"),
        ("fast", 10, "600"),
    ],
)
async def test_the_rate_is_what_is_asked_for_within_what_a_gateway_takes(
    asked: str | None, limit: int | None, allowed: str
) -> None:
    limits = {"perGateway": {"requestsPerSecond": limit}} if limit else {}
    async with gateway(repo_config(limits=limits, **EVENTS)) as g:
        rate = [f"WebHook-Request-Rate: {asked}"] if asked is not None else []
        assert (await g.ask(options(ORIGIN, *rate))).headers["webhook-allowed-rate"] == allowed


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(options(), id="no origin, as CORS asks"),
        pytest.param(options("WebHook-Request-Origin: <script>"), id="an origin that is no name"),
        pytest.param(options("WebHook-Request-Origin:"), id="an empty origin"),
        pytest.param(options(ORIGIN, ORIGIN), id="two origins"),
        pytest.param(options(ORIGIN, path="/lines"), id="an endpoint of lines"),
        pytest.param(options(ORIGIN).replace(b"OPTIONS", b"GET"), id="another method"),
    ],
)
async def test_anything_else_is_405_with_what_is_allowed(request_bytes: bytes) -> None:
    async with gateway(repo_config(**EVENTS)) as g:
        answer = await g.ask(request_bytes)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert "webhook-allowed-origin" not in answer.headers


async def test_a_handshake_says_nothing_of_a_revision_and_its_connection_goes_on() -> None:
    async with gateway(repo_config(**EVENTS)) as g:
        client = await g.connect()
        client.send(
            options(ORIGIN) + post(b"", "ce-id: 1", "ce-source: /", "ce-type: t", "ce-specversion: 1.0", path="/ce")
        )
        assert [(await client.answer()).status for _ in range(2)] == [200, 200]
        found = sample(g.ingest)
        assert (found.requests, found.excluded) == (1, 1)


@pytest.mark.parametrize(
    ("auth", "line"),
    [(API_KEYS, "Authorization: Bearer k-1"), (BASIC, basic("ann", "s3cret"))],
    ids=["key", "password"],
)
async def test_where_a_key_is_wanted_the_handshake_has_to_give_it(auth: dict[str, Any], line: str) -> None:
    files = credentials(keys={"shipper": "k-1"}, users={"ann": "s3cret"})
    async with gateway(repo_config(auth=auth, **EVENTS), credentials=files) as g:
        assert (await g.ask(options(ORIGIN))).status == 401
        answer = await g.ask(options(ORIGIN, line))
        assert (answer.status, answer.headers["webhook-allowed-rate"]) == (200, "*")
        assert (sample(g.ingest).requests, sample(g.ingest).excluded) == (0, 2)
