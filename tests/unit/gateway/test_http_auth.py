"""Repos that are not open to all, over HTTP: who is let in, what others are told, what that counts as."""

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.unit.gateway.builders import Gateway, chunked, gateway, post, repo_config, until
from tests.unit.gateway.hashes import API_KEYS, BASIC, basic, credentials
from tests.unit.gateway.test_admin import NO_GAUGES

from headgate_gateway.admin.metrics import snapshot_metrics
from headgate_gateway.http.auth import PasswordClaim, compile_auth
from headgate_gateway.http.passwords import WAITING_OF_REPO, Passwords

BOTH = {**API_KEYS, **BASIC}
FILES = credentials(keys={"shipper-2026": "k-1"}, users={"ann": "s3cret"})
GUARDED = repo_config(auth=BOTH)


def sample(g: Gateway) -> tuple[int, int, int]:
    (found,) = g.ingest.traffic.analysis.samples(("default", "logs"))
    return found.requests, found.excluded, found.server_errors


@pytest.mark.parametrize(
    "line", ["Authorization: Bearer k-1", "X-API-Key: k-1", basic("ann", "s3cret")], ids=["bearer", "header", "basic"]
)
async def test_each_way_in(line: str) -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        for _ in range(2):
            assert (await g.ask(post(b"{}", line))).status == 200
        assert (g.budget.reserved, g.counters().unauthenticated) == (0, 0)


@pytest.mark.parametrize(
    ("auth", "challenge"),
    [
        (API_KEYS, 'Bearer realm="logs"'),
        (BASIC, 'Basic realm="logs", charset="UTF-8"'),
    ],
    ids=["keys", "passwords"],
)
@pytest.mark.parametrize("line", ["X-Nothing: x", "Authorization: Bearer no", basic("ann", "no")])
async def test_all_others_are_401_with_the_way_in(auth: dict[str, Any], challenge: str, line: str) -> None:
    async with gateway(repo_config(auth=auth), credentials=FILES) as g:
        answer = await g.ask(post(b"{}", line))
        assert (answer.status, answer.json["reason"]) == (401, "Unauthenticated")
        assert answer.headers["www-authenticate"] == challenge
        assert g.producer.submitted == []
        assert (g.counters().unauthenticated, sample(g)) == (1, (0, 1, 0))
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_who_may_not_come_in_learns_nothing_else() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        for request in (
            b"GET /log/repo/logs HTTP/1.1\r\nHost: gw\r\n\r\n",
            post(b"{}", "Content-Encoding: br"),
            post(b"", length=2**40),
        ):
            assert (await g.ask(request)).status == 401


async def test_keys_are_judged_before_the_body_is_asked_for() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        client = await g.connect()
        client.send(post(b"", "Expect: 100-continue", "X-API-Key: no", length=100))
        assert (await client.answer()).status == 401
        client = await g.connect()
        client.send(post(b"", "Expect: 100-continue", "X-API-Key: k-1", length=2))
        assert (await client.answer()).status == 100
        client.send(b"{}")
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("line", ["X-Nothing: x", "X-API-Key: k-1", basic("ann", "s3cret")])
async def test_without_its_hashes_a_repo_lets_nobody_in(line: str) -> None:
    async with gateway(GUARDED) as g:
        answer = await g.ask(post(b"{}", line))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, "AuthUnavailable", "5")
        assert g.producer.submitted == []
        assert sample(g) == (1, 0, 1)  # the revision that named them may well be at fault


async def test_an_open_repo_beside_it_stays_open() -> None:
    async with gateway(GUARDED, repo_config("other")) as g:
        assert (await g.ask(post(b"{}", path="/log/repo/other"))).status == 200


async def test_the_name_of_a_key_stands_in_debug_logs_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with gateway(GUARDED, credentials=FILES) as g:
        await g.ask(post(b"{}", "X-API-Key: k-1"))
        await g.ask(post(b"{}", "X-API-Key: no"))
    (who,) = [record for record in caplog.records if "who" in record.__dict__]
    assert (who.levelname, who.__dict__["who"], who.__dict__["repo"]) == ("DEBUG", "shipper-2026", "logs")
    assert "k-1" not in caplog.text


class Held:
    """Checks of passwords that wait until they are let go on."""

    def __init__(self, g: Gateway, clock: float = 0.0) -> None:
        self._go_on = threading.Semaphore(0)
        self.checked = 0
        g.ingest.passwords = Passwords(lambda: clock, self._check)

    def _check(self, claim: PasswordClaim) -> bool:
        assert self._go_on.acquire(timeout=10)
        self.checked += 1
        return claim.holds()

    def go_on(self, times: int = 1_000) -> None:
        for _ in range(times):
            self._go_on.release()


async def test_a_body_waits_for_its_password_and_is_sent_after_it() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        held = Held(g)
        client = await g.connect()
        client.send(post(b'{"a":1}', basic("ann", "s3cret")))
        assert (await g.ask(post(b"{}", "X-API-Key: k-1"))).status == 200
        assert g.producer.values == [b"{}"]
        held.go_on()
        assert (await client.answer()).status == 200
        assert g.producer.values == [b"{}", b'{"a":1}']


async def test_many_clients_with_one_password_wait_for_one_check() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        held = Held(g)
        clients = [await g.connect() for _ in range(2 * WAITING_OF_REPO)]
        for client in clients:
            client.send(post(b"{}", basic("ann", "s3cret")))
        held.go_on()
        assert {(await client.answer()).status for client in clients} == {200}
        assert held.checked == 1


async def test_more_guesses_than_may_wait_are_503_and_keys_go_on() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        held = Held(g)
        clients = [await g.connect() for _ in range(WAITING_OF_REPO + 3)]
        for number, client in enumerate(clients):
            client.send(post(b"{}", basic("ann", f"guess {number}")))
            await asyncio.sleep(0.001)
        refused = [await client.answer() for client in clients[WAITING_OF_REPO:]]
        assert {(a.status, a.json["reason"], a.headers["retry-after"]) for a in refused} == {(503, "Overloaded", "1")}
        assert (await g.ask(post(b"{}", "X-API-Key: k-1"))).status == 200
        held.go_on()
        assert {(await client.answer()).status for client in clients[:WAITING_OF_REPO]} == {401}
        assert sample(g) == (1, WAITING_OF_REPO + 3, 0)
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_a_wrong_password_ends_a_body_that_is_still_coming() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        client = await g.connect()
        client.send(post(b"", basic("ann", "no"), length=1_000_000))
        while not g.counters().unauthenticated:
            client.send(b" " * 100)
            await asyncio.sleep(0.01)
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert await client.closed()
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_guesses_use_up_nobodys_limits() -> None:
    config = repo_config(auth=BOTH, limits={"perGateway": {"requestsPerSecond": 1, "bytesPerSecond": 1_024}})
    async with gateway(config, credentials=FILES, clock=lambda: 5.0) as g:
        for number in range(3):
            assert (await g.ask(post(b"{}", basic("ann", f"guess {number}")))).status == 401
            assert (await g.ask(chunked(b"{}").replace(b"gw", b"gw\r\nX-API-Key: no"))).status == 401
        assert (await g.ask(post(b"{}", basic("ann", "s3cret")))).status == 200
        answer = await g.ask(post(b"{}", "X-API-Key: k-1"))
        assert (answer.status, answer.json["reason"]) == (503, "RateLimited")


async def test_a_password_that_is_right_is_charged_once_it_is_known() -> None:
    config = repo_config(auth=BOTH, limits={"perGateway": {"requestsPerSecond": 1}})
    async with gateway(config, credentials=FILES, clock=lambda: 5.0) as g:
        held = Held(g)
        client = await g.connect()
        client.send(chunked(b"{}").replace(b"gw", b"gw\r\n" + basic("ann", "s3cret").encode()))
        assert (await g.ask(post(b"{}", "X-API-Key: k-1"))).status == 200
        held.go_on()
        answer = await client.answer()
        assert (answer.status, answer.json["reason"]) == (503, "RateLimited")
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_an_encoded_body_waits_for_its_password_before_it_is_decoded() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        no = await g.ask(post(b"not gzip", basic("ann", "no"), "Content-Encoding: gzip"))
        yes = await g.ask(post(b"not gzip", basic("ann", "s3cret"), "Content-Encoding: gzip"))
        assert (no.status, yes.status) == (401, 400)


async def test_a_client_that_leaves_while_its_password_is_checked_holds_nothing() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        held = Held(g)
        client = await g.connect()
        client.send(post(b"", basic("ann", "s3cret"), length=100))
        await asyncio.sleep(0.02)
        await client.close()
        held.go_on()
        await asyncio.sleep(0.05)
        assert (g.budget.reserved, g.counters().requests) == (0, {499: 1})


async def test_refusals_at_the_door_are_metrics_without_names() -> None:
    config = repo_config(auth=API_KEYS, limits={"perGateway": {"requestsPerSecond": 1}})
    async with gateway(config, credentials=FILES, clock=lambda: 5.0) as g:
        for line in ("X-API-Key: no", "X-API-Key: k-1", "X-API-Key: k-1", "X-API-Key: k-1"):
            await g.ask(post(b"{}", line))
        text = snapshot_metrics(g.ingest.traffic, NO_GAUGES, [], "stable")().decode()
    assert 'headgate_unauthenticated_requests_total{repo="logs",track="stable"} 1.0' in text
    assert 'headgate_rate_limited_requests_total{repo="logs",track="stable"} 2.0' in text
    assert "shipper" not in text


async def test_who_may_not_come_in_learns_nothing_by_a_fresh_password_either() -> None:
    for request, status in (
        (b"GET /log/repo/logs HTTP/1.1\r\nHost: gw\r\n%b\r\n\r\n", 405),
        (post(b"{}", "Content-Encoding: br", "%b"), 415),
        (post(b"{}", "Content-Type: image/png", "%b"), 415),
        (post(b"", "%b", length=0), 400),
    ):
        async with gateway(GUARDED, credentials=FILES) as g:
            answers = [await g.ask(request.replace(b"%b", basic("ann", p).encode())) for p in ("no", "s3cret")]
            assert [answer.status for answer in answers] == [401, status]
            assert g.budget.reserved == 0


@pytest.mark.parametrize(("password", "status"), [("no", 401), ("s3cret", 413)])
async def test_a_body_that_would_be_refused_is_ended_by_the_verdict(password: str, status: int) -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        client = await g.connect()
        client.send(post(b"", basic("ann", password), length=2**40))
        while not g.counters().requests:
            assert g.budget.reserved < 100_000
            client.send(b" " * 100)
            await asyncio.sleep(0.01)
        assert (await client.answer()).status == status
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_a_wrong_password_holds_no_memory_for_what_has_not_come() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        held = Held(g)
        client = await g.connect()
        client.send(post(b"x" * 10, basic("ann", "no"), length=1_000_000))
        await until(lambda: g.budget.reserved == 1_000_000)
        held.go_on()
        await until(lambda: g.budget.reserved == 10)
        client.send(b"x")
        assert (await client.answer()).status == 401
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_a_check_that_breaks_is_503_and_says_nothing_of_the_password() -> None:
    def breaks(_: PasswordClaim) -> bool:
        raise MemoryError

    async with gateway(GUARDED, credentials=FILES) as g:
        g.ingest.passwords = Passwords(lambda: 0.0, breaks)
        answer = await g.ask(post(b"{}", basic("ann", "s3cret")))
        assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, "Overloaded", "1")
        assert (g.counters().unauthenticated, sample(g)) == (0, (0, 1, 0))


async def test_without_a_thread_a_check_ends_and_the_next_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        with monkeypatch.context() as patch:
            patch.setattr(ThreadPoolExecutor, "submit", no_thread)
            assert (await g.ask(post(b"{}", basic("ann", "s3cret")))).status == 503
        assert (await g.ask(post(b"{}", basic("ann", "s3cret")))).status == 200
        assert g.budget.reserved == 0


def no_thread(*_: Any, **__: Any) -> Any:
    raise RuntimeError("can't start new thread")


async def test_a_request_that_was_let_in_before_is_judged_anew_once_keys_change() -> None:
    config, same = repo_config(auth=API_KEYS), post(b"{}", "X-API-Key: k-1")
    async with gateway(config, credentials=credentials(keys={"old": "k-1"})) as g:
        guard = g.ingest.router["/log/repo/logs"].repo.guard
        assert guard is not None
        old, new = guard.auth, compile_auth(config, credentials(keys={"new": "k-2"}))
        statuses = []
        for guard.auth in (old, old, new, new, old, None, new):
            statuses.append((await g.ask(same)).status)
        assert statuses == [200, 200, 401, 401, 200, 200, 401]
        assert (g.counters().requests, g.counters().unauthenticated) == ({200: 4, 401: 3}, 3)


async def test_a_password_is_judged_each_time() -> None:
    async with gateway(GUARDED, credentials=FILES) as g:
        judged = []

        class Counting(Passwords):
            def judge(self, *what: Any) -> Any:
                judged.append(what)
                return super().judge(*what)

        g.ingest.passwords = Counting(time.monotonic)
        for _ in range(3):
            assert (await g.ask(post(b"{}", basic("ann", "s3cret")))).status == 200
        assert len(judged) == 3


async def test_a_request_that_was_let_in_before_is_charged_each_time() -> None:
    config = repo_config(auth=API_KEYS, limits={"perGateway": {"requestsPerSecond": 3}})
    async with gateway(config, credentials=FILES, clock=lambda: 5_000.0) as g:
        answers = [await g.ask(post(b"{}", "X-API-Key: k-1")) for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 503, 503]
        assert (g.counters().over_limit, g.budget.reserved, g.producer.reserved) == (2, 0, 0)
