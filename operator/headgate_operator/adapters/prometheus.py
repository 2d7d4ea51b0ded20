"""Asks a Prometheus server (or what speaks its API) for single numbers, beside reconcile and never within it.

Never raises for what a server does: a query without a number has a problem in words. Judges nothing. Built by the
composition root. Source of the API: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import asyncio
import json
import math
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from headgate_operator.rollout.model import QueryResult

K = TypeVar("K")

ANSWER_LIMIT = 2**20
"""Bytes of an answer that are read: one number needs a few hundred."""

IN_FLIGHT = 8
TIMEOUT = 5.0
PROBLEM_LIMIT = 300
"""Characters of a problem: it stands in a status."""


class _Trust:
    """A TLS context of a CA bundle, made anew when the file changes: certificates are rotated under a running process."""

    def __init__(self, ca_file: Path | None) -> None:
        self._file = ca_file
        self._made_of: int | None = None
        self._context = ssl.create_default_context()

    def context(self) -> ssl.SSLContext:
        """Raises OSError where the file cannot be read, or holds no certificate."""
        if self._file is not None and (version := self._file.stat().st_mtime_ns) != self._made_of:
            self._context = ssl.create_default_context(cafile=self._file)
            self._made_of = version
        return self._context


class PrometheusReader:
    """Reads instant vectors of one server. `base_url` may have a path; `timeout`: seconds of one query."""

    def __init__(
        self, base_url: str, *, token_file: Path | None = None, ca_file: Path | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/api/v1/query"
        self._token_file = token_file
        self._trust = _Trust(ca_file)
        self._timeout = timeout
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def poll(self, queries: Mapping[K, str]) -> dict[K, QueryResult]:
        """An answer for each query; one text is asked for once, however many name it."""
        texts = list(dict.fromkeys(queries.values()))
        answers = dict(zip(texts, await asyncio.gather(*(self.query(text) for text in texts)), strict=True))
        return {key: answers[text] for key, text in queries.items()}

    async def query(self, text: str) -> QueryResult:
        """The one number of an instant query, or why there is none."""
        async with self._slots:
            try:
                status, content = await self._ask(text)
            except TimeoutError:
                return _no_value(f"Prometheus did not answer within {self._timeout:g}s")
            except (aiohttp.ClientError, OSError, ValueError) as error:
                return _no_value(f"Prometheus cannot be asked: {type(error).__name__}: {error}")
        if len(content) > ANSWER_LIMIT:
            return _no_value(f"the answer is larger than {ANSWER_LIMIT} bytes: aggregate it to one number, as by sum()")
        return read_answer(status, content)

    async def _ask(self, text: str) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
        headers = {"Accept": "application/json", **self._authorization()}
        form = {"query": text, "timeout": f"{self._timeout:g}s"}
        # By POST, since a query may be longer than a URL; no redirects, which could carry the token elsewhere.
        async with self._session.post(
            self._url, data=form, headers=headers, ssl=self._trust.context(), allow_redirects=False
        ) as response:
            content = b""
            while len(content) <= ANSWER_LIMIT and (chunk := await response.content.read(ANSWER_LIMIT)):
                content += chunk
            return response.status, content

    def _authorization(self) -> dict[str, str]:
        """Read for each query: tokens of service accounts are rotated. Raises OSError."""
        if self._token_file is None:
            return {}
        return {"Authorization": f"Bearer {self._token_file.read_text().strip()}"}


def read_answer(status: int, content: bytes) -> QueryResult:
    """The number in the body of an answer. Exactly one sample counts, a vector's or a scalar, and it must be finite."""
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "status" not in answer:
        return _no_value(f"status {status}, and no answer of Prometheus: {_remedy(status)}")
    if answer["status"] != "success":
        return _no_value(f"Prometheus refuses the query: {answer.get('errorType')}: {answer.get('error')}")
    return _read_data(answer.get("data"))


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "check the token (--prometheus-token-file)"
    return "check --prometheus-url: it is what stands before /api/v1/query"


def _read_data(data: Any) -> QueryResult:
    match data:
        case {"resultType": "scalar", "result": [_, str(number)]}:
            return _read_number(number)
        case {"resultType": "vector", "result": [{"value": [_, str(number)]}]}:
            return _read_number(number)
        case {"resultType": "vector", "result": []}:
            return _no_value("no series fits the query, or none has had a sample lately")
        case {"resultType": "vector", "result": [_]}:
            return _no_value("the sample is no number but a histogram: take a quantile or a rate of it")
        case {"resultType": "vector", "result": [*samples]}:
            return _no_value(f"the query yields {len(samples)} series: aggregate them to one, as by sum()")
        case {"resultType": str(kind)}:
            return _no_value(f"the query yields a {kind}, not one number: take an instant vector of one series")
        case _:
            return _no_value("the answer has no result: does this server speak the API of Prometheus?")


def _read_number(text: str) -> QueryResult:
    try:
        number = float(text)
    except ValueError:
        return _no_value(f"{text!r} is no number")
    if not math.isfinite(number):
        return _no_value(
            f"the value is {text}: nothing divided by nothing, as a rule; wait for samples, or add `or vector(0)`"
        )
    return QueryResult(number)


def _no_value(problem: str) -> QueryResult:
    plain = " ".join(problem.split())
    return QueryResult(None, plain if len(plain) <= PROBLEM_LIMIT else f"{plain[: PROBLEM_LIMIT - 1]}…")
