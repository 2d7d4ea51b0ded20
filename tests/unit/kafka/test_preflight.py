"""Whether a revision could be delivered: the verdict, and what is remembered and asked again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.unit.gateway.builders import expression, repo_config

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.kafka.access import WRITE, TopicAccess
from headgate_gateway.kafka.connection import ConnectionFailedError, CredentialsRefusedError
from headgate_gateway.kafka.preflight import REFUSED_AFTER, Findings, PreflightState, decide_preflight
from headgate_gateway.kafka.preflights import Preflights

PENDING, PASSED, FAILED = PreflightState.PENDING, PreflightState.PASSED, PreflightState.FAILED
GOOD = TopicAccess(0, [1, 2], WRITE)
MISSING = TopicAccess(3, [], None)
HIDDEN = TopicAccess(29, [], None)
READ_ONLY = TopicAccess(0, [1], 8)
WRONG_USER = Findings(error="no such user", refused=True)


@pytest.mark.parametrize(
    ("findings", "refused_for", "state", "problem"),
    [
        pytest.param(Findings(GOOD), 0, PASSED, "", id="all is well"),
        pytest.param(Findings(TopicAccess(0, [1], None)), 0, PASSED, "", id="a broker that knows no rights"),
        pytest.param(Findings(error="b:1: refused"), 0, PENDING, "b:1: refused", id="nobody answers"),
        pytest.param(Findings(), 0, PENDING, "no broker speaks of topic t", id="an answer about other topics"),
        pytest.param(WRONG_USER, REFUSED_AFTER - 0.1, PENDING, "no such user", id="credentials refused for a moment"),
        pytest.param(WRONG_USER, REFUSED_AFTER, FAILED, "no such user", id="credentials refused for long"),
        pytest.param(Findings(MISSING), 0, PENDING, "does not exist", id="missing, just asked"),
        pytest.param(Findings(MISSING), REFUSED_AFTER - 0.1, PENDING, "does not exist", id="missing for a moment"),
        pytest.param(Findings(MISSING), REFUSED_AFTER, FAILED, "does not exist", id="missing for long"),
        pytest.param(Findings(GOOD), 9, PASSED, "", id="not missing any more"),
        pytest.param(Findings(HIDDEN), REFUSED_AFTER - 0.1, PENDING, "TOPIC_AUTH", id="hidden for a moment"),
        pytest.param(Findings(HIDDEN), REFUSED_AFTER, FAILED, "TOPIC_AUTHORIZATION_FAILED", id="hidden for long"),
        pytest.param(Findings(TopicAccess(17, [], None)), 0, FAILED, "INVALID_TOPIC", id="no legal name"),
        pytest.param(Findings(READ_ONLY), REFUSED_AFTER - 0.1, PENDING, "may not write", id="read only for a moment"),
        pytest.param(Findings(READ_ONLY), REFUSED_AFTER, FAILED, "may not write", id="read only for long"),
        pytest.param(Findings(TopicAccess(5, [], None)), 0, PENDING, "LEADER_NOT_AVAILABLE", id="being made"),
        pytest.param(
            Findings(TopicAccess(0, [1, -1, -1], WRITE)), 0, PENDING, "no leader for partition 1, 2", id="leaderless"
        ),
        pytest.param(
            Findings(TopicAccess(0, [-1], 8)), 9, PENDING, "no leader", id="leaderless is told before lacking rights"
        ),
        pytest.param(Findings(GOOD, trouble="broker 2 is away"), 0, PENDING, "broker 2 is away", id="leader away"),
    ],
)
def test_the_verdict(findings: Findings, refused_for: float, state: PreflightState, problem: str) -> None:
    found, told = decide_preflight("t", findings, refused_for)
    assert found is state
    assert problem in told
    assert bool(told) is (state is not PASSED)


class Brokers:
    """Answers as told; counts questions."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicAccess] = {"t": GOOD}
        self.error: Exception | None = None
        self.asked: list[list[str]] = []

    async def fetch_access(self, topics: list[str]) -> dict[str, TopicAccess]:
        self.asked.append(topics)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {topic: self.topics.get(topic, MISSING) for topic in topics}

    def trouble(self, name: str) -> str:
        return ""


PATIENCE = 0.5
"""Seconds of a refusal; real ones, so few."""


@asynccontextmanager
async def running(brokers: Brokers) -> AsyncIterator[Preflights]:
    preflights = Preflights(lambda _: brokers, PATIENCE)
    task = asyncio.create_task(preflights.run())
    try:
        yield preflights
    finally:
        task.cancel()
        await asyncio.sleep(0)


def states(preflights: Preflights) -> dict[str, str]:
    return {f"{report.name}@{report.revision}": report.state for report in preflights.reports()}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(8):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_repos_of_one_profile_are_asked_about_together() -> None:
    brokers = Brokers()
    brokers.topics["u"] = TopicAccess(17, [], None)
    async with running(brokers) as preflights:
        preflights.look_at([repo_config("a"), repo_config("b", kafka={"topic": "u"}), repo_config("c")])
        await until(lambda: states(preflights) == {"a@r1": "Passed", "b@r1": "Failed", "c@r1": "Passed"})
        assert brokers.asked == [["t", "u"]]


async def test_a_new_revision_is_pending_until_brokers_were_asked() -> None:
    brokers = Brokers()
    async with running(brokers) as preflights:
        preflights.look_at([repo_config("a"), repo_config("b")])
        await until(lambda: set(states(preflights).values()) == {"Passed"})
        brokers.fetch_access = never  # type: ignore[method-assign]
        preflights.look_at([repo_config("a", revision="r2"), repo_config("b")])
        await until(lambda: states(preflights) == {"a@r2": "Pending", "b@r1": "Passed"})
        assert preflights.reports()[0].problems == ("the brokers have not been asked yet",)


async def never(topics: list[str]) -> dict[str, TopicAccess]:
    await asyncio.Event().wait()
    raise AssertionError(topics)


def take_away_the_topic(brokers: Brokers) -> None:
    del brokers.topics["t"]


def hide_the_topic(brokers: Brokers) -> None:
    brokers.topics["t"] = HIDDEN


def refuse_the_user(brokers: Brokers) -> None:
    brokers.error = CredentialsRefusedError("no such user")


@pytest.mark.parametrize("refuse", [take_away_the_topic, hide_the_topic, refuse_the_user])
async def test_a_refusal_fails_after_some_seconds_and_passes_once_it_is_lifted(
    refuse: Callable[[Brokers], None],
) -> None:
    brokers = Brokers()
    refuse(brokers)
    loop = asyncio.get_running_loop()
    async with running(brokers) as preflights:
        preflights.look_at([repo_config("a")])
        begun = loop.time()
        await until(lambda: states(preflights) == {"a@r1": "Failed"})
        assert loop.time() - begun >= PATIENCE - 0.1
        brokers.topics["t"], brokers.error = GOOD, None
        preflights.look_at([repo_config("a")])
        await until(lambda: states(preflights) == {"a@r1": "Passed"})


async def test_an_error_that_nobody_foresaw_is_told_and_asked_again_as_seldom_as_others() -> None:
    brokers = Brokers()
    brokers.error = ZeroDivisionError("odd")
    async with running(brokers) as preflights:
        preflights.look_at([repo_config("a")])
        await asyncio.sleep(0.7)
        assert len(brokers.asked) == 1
        assert states(preflights) == {"a@r1": "Pending"}
        assert preflights.reports()[0].problems == ("asking failed: ZeroDivisionError: odd",)
        brokers.error = None
        await until(lambda: states(preflights) == {"a@r1": "Passed"})


@pytest.mark.parametrize(
    ("error", "state"),
    [(ConnectionFailedError("away"), "Pending"), (CredentialsRefusedError("wrong password"), "Pending")],
)
async def test_why_nobody_answers_is_told_for_every_repo(error: ConnectionFailedError, state: str) -> None:
    brokers = Brokers()
    brokers.error = error
    async with running(brokers) as preflights:
        preflights.look_at([repo_config("a"), repo_config("b", kafka={"topic": "u"})])
        await until(lambda: states(preflights) == {"a@r1": state, "b@r1": state} and len(brokers.asked) > 0)
        await until(lambda: all(report.problems == (str(error),) for report in preflights.reports()))


async def test_what_is_served_no_more_is_not_reported() -> None:
    async with running(Brokers()) as preflights:
        preflights.look_at([repo_config("a"), repo_config("b")])
        await until(lambda: len(states(preflights)) == 2)
        preflights.look_at([repo_config("b")])
        await until(lambda: list(states(preflights)) == ["b@r1"])
        preflights.look_at([])
        await until(lambda: states(preflights) == {})


async def test_a_profile_that_nobody_uses_any_more_is_waited_for() -> None:
    def gone(profile: ProducerConfig) -> None:
        assert profile.name == "main"

    preflights = Preflights(gone)
    task = asyncio.create_task(preflights.run())
    preflights.look_at([repo_config("a")])
    await until(lambda: preflights.reports() != () and "is gone" in preflights.reports()[0].problems[0])
    assert states(preflights) == {"a@r1": "Pending"}
    task.cancel()


# Several topics and clusters

EVERYWHERE = {
    "topics": [{"when": [expression("a", "Exists")], "topic": "far", "producerProfile": "other"}],
    "deadLetter": {"topic": "dead"},
}
HEADER = [{"path": "/p", "format": "JSON", "topicHeader": {"name": "topic", "topics": ["named"]}}]


def everywhere() -> RepoConfig:
    producers = {name: {"name": name, "bootstrapServers": [f"{name}:9092"]} for name in ("main", "other")}
    return repo_config("a", kafka=EVERYWHERE, endpoints=HEADER, producers=producers)


async def test_a_repo_passes_once_all_its_topics_do_on_all_its_clusters() -> None:
    brokers = {"main": Brokers(), "other": Brokers()}
    brokers["main"].topics = {"t": GOOD, "named": GOOD, "dead": GOOD}
    brokers["other"].topics = {"far": GOOD}
    preflights = Preflights(lambda profile: brokers[profile.name], PATIENCE)
    task = asyncio.create_task(preflights.run())
    preflights.look_at([everywhere()])
    await until(lambda: states(preflights) == {"a@r1": "Passed"})
    assert (brokers["main"].asked, brokers["other"].asked) == ([["dead", "named", "t"]], [["far"]])
    task.cancel()


async def test_one_missing_topic_fails_its_repo_and_the_others_stay_told() -> None:
    brokers = {"main": Brokers(), "other": Brokers()}
    brokers["main"].topics = {"t": GOOD, "named": GOOD}
    brokers["other"].error = ConnectionFailedError("nobody answers there")
    preflights = Preflights(lambda profile: brokers[profile.name], PATIENCE)
    task = asyncio.create_task(preflights.run())
    preflights.look_at([everywhere()])
    await until(lambda: states(preflights) == {"a@r1": "Failed"})
    (report,) = preflights.reports()
    assert [("dead" in p, "nobody answers" in p) for p in report.problems] == [(True, False), (False, True)]
    task.cancel()
