"""Prints ns per line of compiled pipelines. Run by hand or by `make bench`: python tests/bench/pipeline_lines.py."""

import timeit
from typing import Any

from headgate_gateway.config import RepoConfig
from headgate_gateway.pipeline.compile import compile_repo

LINE = (
    b'{"time":"2026-11-21T08:00:00+00:00","remote_addr":"10.1.2.3","method":"GET","uri":"/api/v1/items/12345?x=1",'
    b'"status":404,"bytes":1234,"rt":0.012,"ua":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","id":"abc",'
    b'"host":"www.example.org","ref":"https://www.example.org/index"}\n'
)
TWO_FIELDS = {
    "matchExpressions": [
        {"field": "status", "operator": "Ge", "values": [400]},
        {"field": "method", "operator": "In", "values": ["GET", "POST"]},
    ]
}
NONE_PASS = {
    "matchExpressions": [
        {"field": "status", "operator": "Ge", "values": [500]},
        {"field": "method", "operator": "In", "values": ["GET", "POST"]},
    ]
}
CASES: dict[str, tuple[dict[str, Any], bytes]] = {
    "no constraint": ({}, LINE),
    "two constraint fields, all pass": ({"constraint": TWO_FIELDS}, LINE),
    "two constraint fields, none pass": ({"constraint": NONE_PASS}, LINE),
    "two constraint fields, CRLF": ({"constraint": TWO_FIELDS}, LINE.replace(b"\n", b"\r\n")),
    "two constraint fields, non-ASCII": ({"constraint": TWO_FIELDS}, LINE.replace(b"index", "índex".encode())),
    "two constraint fields, key": ({"constraint": TWO_FIELDS, "key": {"field": "remote_addr"}}, LINE),
    "key and timestamp": ({"key": {"field": "remote_addr"}, "timestamp": {"field": "time"}}, LINE),
    "two constraint fields, blank lines between": ({"constraint": TWO_FIELDS}, LINE + b"\n"),
}


def config(constraint: Any = None, **kafka: Any) -> RepoConfig:
    """A repo as an operator would render it."""
    return RepoConfig.model_validate(
        {
            "name": "bench",
            "namespace": "default",
            "revision": "r",
            "endpoints": [{"path": "/log/repo/bench"}],
            "constraint": constraint,
            "kafka": {"producerProfile": "main", "topic": "t", **kafka},
            "producers": {"main": {"name": "main", "bootstrapServers": ["127.0.0.1:9092"]}},
        }
    )


def measure(settings: dict[str, Any], line: bytes, lines: int) -> float:
    """Nanoseconds per line: the best of five."""
    endpoint, body = compile_repo(config(**settings)).endpoints[0], line * lines

    def once() -> None:
        run = endpoint.begin({}, 0)
        for piece in run.cut(body):
            run.feed(*piece)

    repeats = max(1, 40_000 // lines)
    return min(timeit.repeat(once, number=repeats, repeat=5)) / repeats / lines * 1e9


def main() -> None:
    """Measures every case in bodies of 100 and of 10,000 lines."""
    print(f"{len(LINE) - 1} bytes a line; ns per line in bodies of 100 / 10,000 lines")
    for name, (settings, line) in CASES.items():
        print(f"{name:45} {measure(settings, line, 100):6.0f} / {measure(settings, line, 10_000):6.0f}")


if __name__ == "__main__":
    main()
