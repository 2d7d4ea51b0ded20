"""An application that tells of each request and its answer, and leaves both to another."""

from collections.abc import Callable

from headgate_gateway.http.application import Application, Reply, Upload
from headgate_gateway.http.messages import Head, HttpError, Response

Tell = Callable[[Head, Response], None]


class Overheard:
    """Stands between connections and their application."""

    def __init__(self, application: Application, tell: Tell) -> None:
        self._application = application
        self._tell = tell

    def admit(self, head: Head, request_id: str) -> Response | Upload:
        """Whatever the application says."""
        return self._overhear(head, self._application.admit(head, request_id))

    def take(self, head: Head, body: bytes, request_id: str, reply: Reply) -> Response | Upload | None:
        """Whatever the application says."""
        found = self._application.take(head, body, request_id, _telling(self._tell, head, reply))
        return None if found is None else self._overhear(head, found)

    def note_refused_head(self, error: HttpError) -> None:
        """Tells of what was no request."""
        self._application.note_refused_head(error)
        self._tell(Head("?", "?", {}), Response(error.status, f"{error.reason}: {error.message}".encode()))

    def _overhear(self, head: Head, found: Response | Upload) -> Response | Upload:
        if isinstance(found, Response):
            self._tell(head, found)
            return found
        return _OverheardUpload(found, head, self._tell)


class _OverheardUpload:
    """An upload whose answer is told."""

    def __init__(self, upload: Upload, head: Head, tell: Tell) -> None:
        self._upload, self._head, self._tell = upload, head, tell

    def take(self, nbytes: int) -> Response | None:
        refusal = self._upload.take(nbytes)
        if refusal is not None:
            self._tell(self._head, refusal)
        return refusal

    def complete(self, body: bytes | bytearray, reply: Reply) -> None:
        self._upload.complete(body, _telling(self._tell, self._head, reply))

    def abandon(self, status: int) -> None:
        self._upload.abandon(status)


def _telling(tell: Tell, head: Head, reply: Reply) -> Reply:
    def answer(response: Response) -> None:
        tell(head, response)
        reply(response)

    return answer
