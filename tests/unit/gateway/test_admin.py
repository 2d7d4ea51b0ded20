"""The admin port's pages and metrics, and what logs look like."""

import asyncio
import gc
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.gateway.builders import SHORT, Answer, Client, constraint, expression, gateway, post, repo_config

from headgate_gateway.__main__ import build_parser, read_settings
from headgate_gateway.admin.analysis import REPOS_PER_TURN, encode_report
from headgate_gateway.admin.logs import JsonFormatter, RateLimit
from headgate_gateway.admin.metrics import Gauges, snapshot_metrics
from headgate_gateway.admin.pages import AdminPages
from headgate_gateway.config import GatewayStatus, credentials_hash
from headgate_gateway.config.analysis import AnalysisReport
from headgate_gateway.http.analysis import RepoName
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.server import Server
from headgate_gateway.kafka.counters import Counters, ProducerSnapshot

NO_REPOS = AnalysisReport(track="canary", started="run-1", uptime_seconds=2.5)
NO_GAUGES = Gauges(1, 0, 0, 5, 10, 2, 100, 3, 4, False, {"logs": "r1"})


def values(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "track")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


class Admin:
    def __init__(self) -> None:
        self.not_ready: str | None = "no config has been loaded yet"
        self.traffic = TrafficCounters()
        self.failure: Exception | None = None
        self.remark: str | None = None
        self.dead: str | None = None
        self.port = 0

    def status(self) -> GatewayStatus:
        return GatewayStatus(version="1", contract_versions=(1,), shards={"07": "abc"})

    def metrics(self) -> Callable[[], bytes]:
        if self.failure is not None:
            raise self.failure
        return snapshot_metrics(self.traffic, NO_GAUGES, [], "stable")

    async def analysis(self, wanted: tuple[RepoName, ...] | None) -> bytes:
        if self.failure is not None:
            raise self.failure
        return await encode_report(self.traffic.analysis, NO_REPOS, wanted)

    async def get(self, path: str, method: str = "GET") -> Answer:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = await client.answer(method)
        await client.close()
        return answer


@asynccontextmanager
async def admin() -> AsyncIterator[Admin]:
    pages = Admin()
    application = AdminPages(
        pages.status, lambda: pages.not_ready, pages.metrics, pages.analysis, lambda: pages.remark, lambda: pages.dead
    )
    server = Server(application, SHORT, asyncio.get_running_loop())
    pages.port = await server.start("127.0.0.1", 0)
    try:
        yield pages
    finally:
        server.abort()
        await asyncio.sleep(0)


async def test_ready_only_while_nothing_speaks_against_it() -> None:
    async with admin() as pages:
        answer = await pages.get("/readyz")
        assert (answer.status, answer.json["message"]) == (503, "no config has been loaded yet")
        pages.not_ready = None
        assert (await pages.get("/readyz")).status == 200
        pages.not_ready = "draining"
        assert (await pages.get("/readyz")).status == 503
        assert (await pages.get("/livez")).status == 200


async def test_a_gateway_that_only_a_new_process_helps_is_not_alive() -> None:
    async with admin() as pages:
        assert (await pages.get("/livez")).body == b"ok\n"
        pages.dead = "SpoolFailed: fenced: adopted by b"
        answer = await pages.get("/livez")
        assert (answer.status, answer.json["message"]) == (503, "SpoolFailed: fenced: adopted by b")


async def test_status_is_the_contracts() -> None:
    async with admin() as pages:
        answer = await pages.get("/status")
        assert answer.json["contractVersions"] == [1]
        assert answer.json["shards"] == {"07": "abc"}
        assert GatewayStatus.model_validate_json(answer.body) == pages.status()


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404),
        ("/log/repo/logs", "POST", 404),
        ("/status", "POST", 405),
        ("/analysis", "DELETE", 405),
        ("/analysis/", "GET", 404),
    ],
)
async def test_nothing_else_is_there(path: str, method: str, status: int) -> None:
    async with admin() as pages:
        assert (await pages.get(path, method)).status == status


async def test_metrics_are_served_again_and_again() -> None:
    async with admin() as pages:
        for _ in range(3):
            answer = await pages.get("/metrics")
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            shown = values(answer.body)
            assert shown["headgate_memory_reserved_bytes",] == 5
            assert (shown["headgate_connections",], shown["headgate_connections_limit",]) == (2, 100)
            assert (shown["headgate_connections_opened_total",], shown["headgate_connections_refused_total",]) == (3, 4)
        assert (await pages.get("/metrics", "HEAD")).status == 200


@pytest.mark.parametrize("path", ["/metrics", "/analysis"])
async def test_a_page_that_fails_is_answered(path: str) -> None:
    async with admin() as pages:
        pages.failure = ValueError("no such label")
        assert (await pages.get(path)).status == 500
        pages.failure = None
        assert (await pages.get(path)).status == 200


@pytest.mark.parametrize("path", ["/metrics", "/analysis"])
async def test_a_page_takes_no_body(path: str) -> None:
    async with admin() as pages:
        client = Client(*await asyncio.open_connection("127.0.0.1", pages.port))
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        assert (await client.answer()).status == 400
        await client.close()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a/x", "a/y", "b/x"]),
        ("?", ["a/x", "a/y", "b/x"]),
        ("?other=1", ["a/x", "a/y", "b/x"]),
        ("?repo=a/y", ["a/y"]),
        ("?repo=b%2Fx&repo=a/x&repo=b/x", ["b/x", "a/x"]),
        ("?repo=a/unknown&repo=a/x", ["a/x"]),
        ("?repo=", []),
        ("?repo=x", []),
    ],
)
async def test_the_analysis_is_of_the_repos_that_are_asked_for(query: str, names: list[str]) -> None:
    async with admin() as pages:
        for namespace, name in (("a", "x"), ("a", "y"), ("b", "x")):
            pages.traffic.analysis.acquire((namespace, name), "r1").count(200, 0.01, None, False)
        answer = await pages.get(f"/analysis{query}")
    report = AnalysisReport.model_validate_json(answer.body)
    assert (report.track, report.started, report.uptime_seconds) == ("canary", "run-1", 2.5)
    assert [f"{sample.namespace}/{sample.name}" for sample in report.repos] == names
    assert {(sample.revision, sample.requests) for sample in report.repos} <= {("r1", 1)}


async def test_the_analysis_reads_as_it_was_counted() -> None:
    traffic = TrafficCounters()
    config = repo_config(partial="Accept", constraint=constraint(expression("a", "Ge", 1)))
    async with gateway(config) as g:
        await g.ask(post(b'{"a":1}\n{"a":0}\noops\n'))
        traffic = g.ingest.traffic
        text = await encode_report(traffic.analysis, NO_REPOS, None)
        assert AnalysisReport.model_validate_json(text).repos == tuple(traffic.analysis.samples(("default", "logs")))


async def test_an_analysis_of_thousands_of_repos_lets_others_have_the_loop() -> None:
    traffic, turns = TrafficCounters(), 0
    for number in range(2_000):
        traffic.analysis.acquire(("default", f"r{number}"), "r1")
    page = asyncio.create_task(encode_report(traffic.analysis, NO_REPOS, None))
    while not page.done():
        turns += 1
        traffic.analysis.release(("default", f"r{2_000 - turns}"), "r1")  # repos may leave meanwhile
        await asyncio.sleep(0)
    assert turns >= 2_000 // REPOS_PER_TURN
    assert len(AnalysisReport.model_validate_json(page.result()).repos) < 2_000


def test_a_scrape_of_thousands_of_repos_holds_the_loop_for_milliseconds() -> None:
    traffic = TrafficCounters()
    for number in range(2_000):
        traffic.repos.acquire(f"r{number}").count_request(200)
    gc.collect()
    gc.freeze()  # as the gateway does: what other tests have left is not to be looked through meanwhile
    begun = time.thread_time()
    encode = snapshot_metrics(traffic, NO_GAUGES, [], "stable")
    read = time.thread_time() - begun
    gc.unfreeze()
    traffic.repos.acquire("r7").received = 9
    text = encode()
    # What the loop does is a small part of it, and what happens later is not in it.
    assert read < (time.thread_time() - begun) / 10
    assert b'headgate_lines_received_total{repo="r7",track="stable"} 0.0' in text


async def test_metrics_account_for_every_line_and_record() -> None:
    config = repo_config(partial="Accept", constraint=constraint(expression("a", "Ge", 1)))
    async with gateway(config) as g:
        for body in (b'{"a":1}\n{"a":0}\noops\n', b'{"a":2}\n' * 50, b"\n"):
            await g.ask(post(body))
        await g.ask(post(b"{}", path="/unknown"))
        found = values(snapshot_metrics(g.ingest.traffic, NO_GAUGES, [], "stable")())
    lines = {fate: found["headgate_lines_total", fate, "logs"] for fate in ("accepted", "dropped", "rejected")}
    assert lines == {"accepted": 51, "dropped": 1, "rejected": 1}
    assert found["headgate_lines_received_total", "logs"] == sum(lines.values())
    records = [v for k, v in found.items() if k[0] in {"headgate_records_total", "headgate_records_in_flight"}]
    assert sum(records) == lines["accepted"]
    requests = {k[1:]: v for k, v in found.items() if k[0] == "headgate_requests_total"}
    assert requests == {("200", "logs"): 1, ("207", "logs"): 1, ("400", "logs"): 1, ("404", ""): 1}
    assert found["headgate_delivery_seconds_count", "main"] == 2
    assert found["headgate_request_records_bucket", "1.0", "main"] == 1
    assert found["headgate_request_records_sum", "main"] == 51
    assert found["headgate_repo_info", "logs", "r1"] == 1


def test_two_producers_of_one_profile_count_together() -> None:
    snapshots = [
        ProducerSnapshot("main", Counters(batches=2), 1, 100),
        ProducerSnapshot("main", Counters(batches=3), 0, 50),
    ]
    snapshots[0].counters.request_seconds.observe(0.04)
    for seconds in (0.03, 9.0):
        snapshots[1].counters.request_seconds.observe(seconds)
    found = values(snapshot_metrics(TrafficCounters(), NO_GAUGES, snapshots, "canary")())
    assert found["headgate_producer_batches_total", "main"] == 5
    assert found["headgate_producer_request_seconds_count", "main"] == 3
    assert found["headgate_producer_request_seconds_bucket", "0.05", "main"] == 2
    assert found["headgate_producer_buffered_bytes", "main"] == 150


@pytest.mark.parametrize(("down", "shown"), [((True, False), 0), ((True, True), 1), ((False,), 0)])
def test_a_profile_is_down_when_none_of_its_producers_delivers(down: tuple[bool, ...], shown: int) -> None:
    snapshots = [ProducerSnapshot("main", Counters(), 0, 0, each) for each in down]
    found = values(snapshot_metrics(TrafficCounters(), NO_GAUGES, snapshots, "stable")())
    assert found["headgate_producer_down", "main"] == shown


def test_series_of_what_is_gone_leave() -> None:
    traffic = TrafficCounters()
    traffic.repos.acquire("a").received = 1
    assert b'repo="a"' in snapshot_metrics(traffic, NO_GAUGES, [], "stable")()
    traffic.repos.release("a")
    assert b'repo="a"' not in snapshot_metrics(traffic, NO_GAUGES, [], "stable")()


def test_credentials_hash_tells_names_from_contents() -> None:
    hashes = {
        credentials_hash(files)
        for files in (
            {},
            {"a": b"b"},
            {"ab": b""},
            {"a": b"", "b": b""},
            {"a": b"b", "c": b"d"},
            {"c": b"d", "a": b"x"},
        )
    }
    assert len(hashes) == 6
    assert credentials_hash({"a": b"1", "b": b"2"}) == credentials_hash({"b": b"2", "a": b"1"})


def test_status_of_a_newer_gateway_is_read() -> None:
    text = b'{"version":"9","contractVersions":[1,2],"new":{},"producers":[{"profile":"p","newer":1}]}'
    assert GatewayStatus.model_validate_json(text).producers[0].profile == "p"


# Logs


def record(message: str = "request not served", **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "x", "levelname": "WARNING", "msg": message, **extra})


def test_a_log_line_is_an_object_with_its_extras() -> None:
    line = json.loads(JsonFormatter().format(record(requestId="r1", repo="logs")))
    assert (line["message"], line["level"], line["requestId"], line["repo"]) == (
        "request not served",
        "warning",
        "r1",
        "logs",
    )
    assert line["time"].endswith("Z")


def test_floods_are_bounded_by_kind_and_counted() -> None:
    now = [100.0]
    limit = RateLimit(lambda: now[0])
    assert sum(limit.filter(record(repo="a")) for _ in range(1_000)) == 10
    assert limit.filter(record(repo="b"))
    now[0] += 11
    first = record(repo="a")
    assert limit.filter(first)
    assert json.loads(JsonFormatter().format(first))["suppressed"] == 990


@pytest.mark.parametrize("subject", ["namespace", "repo", "profile", "shard", "task"])
def test_one_in_trouble_does_not_hide_another(subject: str) -> None:
    limit = RateLimit(lambda: 0.0)
    for _ in range(100):
        limit.filter(record("producer %s: %s -> %s", **{subject: "a"}))
    assert limit.filter(record("producer %s: %s -> %s", **{subject: "b"}))


# The command line


def test_the_operators_flags_are_understood() -> None:
    settings = read_settings(
        build_parser().parse_args(
            [
                "--config",
                "/c",
                "--port",
                "8080",
                "--admin-port",
                "8081",
                "--host",
                "::",
                "--buffer-bytes",
                "64Mi",
                "--grace-period",
                "1m30s",
                "--drain-delay",
                "8s",
                "--keep-alive",
                "65m",
                "--track",
                "canary",
                "--log-level",
                "info",
            ]
        )
    )
    assert (settings.buffer_bytes, settings.grace_period, settings.keep_alive) == (64 * 2**20, 90.0, 3_900.0)
    assert (settings.track, settings.host, settings.drain_delay) == ("canary", "::", 8.0)


def test_defaults_are_the_documented_ones() -> None:
    settings = read_settings(build_parser().parse_args(["--config", "/c"]))
    assert (settings.port, settings.admin_port, settings.host) == (8080, 8081, "")
    assert (settings.grace_period, settings.drain_delay, settings.keep_alive) == (60.0, 8.0, 3_900.0)
    assert (settings.buffer_bytes, settings.track) == (256 * 2**20, "stable")
    assert settings.max_connections == 20_000


def test_a_mistake_on_the_command_line_names_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--config", "/c", "--grace-period", "60"])
    assert "such as 500ms" in capsys.readouterr().err
