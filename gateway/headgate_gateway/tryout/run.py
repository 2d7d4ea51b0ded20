"""Runs cases: each request goes the way of one that came over a connection, with a producer that takes all at its end.

Parser, admission, pipeline and answers are the gateway's own. Every case has a gateway to itself, whose clock stands.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.application import Reply
from headgate_gateway.http.auth import compile_auth
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.ingest import Ingest
from headgate_gateway.http.messages import HttpError, Response, error_response
from headgate_gateway.http.reader import RequestReader
from headgate_gateway.http.router import ServedRepo, build_router
from headgate_gateway.pipeline.compile import CompiledRepo, compile_repo
from headgate_gateway.pipeline.records import Records
from headgate_gateway.tryout.cases import Case, Suite
from headgate_gateway.tryout.compare import Difference, Happened, compare
from headgate_gateway.tryout.producer import LocalLease, LocalProducer
from headgate_gateway.tryout.record import unfold

BUDGET_BYTES = 2**30
REQUEST_ID = "headgate-test"
ANSWER_SECONDS = 60
"""Longest for one case: passwords and decoding take threads, nothing takes seconds."""

Credentials = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case went."""

    name: str
    differences: tuple[Difference, ...]


def run_suite(entry: bytes, credentials: Credentials, suite: Suite) -> list[CaseResult]:
    """Run a suite on a repo's entry. Raises ValueError where a gateway would refuse the entry."""
    compiled = compile_repo(RepoConfig.model_validate_json(entry), credentials)
    return asyncio.run(_run_all(compiled, credentials, suite))


async def _run_all(compiled: CompiledRepo, credentials: Credentials, suite: Suite) -> list[CaseResult]:
    results = []
    for case in suite.cases:
        happened = await _run(compiled, credentials, case, suite.now)
        results.append(CaseResult(case.name, tuple(compare(case.expect, happened))))
    return results


async def _run(compiled: CompiledRepo, credentials: Credentials, case: Case, now_ms: int) -> Happened:
    taken: list[tuple[Records, int]] = []
    config, traffic = compiled.config, TrafficCounters()
    lease = LocalLease(LocalProducer(lambda records, at: taken.append((records, at))))
    auth = compile_auth(config, credentials)
    served = ServedRepo(compiled, dict.fromkeys(config.kafka.profiles, lease), traffic, auth)
    ingest = Ingest(Budget(BUDGET_BYTES), traffic, lambda: now_ms, lambda: 0.0)
    ingest.router = build_router([served])
    async with asyncio.timeout(ANSWER_SECONDS):
        answer = await _ask(ingest, build_request(case, config.endpoints[0].path))
    return Happened(answer, tuple(unfold(taken)), served.counters.dropped)


async def _ask(ingest: Ingest, request: bytes) -> Response:
    answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    at_once = _send(ingest, request, answered.set_result)
    return await answered if at_once is None else at_once


def _send(ingest: Ingest, request: bytes, reply: Reply) -> Response | None:
    """As a connection does; None: `reply` is called."""
    reader = RequestReader()
    reader.feed(request)
    try:
        event = reader.next_request()
    except HttpError as error:
        ingest.note_refused_head(error)
        return error_response(error.status, error.reason, error.message, REQUEST_ID, *error.headers)
    if not isinstance(event, tuple):
        return error_response(400, "BadRequest", "these headers and this body make no request", REQUEST_ID)
    head, body = event
    upload = ingest.take(head, body, REQUEST_ID, reply)
    if upload is None or isinstance(upload, Response):
        return upload
    refusal = upload.take(len(body)) if body else None
    if refusal is None:
        upload.complete(body, reply)
    return refusal


def build_request(case: Case, default_path: str) -> bytes:
    """The bytes of a case's request, with the headers that a client adds by itself unless the case has them."""
    body = build_body(case)
    own = {name.lower() for name in case.headers}
    added = {"Host": "localhost", "Content-Length": str(len(body)), "X-Request-Id": REQUEST_ID}
    headers = {name: value for name, value in added.items() if name.lower() not in own} | case.headers
    lines = [f"POST {case.endpoint or default_path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def build_body(case: Case) -> bytes:
    """The bytes of a case's body."""
    if case.lines is not None:
        return "".join(_write(line) + "\n" for line in case.lines).encode()
    if case.body_base64 is not None:
        return base64.b64decode(case.body_base64)
    return b"" if case.body is None else _write(case.body).encode()


def _write(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
