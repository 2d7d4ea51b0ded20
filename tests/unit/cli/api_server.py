"""A stand-in for the API server over real HTTP: EventRepos, ControllerRevisions and ConfigMaps, and what can go wrong.

The command's own connection, paths, verbs and errors are tested with it; what the real one does is tested elsewhere.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOS = "/apis/headgate.dev/v1alpha1"
Answer = tuple[int, dict[str, Any] | str]


class StandInApiServer:
    """Objects by path; `patches` are those that came in, as (path, query, content type, body)."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.patches: list[tuple[str, dict[str, list[str]], str, dict[str, Any]]] = []
        self.failures: dict[str, list[int]] = {}
        """Statuses that the next requests to a path (or below it) are answered with."""
        self.groups = True
        """Whether the group headgate.dev is installed."""
        self.obey: Callable[[str], None] = lambda command: None
        """Called with each command, as the operator would see it."""
        self.reads = 0
        self.on_read: Callable[[int], None] = lambda count: None

    def put_repo(self, manifest: dict[str, Any]) -> None:
        metadata = manifest["metadata"]
        self.objects[f"{REPOS}/namespaces/{metadata['namespace']}/eventrepos/{metadata['name']}"] = manifest

    def put_child(self, collection: str, manifest: dict[str, Any]) -> None:
        self.objects[f"{collection}/{manifest['metadata']['name']}"] = manifest

    def get(self, path: str, query: dict[str, list[str]]) -> Answer:
        if failure := self._failure(path):
            return failure
        if path.startswith(REPOS) and not self.groups:
            return 404, "404 page not found\n"
        if path in self.objects:
            self.reads += 1
            self.on_read(self.reads)
            return 200, self.objects[path]
        scope, _, last = path.rpartition("/")
        if last in ("eventrepos", "controllerrevisions", "configmaps"):
            prefix = f"{path}/" if "/namespaces/" in path else f"{scope}/namespaces/"
            selector = (query.get("labelSelector") or [""])[0]
            items = [item for key, item in self.objects.items() if key.startswith(prefix) and _fits(item, selector)]
            return 200, {"kind": "List", "items": items, "metadata": {}}
        return 404, {"kind": "Status", "message": f'"{last}" not found', "details": {"name": last}}

    def patch(self, path: str, query: dict[str, list[str]], content_type: str, body: dict[str, Any]) -> Answer:
        self.patches.append((path, query, content_type, body))
        if failure := self._failure(path + "#patch"):
            return failure
        annotations = body["metadata"]["annotations"]
        self.objects[path]["metadata"].setdefault("annotations", {}).update(annotations)
        self.obey(annotations["headgate.dev/command"])
        return 200, self.objects[path]

    def _failure(self, path: str) -> Answer | None:
        for prefix, statuses in self.failures.items():
            if path.startswith(prefix) and statuses:
                status = statuses[0] if len(statuses) == 1 else statuses.pop(0)
                return (status, {"kind": "Status", "message": "no"}) if status >= 300 else None
        return None


def _fits(item: dict[str, Any], selector: str) -> bool:
    labels = item["metadata"].get("labels", {})
    wanted = [each.partition("=") for each in selector.split(",") if each]
    return all(labels.get(name) == value for name, _, value in wanted)


@contextmanager
def serving(api: StandInApiServer, kubeconfig: Path, namespace: str = "web") -> Iterator[None]:
    """Serve on loopback, and write a kubeconfig with two contexts: `here`, and `away` where nobody answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [],
        "clusters": [
            {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}},
            {"name": "away", "cluster": {"server": "http://127.0.0.1:1"}},
        ],
        "contexts": [
            {"name": "here", "context": {"cluster": "here", "namespace": namespace}},
            {"name": "away", "context": {"cluster": "away"}},
        ],
    }  # fmt: skip
    kubeconfig.write_text(json.dumps(config))
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(api: StandInApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(api.get(parts.path, parse_qs(parts.query)))

        def do_PATCH(self) -> None:
            parts = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(api.patch(parts.path, parse_qs(parts.query), self.headers["Content-Type"], body))

        def _answer(self, answer: Answer) -> None:
            status, content = answer
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
