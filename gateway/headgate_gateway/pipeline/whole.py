"""A body that is JSON as a whole: where it turns out to be none, no part of it is an event.

Then it counts as one event that is none, which is refused with its own reason, or goes to the dead letter.
"""

from collections.abc import Iterator

from headgate_gateway.pipeline.json_body import NotEventsError, array_start
from headgate_gateway.pipeline.placing import BodyState
from headgate_gateway.pipeline.refuse import Refuse
from headgate_gateway.pipeline.result import LineError, LineReason
from headgate_gateway.pipeline.run import CutBody, FeedRun, Run

NO_EVENT = frozenset(
    {
        LineReason.INVALID_UTF8,
        LineReason.INVALID_JSON,
        LineReason.NOT_AN_OBJECT,
        LineReason.INVALID_CLOUD_EVENT,
        LineReason.NESTED_TOO_DEEPLY,
        LineReason.TOO_LARGE,
    }
)


class WholeBody:
    """One such body, around the steps that all bodies take."""

    __slots__ = ("_body", "_cut", "_error", "_feed", "_is_document", "_refuse")

    def __init__(self, body: BodyState, cut: CutBody, feed: FeedRun, refuse: Refuse, *, document: bool) -> None:
        """`document`: an array is one event like any other document."""
        self._body = body
        self._cut = cut
        self._feed = feed
        self._refuse = refuse
        self._error: LineError | None = None
        self._is_document = document

    def cut(self, body: bytes | bytearray) -> Iterator[Run]:
        """As the format cuts; a body that is no events ends in a run that holds all of it."""
        self._is_document = self._is_document or not array_start(body)
        try:
            yield from self._cut(body)
        except NotEventsError as error:
            self._error = LineError(1, error.reason, error.message)
            whole = bytes(body)
            yield whole, [whole]

    def feed(self, run: bytes, lines: list[bytes]) -> int:
        """As other bodies are fed."""
        result = self._body.result
        if self._error is not None:
            result.forget()
            result.counted = result.received = 1
            kept = self._refuse(self._body, [self._error], lambda _: run)
        else:
            kept = self._feed(run, lines)
        named = result.errors[0] if result.errors else None
        if named is not None and (self._error is not None or (self._is_document and named.reason in NO_EVENT)):
            result.broken = named
        return kept
