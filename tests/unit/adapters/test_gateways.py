"""The poller against a real socket, and what it makes of an answer."""

import asyncio
import time
from dataclasses import replace
from functools import partial

from aiohttp import web

from headgate_gateway.config.analysis import PreflightReport
from headgate_gateway.config.status import AdoptedSpool, ForeignSpool, GatewayStatus, RefusedRepo, SpoolStatus
from headgate_operator.adapters.gateways import GatewayPoller, PollTiming, build_report
from headgate_operator.metrics import Metrics
from headgate_operator.status.observation import Directories, PodView

STATUS = GatewayStatus(
    version="1",
    contract_versions=(1, 2),
    shards={"00": "h0", "07": "h7"},
    credentials_hash="c",
    refused=(RefusedRepo(namespace="n", name="r", reason="why", revision="1", serving_revision="0"),),
    preflights=(PreflightReport(namespace="n", name="r", revision="1", state="Failed", problems=("no topic",)),),
)
TIMING = PollTiming(fast=0.02, slow=0.05, timeout=0.3, misses=2)
ADDRESS = "127.0.72.1"


def pod(address: str = ADDRESS) -> PodView:
    return PodView("ns", "pod", "uid", "main", "stable", address, ready=True, leaving=False, config_hash="")


def test_a_report_keeps_what_conditions_depend_on() -> None:
    report = build_report(STATUS.model_dump_json(by_alias=True).encode())
    assert report.shards == {0: "h0", 7: "h7"}
    assert report.contract_versions == (1, 2)
    assert report.refused["n", "r"].serving
    assert report.preflights["n", "r"].problems == ("no topic",)
    assert build_report(b'{"version":"9","contractVersions":[1],"fromTheFuture":1}').shards == {}


def spooling(**figures: object) -> bytes:
    spool = SpoolStatus(**figures)
    return STATUS.model_copy(update={"spool": spool}).model_dump_json(by_alias=True).encode()


def test_figures_of_a_spool_make_no_other_report_and_its_troubles_do() -> None:
    few, more = (build_report(spooling(backlog_records=records, oldest_seconds=9.0)) for records in (1, 2))
    assert build_report(spooling(backlog_records=1, oldest_seconds=0.1)) == build_report(spooling())
    assert few == more
    assert more.spool is not None
    assert more.spool.backlog_records == 2
    held = partial(spooling, backlog_records=1, oldest_seconds=9.0)
    for other in (spooling(), held(state="Full"), held(parked=1)):
        assert build_report(other) != few
    assert build_report(STATUS.model_dump_json(by_alias=True).encode()).spool is None


def test_of_what_it_has_taken_over_a_report_tells_apart_what_is_not_open() -> None:
    adopted = (
        AdoptedSpool(directory="open", bytes=1, backlog_records=1),
        AdoptedSpool(directory="kept", bytes=2, parked=1),
        AdoptedSpool(directory="damaged", bytes=4, damaged=1),
        AdoptedSpool(directory="damaged before", bytes=64),
        AdoptedSpool(directory="waits", bytes=8, opened=False),
        AdoptedSpool(directory="waits too", bytes=16, opened=False),
        AdoptedSpool(directory="not to be opened", bytes=32, opened=False, problem="format version 9"),
    )
    foreign = tuple(ForeignSpool(owner=owner, bytes=nbytes) for owner, nbytes in (("b", 1), ("a", 2), ("b", 4)))
    report = build_report(spooling(adopted=adopted, foreign=foreign)).spool
    assert report is not None
    assert (report.adopted, report.waiting, report.unopened) == (7, Directories(2, 24), Directories(1, 32))
    assert (report.foreign, report.foreign_bytes) == (("a", "b"), {"a": 2, "b": 5})
    assert report.holds


async def test_a_gateway_on_its_way_out_is_asked_to_the_end_and_its_last_word_stands() -> None:
    answers, noticed = [spooling(backlog_records=5)], list[tuple[str, str]]()

    async def status(_: web.Request) -> web.Response:
        return web.Response(body=answers[0], content_type="application/json")

    app = web.Application()
    app.router.add_get("/status", status)
    runner, address = web.AppRunner(app, shutdown_timeout=0.1), "127.0.72.5"
    await runner.setup()
    await web.TCPSite(runner, address, 8081).start()
    pods, metrics = [replace(pod(address), leaving=True, ready=False)], Metrics()
    timing = replace(TIMING, leaving=0.05)
    poller = GatewayPoller(lambda: pods, noticed.append, time.monotonic, metrics, timing)
    task = asyncio.create_task(poller.run(lambda: True))

    def left() -> int | None:
        report = poller.report("uid")
        return report.spool.backlog_records if report is not None and report.spool is not None else None

    def oldest() -> float | None:
        report = poller.report("uid")
        return report.spool.oldest_seconds if report is not None and report.spool is not None else None

    try:
        await wait_until(lambda: left() == 5)
        answers[0] = spooling(backlog_records=2)
        await wait_until(lambda: len(noticed) == 2)
        assert left() == 2
        for seconds in (6.0, 7.0, 8.0):
            answers[0] = spooling(backlog_records=2, oldest_seconds=seconds)
            await wait_until(lambda seconds=seconds: oldest() == seconds)
        assert len(noticed) == 3  # once: from then on it is known to hold events
        await runner.cleanup()
        await wait_until(lambda: count(metrics, "unreachable") > 4)
        assert left() == 2
        pods[0] = replace(pods[0], finished=True)
        await wait_until(lambda: poller.report("uid") is None)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


async def wait_until(check: object, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not check():  # type: ignore[operator]
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


async def test_a_changed_answer_notifies_and_a_gateway_that_falls_silent_is_unknown() -> None:
    answers = [STATUS.model_dump_json(by_alias=True)]
    noticed: list[tuple[str, str]] = []

    async def status(_: web.Request) -> web.Response:
        return web.Response(text=answers[0], content_type="application/json")

    app = web.Application()
    app.router.add_get("/status", status)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, 8081).start()
    poller = GatewayPoller(lambda: [pod()], noticed.append, time.monotonic, Metrics(), TIMING)
    task = asyncio.create_task(poller.run(lambda: True))
    try:
        await wait_until(lambda: poller.report("uid"))
        await asyncio.sleep(0.2)
        assert noticed == [("ns", "main")]
        answers[0] = STATUS.model_copy(update={"credentials_hash": "d"}).model_dump_json(by_alias=True)
        await wait_until(lambda: len(noticed) == 2)
        await runner.cleanup()
        await wait_until(lambda: poller.report("uid") is None)
        assert len(noticed) == 3
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


async def test_nobody_is_asked_while_disabled() -> None:
    poller = GatewayPoller(lambda: [pod("127.0.72.2")], lambda _: None, time.monotonic, metrics := Metrics(), TIMING)
    task = asyncio.create_task(poller.run(lambda: False))
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    labels = {"result": "unreachable"}
    assert metrics.registry.get_sample_value("headgate_gateway_polls_total", labels) is None


async def test_a_redirect_is_not_followed() -> None:
    followed: list[str] = []

    async def status(_: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    async def elsewhere(request: web.Request) -> web.Response:
        followed.append(request.path)
        return web.Response(text=STATUS.model_dump_json(by_alias=True), content_type="application/json")

    app = web.Application()
    app.router.add_get("/status", status)
    app.router.add_get("/elsewhere", elsewhere)
    address, metrics = "127.0.72.3", Metrics()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, 8081).start()
    poller = GatewayPoller(lambda: [pod(address)], lambda _: None, time.monotonic, metrics, TIMING)
    task = asyncio.create_task(poller.run(lambda: True))
    try:
        await wait_until(lambda: count(metrics, "unreadable") > 1)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()
    assert followed == []
    assert poller.report("uid") is None


def count(metrics: Metrics, result: str) -> float:
    return metrics.registry.get_sample_value("headgate_gateway_polls_total", {"result": result}) or 0.0


async def test_a_gateway_that_stays_out_of_reach_is_asked_ever_more_rarely_until_it_is_ready() -> None:
    timing = PollTiming(fast=0.01, slow=60.0, timeout=0.3, misses=2, patient=3)
    pods, metrics = [replace(pod("127.0.72.4"), ready=False)], Metrics()
    poller = GatewayPoller(lambda: pods, lambda _: None, time.monotonic, metrics, timing)
    poller.hurry(("ns", "main"), True)
    task = asyncio.create_task(poller.run(lambda: True))
    try:
        await asyncio.sleep(1.0)
        asked = count(metrics, "unreachable")
        assert 4 < asked < 15  # a hundred at full pace
        pods[0] = replace(pods[0], ready=True)
        await wait_until(lambda: count(metrics, "unreachable") > asked + 3)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
