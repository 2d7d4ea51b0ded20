"""The poller of counters against a real socket: it asks for what is on its way, and for nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from headgate_gateway.config.analysis import AnalysisReport, RepoSample
from headgate_operator.adapters.counters import CounterPoller
from headgate_operator.metrics import Metrics
from headgate_operator.status.observation import PodView

ADDRESS = "127.0.72.9"
FLEET = ("ns", "main")
REPO = ("team", "orders")


def pod(uid: str, repo: tuple[str, str] | None = None) -> PodView:
    track = "canary" if repo else "stable"
    return PodView("ns", uid, uid, "main", track, ADDRESS, ready=True, leaving=False, config_hash="", repo=repo)


def report(requests: int) -> str:
    sample = RepoSample(namespace="team", name="orders", revision="r1", requests=requests)
    return AnalysisReport(track="stable", started="s", uptime_seconds=1.0, repos=(sample,)).model_dump_json(
        by_alias=True
    )


@asynccontextmanager
async def gateways(asked: list[list[str]], answer: str) -> AsyncIterator[None]:
    async def analysis(request: web.Request) -> web.Response:
        asked.append(request.query.getall("repo", []))
        return web.Response(text=answer, content_type="application/json")

    app = web.Application()
    app.router.add_get("/analysis", analysis)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, 8081).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def polling(pods: list[PodView], noticed: list[tuple[str, str]]) -> AsyncIterator[CounterPoller]:
    poller = CounterPoller(lambda: pods, noticed.append, time.monotonic, Metrics())
    task = asyncio.create_task(poller.run(lambda: True))
    try:
        yield poller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(check: object) -> None:
    deadline = time.monotonic() + 5
    while not check():  # type: ignore[operator]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_repos_on_their_way_are_read_from_every_gateway_and_the_fleet_is_told() -> None:
    asked: list[list[str]] = []
    noticed: list[tuple[str, str]] = []
    other = ("team", "payments")
    async with gateways(asked, report(7)), polling([pod("a"), pod("b", REPO), pod("c", other)], noticed) as poller:
        poller.watch(FLEET, [REPO])
        await until(lambda: noticed)
        found = poller.counted("a")
    assert found is not None
    assert found[0].repos[0].requests == 7
    assert poller.counted("b") is not None
    assert asked == [["team/orders"]] * 2  # the canary of another repo has nothing to say
    assert noticed[0] == FLEET


async def test_nobody_is_asked_while_nothing_is_on_its_way() -> None:
    asked: list[list[str]] = []
    async with gateways(asked, report(7)), polling([pod("a")], []) as poller:
        poller.watch(FLEET, [REPO])
        poller.watch(FLEET, [])
        await asyncio.sleep(1.3)
    assert asked == []


@pytest.mark.parametrize("answer", ["{}", "no json"], ids=["another shape", "no JSON"])
async def test_an_answer_that_cannot_be_read_counts_for_nothing(answer: str) -> None:
    noticed: list[tuple[str, str]] = []
    async with gateways([], answer), polling([pod("a")], noticed) as poller:
        poller.watch(FLEET, [REPO])
        await until(lambda: noticed)
        assert poller.counted("a") is None
