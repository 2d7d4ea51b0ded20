"""The admin port's application: `/metrics`, `/livez`, `/readyz`, `/status`. Shows what it is given, decides nothing."""

import asyncio
import logging
from collections.abc import Callable

from headgate_gateway.config.status import GatewayStatus
from headgate_gateway.http import refusals
from headgate_gateway.http.application import Reply
from headgate_gateway.http.messages import JSON, TEXT, Head, HttpError, Response, error_response

log = logging.getLogger("headgate.gateway.admin")

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class MetricsPage:
    """One scrape. Values are read at once; their text is made in a thread, since thousands of repos take a while."""

    def __init__(
        self, snapshot: Callable[[], Callable[[], bytes]], tasks: set[asyncio.Task[None]], request_id: str
    ) -> None:
        self._snapshot = snapshot
        self._request_id = request_id
        self._tasks = tasks

    def take(self, nbytes: int) -> None:
        """A body means nothing here."""

    def complete(self, body: bytes | bytearray, reply: Reply) -> None:
        """Answer once the text is there."""
        del body
        task = asyncio.get_running_loop().create_task(self._render(reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def abandon(self, status: int) -> None:
        """Nothing is held."""

    async def _render(self, reply: Reply) -> None:
        try:
            text = await asyncio.to_thread(self._snapshot())
        except Exception:
            # Broad on purpose: a scrape without an answer would hold its connection and say nothing of why.
            log.exception("a scrape failed")
            reply(error_response(500, "Internal", "the metrics could not be read; the log says why", self._request_id))
            return
        reply(Response(200, text, METRICS_TYPE))


class AdminPages:
    """What a gateway tells its operator, its kubelet and its Prometheus."""

    def __init__(
        self,
        status: Callable[[], GatewayStatus],
        not_ready: Callable[[], str | None],
        metrics: Callable[[], Callable[[], bytes]],
    ) -> None:
        self._status = status
        self._not_ready = not_ready
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()

    def admit(self, head: Head, request_id: str) -> "Response | MetricsPage":
        """The page of a path."""
        if head.path not in {"/metrics", "/livez", "/readyz", "/status"}:
            return error_response(404, "NotFound", f"nothing is at {head.path}", request_id)
        if head.method not in {"GET", "HEAD"}:
            return refusals.method_not_allowed(head, b"GET, HEAD", request_id)
        if head.path == "/metrics" and not head.has_body:
            return MetricsPage(self._metrics, self._tasks, request_id)
        return self._page(head.path, request_id)

    def _page(self, path: str, request_id: str) -> Response:
        if path == "/status":
            return Response(200, self._status().model_dump_json(by_alias=True).encode(), JSON)
        if path == "/livez":
            return Response(200, b"ok\n", TEXT)
        reason = self._not_ready()
        if reason is None:
            return Response(200, b"ok\n", TEXT)
        return error_response(503, "NotReady", reason, request_id)

    def note_refused_head(self, error: HttpError) -> None:
        """Nobody counts those here."""
