"""Prints ns per event of each executor, on one event, in one process: python -m tests.bench.executor_steps."""

import timeit
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import msgspec
from pydantic import TypeAdapter

from headgate_gateway.config import Executors, repo_secret_file
from headgate_gateway.pipeline.executors import Chain, ExecutorContext, compile_executors
from headgate_gateway.pipeline.steps import Event

# Short rounds and the best of many, on the process's own clock: what else the machine does should not count.
ROUNDS, EVENTS = 60, 2_000

LINE = (
    b'{"time":"21/Nov/2026:08:00:00 +0000","remote_addr":"10.1.2.3","method":"GET","uri":"/api/v1/items/12345?x=1",'
    b'"status":"404","bytes":1234,"rt":0.012,"ua":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","id":"abc",'
    b'"host":"www.example.org","ref":"https://www.example.org/index","csv":"a,b,c","quoted":"a,\\"b\\",c",'
    b'"tags":["a","b","c"],"inner":"{\\"level\\":\\"info\\",\\"took\\":12,\\"user\\":\\"ann\\"}",'
    b'"logfmt":"level=info msg=\\"it is done\\" took=12ms user=ann"}'
)
COMBINED = (
    '10.1.2.3 - - [21/Nov/2026:08:00:00 +0000] "GET /api/v1/items/12345?x=1 HTTP/1.1" 404 1234 '
    '"https://www.example.org/index" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"'
)
PATTERN = (
    r'^(?P<ip>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>[0-9]+) (?P<size>[0-9]+)'
)
ABC = ["x", "y", "z"]

Case = tuple[Event, list[dict[str, Any]]]
JSON_EVENT: Event = msgspec.json.decode(LINE)
TEXT_EVENT: Event = {"message": COMBINED}
CASES: dict[str, Case] = {
    "decoder JSON": (JSON_EVENT, [{"decoder": {"format": "JSON", "field": "inner"}}]),
    "decoder Logfmt": (JSON_EVENT, [{"decoder": {"format": "Logfmt", "field": "logfmt"}}]),
    "decoder CSV": (JSON_EVENT, [{"decoder": {"format": "CSV", "field": "csv", "columns": ABC}}]),
    "decoder CSV, quotes": (JSON_EVENT, [{"decoder": {"format": "CSV", "field": "quoted", "columns": ABC}}]),
    "decoder NginxCombined": (TEXT_EVENT, [{"decoder": {"format": "NginxCombined"}}]),
    "decoder Regex, six groups": (TEXT_EVENT, [{"decoder": {"format": "Regex", "pattern": PATTERN}}]),
    "splitter": (JSON_EVENT, [{"splitter": {"field": "csv", "separator": ","}}]),
    "assigner": (JSON_EVENT, [{"assigner": {"field": "tags", "names": ABC}}]),
    "set": (JSON_EVENT, [{"set": {"fields": [{"field": "site", "value": "fra1"}]}}]),
    "set, two deep": (JSON_EVENT, [{"set": {"fields": [{"field": "a.b", "value": "fra1"}]}}]),
    "rename": (JSON_EVENT, [{"rename": {"fields": [{"from": "ua", "to": "user_agent"}]}}]),
    "remove": (JSON_EVENT, [{"remove": {"fields": ["ua"]}}]),
    "cast": (JSON_EVENT, [{"cast": {"fields": [{"field": "status", "type": "Integer"}]}}]),
    "timestamp, a text that comes again": (
        JSON_EVENT,
        [{"timestamp": {"field": "time", "formats": ["%d/%b/%Y:%H:%M:%S %z"]}}],
    ),
    "timestamp, new": (JSON_EVENT, [{"timestamp": {"field": "bytes", "formats": ["UnixSeconds"]}}]),
    "mask redact": (JSON_EVENT, [{"mask": {"fields": ["remote_addr"], "redact": {}}}]),
    "mask hash": (
        JSON_EVENT,
        [{"mask": {"fields": ["remote_addr"], "hash": {"secretRef": {"name": "masks"}, "key": "ip"}}}],
    ),
    "explode, into three": (JSON_EVENT, [{"explode": {"field": "tags"}}]),
    "sample by a field": (JSON_EVENT, [{"sample": {"percent": 50, "field": "id"}}]),
    "sample by the event": (JSON_EVENT, [{"sample": {"percent": 50}}]),
    "filter": (
        JSON_EVENT,
        [{"filter": {"matchExpressions": [{"field": "status", "operator": "In", "values": ["404"]}]}}],
    ),
}


def chain(executors: list[dict[str, Any]]) -> Chain:
    """Compiled as a repo's are, with a key for masks."""
    credentials = {repo_secret_file("shop", "masks", "key.ip"): b"a key that is for measuring"}
    adapter: TypeAdapter[Executors] = TypeAdapter(Executors)
    run = compile_executors(adapter.validate_python(executors), ExecutorContext("shop", "clicks", credentials))
    return partial(run, line_bytes=len(LINE))


def _fresh(event: Event, count: int) -> list[Event]:
    text, decode = msgspec.json.encode(event), msgspec.json.decode
    return [decode(text) for _ in range(count)]


def nanoseconds(event: Event, run: Callable[[Event], Any]) -> float:
    """Per event, the best of some rounds: each runs over events of its own, for steps change them."""
    best = float("inf")
    for _ in range(ROUNDS):
        events = iter(_fresh(event, EVENTS))
        best = min(best, timeit.timeit(lambda events=events: run(next(events)), number=EVENTS, timer=process_time))  # type: ignore[misc]
    return best / EVENTS * 1e9


def main() -> None:
    """Of each case, without the time that an empty chain takes."""
    empty = nanoseconds(JSON_EVENT, chain([]))
    decode, encode = msgspec.json.Decoder(Event).decode, msgspec.json.Encoder().encode
    rows = {
        "decoding the line": nanoseconds(JSON_EVENT, lambda event: decode(LINE)),
        "writing it anew": nanoseconds(JSON_EVENT, encode),
        "the chain itself": empty,
    }
    for name, (event, executors) in CASES.items():
        rows[name] = nanoseconds(event, chain(executors)) - empty
    print("| step | ns per event |\n| --- | ---: |")
    for name, cost in rows.items():
        print(f"| {name} | {cost:,.0f} |")


if __name__ == "__main__":
    main()
