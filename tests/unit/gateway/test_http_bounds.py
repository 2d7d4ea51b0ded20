"""What bodies may cost: time of the event loop, memory beside the budgets, neighbours."""

import asyncio

import pytest
from tests.unit.gateway.builders import Answer, FakeProducer, gateway, post, repo_config

from headgate_gateway.http.upload import RUNS_AT_ONCE
from headgate_gateway.pipeline.run import RUN_LINES


async def turns_until(work: asyncio.Task[Answer]) -> int:
    """How often others had the event loop meanwhile."""
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_tiny_bad_lines_do_not_hold_the_event_loop() -> None:
    lines = 131_072
    async with gateway(repo_config(partial="Accept")) as g:
        asking = asyncio.create_task(g.ask(post(b"1\n" * lines)))
        assert await turns_until(asking) >= lines // RUN_LINES - RUNS_AT_ONCE
        assert asking.result().json["rejected"] == lines


async def test_many_ranges_of_bad_lines_are_cut_short_and_counted() -> None:
    async with gateway(repo_config(partial="Accept")) as g:
        answer = await g.ask(post(b"1\n\n" * 100_000))
        assert (answer.status, answer.json["rejected"], len(answer.json["rejectedLines"])) == (207, 100_000, 1_000)
        assert answer.json["rejectedLinesOmitted"] == 99_000
        assert len(answer.body) < 50_000


async def test_ranges_of_refused_lines_are_counted_as_memory() -> None:
    async with gateway(repo_config(partial="Accept"), budget=20_000) as g:
        answer = await g.ask(post(b"1\n\n" * 1_000))
        assert (answer.status, answer.json["reason"]) == (413, "BodyTooLarge")
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)


async def test_a_body_that_is_refused_anyhow_is_not_looked_at_to_its_end() -> None:
    async with gateway() as g:
        answer = await g.ask(post(b"1\n" * 131_072))
        assert answer.status == 400
        assert "the lines after 2048 were not looked at" in answer.json["message"].replace("2049", "2048")
        assert g.counters().received == g.counters().rejected <= 2_049


async def test_a_body_of_bad_lines_that_was_looked_at_whole_says_nothing_of_the_kind() -> None:
    async with gateway() as g:
        answer = await g.ask(post(b"1\n" * 1_500))
        assert (answer.status, answer.json["rejectedLines"]) == (400, ["1-1500"])
        assert "looked at" not in answer.json["message"]


async def test_the_message_of_413_names_the_line_that_is_too_large() -> None:
    async with gateway(repo_config(limits={"lineBytes": 256})) as g:
        answer = await g.ask(post(b"oops\n{}\n" + b'{"a":"' + b"x" * 300 + b'"}\n'))
        assert (answer.status, answer.json["reason"]) == (413, "LineTooLarge")
        assert "line 3: the line has 308 bytes" in answer.json["message"]


@pytest.mark.parametrize("body", [b"{}\n" * 1_000, b'{"a":"%b"}' % (b"x" * 5_000)])
async def test_a_profile_is_charged_what_the_gateway_is_charged(body: bytes) -> None:
    async with gateway(producer=FakeProducer(hold=True)) as g:
        client = await g.connect()
        client.send(post(body))
        async with asyncio.timeout(3):
            while not g.producer.waiting:  # noqa: ASYNC110 - the fake tells nobody
                await asyncio.sleep(0.01)
        lines = body.count(b"\n") or 1
        assert g.producer.reserved == g.budget.reserved == len(body) + 128 * lines
        g.producer.settle()
        await client.answer()
        assert g.producer.reserved == g.budget.reserved == 0


async def test_a_profile_without_room_for_tiny_lines_refuses_and_gives_all_back() -> None:
    async with gateway(producer=FakeProducer(limit=50_000)) as g:
        answer = await g.ask(post(b"{}\n" * 1_000))
        assert (answer.status, answer.json["reason"]) == (503, "Overloaded")
        assert (g.budget.reserved, g.producer.reserved) == (0, 0)
