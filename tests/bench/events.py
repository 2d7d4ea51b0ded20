"""The events that every contender is sent, and the HTTP requests that carry them. Pure; the same bytes in every run."""

import json
import random
from typing import Any

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) Version/26.1",
    "curl/8.17.0",
)
LINE_BYTES = 275
TWO_FIELDS: dict[str, Any] = {
    "matchExpressions": [
        {"field": "status", "operator": "Ge", "values": [400]},
        {"field": "method", "operator": "In", "values": ["GET", "POST"]},
    ]
}
"""Holds for every event of `events`, so that a record that is missing in Kafka was lost."""


def events(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Access-log events as nginx would write them: fields of differing values, 275 bytes each as a line."""
    chance = random.Random(seed)
    return [_event(chance, number) for number in range(count)]


def _event(chance: random.Random, number: int) -> dict[str, Any]:
    event = {
        "time": f"2026-11-21T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}+00:00",
        "remote_addr": ".".join(str(chance.randrange(1, 255)) for _ in range(4)),
        "method": chance.choice(("GET", "POST")),
        "uri": f"/api/v1/items/{chance.randrange(100_000)}?page={chance.randrange(50)}",
        "status": chance.choice((400, 403, 404, 429, 500, 503)),
        "bytes": chance.randrange(200, 60_000),
        "rt": round(chance.random(), 3),
        "ua": chance.choice(AGENTS),
        "id": f"{chance.getrandbits(64):016x}",
        "ref": "",
    }
    missing = LINE_BYTES - len(encode(event))
    return {**event, "ref": ("https://www.example.org/index/of/all/that/there/is/to/see/and/more/of/it" * 3)[:missing]}


def encode(event: dict[str, Any]) -> bytes:
    """One line, without its end."""
    return json.dumps(event, separators=(",", ":")).encode()


def jsonl(count: int, seed: int = 1) -> bytes:
    """A body of so many lines."""
    return b"".join(encode(event) + b"\n" for event in events(count, seed))


def otlp(count: int, seed: int = 1) -> bytes:
    """The same lines as OTLP log records in JSON: the line is the body, what is filtered by are attributes."""
    records = [
        {
            "timeUnixNano": "1795248000000000000",
            "body": {"stringValue": encode(event).decode()},
            "attributes": [
                {"key": "status", "value": {"intValue": str(event["status"])}},
                {"key": "method", "value": {"stringValue": event["method"]}},
            ],
        }
        for event in events(count, seed)
    ]
    export = {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": records}]}]}
    return json.dumps(export, separators=(",", ":")).encode()


def post(path: str, body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
    """A whole request."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: bench.example.org",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
