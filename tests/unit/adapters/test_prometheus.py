"""The reader against a server on loopback: what counts as a number, and what each fault says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from headgate_operator.adapters.prometheus import ANSWER_LIMIT, IN_FLIGHT, PROBLEM_LIMIT, PrometheusReader, read_answer
from headgate_operator.rollout.model import QueryResult

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def success(kind: str, result: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def sample(value: str) -> dict[str, Any]:
    return {"metric": {"job": "x"}, "value": [1_795_252_200.781, value]}


ONE = success("vector", [sample("1.5")])


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def ask(handler: Handler, **options: Any) -> QueryResult:
    async with serving(handler) as url:
        reader = PrometheusReader(url, **options)
        try:
            return await reader.query("up")
        finally:
            await reader.close()


async def test_the_query_goes_to_the_api_below_the_base_url() -> None:
    seen: list[tuple[str, str, dict[str, Any], str | None]] = []

    async def answer(request: web.Request) -> web.Response:
        form = dict(await request.post())
        seen.append((request.method, request.path, form, request.headers.get("Authorization")))
        return web.json_response(ONE)

    async with serving(answer) as url:
        reader = PrometheusReader(f"{url}/prefix/", timeout=2)
        assert await reader.query('rate(x{a="b"}[60s])') == QueryResult(1.5)
        await reader.close()
    assert seen == [("POST", "/prefix/api/v1/query", {"query": 'rate(x{a="b"}[60s])', "timeout": "2s"}, None)]


async def test_a_token_is_read_for_each_query(tmp_path: Path) -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response(ONE)

    token = tmp_path / "token"
    async with serving(answer) as url:
        reader = PrometheusReader(url, token_file=token)
        assert "No such file" in (await reader.query("up")).problem
        for content in ("first\n", "second"):
            token.write_text(content)
            assert (await reader.query("up")).value == 1.5
        await reader.close()
    assert seen == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (success("vector", [sample("0")]), 0.0),
        (success("vector", [sample("-1e3")]), -1000.0),
        (success("scalar", [1.0, "42"]), 42.0),
        (ONE | {"warnings": ["partial"]}, 1.5),
    ],
    ids=["vector", "exponent", "scalar", "warnings"],
)
def test_one_finite_sample_is_a_number(body: dict[str, Any], value: float) -> None:
    assert read_answer(200, json.dumps(body).encode()) == QueryResult(value)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, success("vector", []), "no series fits the query"),
        (200, success("vector", [sample("1"), sample("2")]), "yields 2 series: aggregate them"),
        (200, success("vector", [sample("NaN")]), "the value is NaN"),
        (200, success("vector", [sample("+Inf")]), "the value is +Inf"),
        (200, success("scalar", [1.0, "NaN"]), "the value is NaN"),
        (200, success("vector", [sample("many")]), "'many' is no number"),
        (200, success("vector", [{"metric": {}, "histogram": [1, {}]}]), "no number but a histogram"),
        (200, success("matrix", [{"metric": {}, "values": []}]), "yields a matrix, not one number"),
        (200, success("string", [1, "x"]), "yields a string"),
        (200, {"status": "success"}, "the answer has no result"),
        (200, {"status": "success", "data": {"resultType": "vector", "result": "x"}}, "yields a vector"),
        (400, {"status": "error", "errorType": "bad_data", "error": "parse error"}, "bad_data: parse error"),
        (503, {"status": "error", "errorType": "timeout", "error": "query timed out"}, "timeout: query timed out"),
        (401, {"message": "no"}, "check the token"),
        (404, "<html>", "status 404, and no answer of Prometheus: check --prometheus-url"),
        (200, "{", "check --prometheus-url"),
        (200, [1], "check --prometheus-url"),
    ],
)
def test_what_is_no_number_says_why(status: int, body: Any, words: str) -> None:
    found = read_answer(status, (body if isinstance(body, str) else json.dumps(body)).encode())
    assert found.value is None
    assert words in found.problem


def test_a_problem_fits_into_a_status() -> None:
    body = {"status": "error", "errorType": "x", "error": "long\n" * 1_000}
    problem = read_answer(400, json.dumps(body).encode()).problem
    assert len(problem) == PROBLEM_LIMIT
    assert "\n" not in problem


async def test_a_server_that_hangs_is_given_up() -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    assert (await ask(hang, timeout=0.1)).problem == "Prometheus did not answer within 0.1s"


async def test_an_answer_without_end_is_not_kept() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b" " * (ANSWER_LIMIT // 16))
        return response

    assert "larger than" in (await ask(flood)).problem


async def test_a_redirect_is_not_followed() -> None:
    paths: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    assert "status 302" in (await ask(redirect)).problem
    assert paths == ["/api/v1/query"]


async def test_a_connection_that_breaks_is_a_problem() -> None:
    async def breaks(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert "Prometheus cannot be asked: ServerDisconnectedError" in (await ask(breaks)).problem
    reader = PrometheusReader("http://127.0.0.1:1")
    assert "Prometheus cannot be asked: ClientConnectorError" in (await reader.query("up")).problem
    await reader.close()


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "broken"])
async def test_certificate_authorities_that_cannot_be_read_are_a_problem(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(ONE)

    assert "Prometheus cannot be asked" in (await ask(answer, ca_file=file)).problem


async def test_a_poll_asks_for_each_text_once_and_for_few_at_a_time() -> None:
    asked: list[str] = []
    now, most = 0, 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        text = str((await request.post())["query"])
        asked.append(text)
        await asyncio.sleep(0.02)
        now -= 1
        return web.json_response(success("vector", [] if text == "q3" else [sample(text[1:])]))

    async with serving(answer) as url:
        reader = PrometheusReader(url)
        queries = {f"name{number}": f"q{number}" for number in range(30)} | {"again": "q7"}
        found = await reader.poll(queries)
        assert await reader.poll({}) == {}
        await reader.close()
    assert sorted(asked) == sorted(f"q{number}" for number in range(30))
    assert 1 < most <= IN_FLIGHT
    assert found["again"] == found["name7"] == QueryResult(7.0)
    assert found["name3"].value is None
    assert len(found) == 31
