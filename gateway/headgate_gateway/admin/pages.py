"""The admin port's application: `/metrics`, `/analysis`, `/livez`, `/readyz`, `/status`. Shows what it is given,
decides nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from headgate_gateway.admin.analysis import repos_asked
from headgate_gateway.config.status import GatewayStatus
from headgate_gateway.http import refusals
from headgate_gateway.http.analysis import RepoName
from headgate_gateway.http.application import Reply
from headgate_gateway.http.messages import JSON, TEXT, Head, HttpError, Response, error_response

log = logging.getLogger("headgate.gateway.admin")

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_RENDERED = frozenset({"/metrics", "/analysis"})
_PATHS = _RENDERED | {"/livez", "/readyz", "/status"}


class RenderedPage:
    """A page that takes a while to make, since there may be thousands of repos: others are answered meanwhile."""

    def __init__(
        self,
        render: Callable[[], Awaitable[bytes]],
        content_type: bytes,
        tasks: set[asyncio.Task[None]],
        request_id: str,
    ) -> None:
        self._make = render
        self._content_type = content_type
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
            text = await self._make()
        except Exception:
            # Broad on purpose: a request without an answer would hold its connection and say nothing of why.
            log.exception("a page of the admin port failed")
            message = "the page could not be made; the log says why"
            reply(error_response(500, "Internal", message, self._request_id))
            return
        reply(Response(200, text, self._content_type))


class AdminPages:
    """What a gateway tells its operator, its kubelet and its Prometheus."""

    def __init__(
        self,
        status: Callable[[], GatewayStatus],
        not_ready: Callable[[], str | None],
        metrics: Callable[[], Callable[[], bytes]],
        analysis: Callable[[tuple[RepoName, ...] | None], Awaitable[bytes]],
        remark: Callable[[], str | None] = lambda: None,
        not_alive: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`metrics` reads all values and gives what makes their text, in whatever thread; `analysis` takes repos.

        `remark` is what readiness says beside its ok; `not_alive` is why nothing but a new process helps.
        """
        self._not_alive = not_alive
        self._remark = remark
        self._status = status
        self._not_ready = not_ready
        self._metrics = metrics
        self._analysis = analysis
        self._tasks: set[asyncio.Task[None]] = set()

    def admit(self, head: Head, request_id: str) -> "Response | RenderedPage":
        """The page of a path."""
        if head.path not in _PATHS:
            return error_response(404, "NotFound", f"nothing is at {head.path}", request_id)
        if head.method not in {"GET", "HEAD"}:
            return refusals.method_not_allowed(head, b"GET, HEAD", request_id)
        if head.has_body and head.path in _RENDERED:
            return error_response(400, "BadRequest", f"{head.path} takes no body", request_id)
        if head.path == "/metrics":
            return RenderedPage(self._metrics_text, METRICS_TYPE, self._tasks, request_id)
        if head.path == "/analysis":
            asked = repos_asked(head.query)
            return RenderedPage(lambda: self._analysis(asked), JSON, self._tasks, request_id)
        return self._page(head.path, request_id)

    async def _metrics_text(self) -> bytes:
        return await asyncio.to_thread(self._metrics())

    def _page(self, path: str, request_id: str) -> Response:
        if path == "/status":
            return Response(200, self._status().model_dump_json(by_alias=True).encode(), JSON)
        if path == "/livez":
            dead = self._not_alive()
            return Response(200, b"ok\n", TEXT) if dead is None else error_response(503, "NotAlive", dead, request_id)
        reason = self._not_ready()
        if reason is None:
            remark = self._remark()
            return Response(200, b"ok\n" if remark is None else f"ok\n{remark}\n".encode(), TEXT)
        return error_response(503, "NotReady", reason, request_id)

    def take(self, head: Head, body: bytes, request_id: str, reply: Reply) -> "Response | RenderedPage | None":
        """As `admit`: bodies mean nothing here."""
        return self.admit(head, request_id)

    def note_refused_head(self, error: HttpError) -> None:
        """Nobody counts those here."""
