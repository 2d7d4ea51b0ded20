"""Runs preflights: asks the brokers of every profile about all topics that repos name, again and again, remembers verdicts.

One question a profile, on a connection of its own, so that the credentials are tried, too; it creates nothing. What
answers mean is decided in `preflight`. The composition root runs it on the canary track alone.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from headgate_gateway.config.analysis import PreflightReport
from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.kafka.access import TopicAccess
from headgate_gateway.kafka.connection import ConnectionFailedError, CredentialsRefusedError
from headgate_gateway.kafka.preflight import (
    REFUSED_AFTER,
    Findings,
    PreflightState,
    Verdict,
    decide_preflight,
    find_refusal,
    worst_of,
)
from headgate_gateway.kafka.supervise import supervise

log = logging.getLogger(__name__)

REPOS_PER_TURN = 128
"""Repos that are judged before others get the event loop."""
FIRST_WORDS = "the brokers have not been asked yet"

AGAIN_AFTER = {PreflightState.PENDING: 1.0, PreflightState.FAILED: 5.0, PreflightState.PASSED: 30.0}
"""Seconds until the next question, by the state of a profile's repos that asks soonest."""

RepoName = tuple[str, str]
"""Namespace and name."""

Place = tuple[str, str]
"""A profile's name, and a topic that a repo may write there."""


class Asked(Protocol):
    """What a producer tells."""

    async def fetch_access(self, topics: list[str]) -> dict[str, TopicAccess]:
        """The topics and our rights. Raises ConnectionFailedError."""
        ...

    def trouble(self, name: str) -> str:
        """Why a topic's leaders cannot be reached now; empty: they are."""
        ...


_Profile = tuple[str, ProducerConfig]


@dataclass(slots=True)
class _Check:
    """What is known of one repo's revision."""

    report: PreflightReport
    verdicts: dict[Place, Verdict]
    refused_since: dict[Place, float] = field(default_factory=dict)


class Preflights:
    """The preflights of all repos that are served."""

    def __init__(self, producer_of: Callable[[ProducerConfig], Asked | None], patience: float = REFUSED_AFTER) -> None:
        """`producer_of` gives the producer that serves a profile's content now, or None.

        `patience`: seconds for which brokers must have refused before it counts.
        """
        self._producer_of = producer_of
        self._patience = patience
        self._configs: Mapping[RepoName, RepoConfig] = {}
        self._checks: dict[RepoName, _Check] = {}
        self._changed = asyncio.Event()

    def look_at(self, configs: Iterable[RepoConfig]) -> None:
        """These are served from now on: all of them are asked about soon."""
        self._configs = {(config.namespace, config.name): config for config in configs}
        self._changed.set()

    def reports(self) -> tuple[PreflightReport, ...]:
        """For `/status`."""
        return tuple(check.report for check in self._checks.values())

    async def run(self) -> None:
        """Ask for ever; a change of what is served begins anew, and keeps the verdicts of what stays."""
        while True:
            self._changed.clear()
            groups = await self._prepare(self._configs)
            tasks = [
                asyncio.create_task(supervise(f"preflight {name}", partial(self._watch, name, profile, repos)))
                for (name, profile), repos in groups.items()
            ]
            try:
                await self._changed.wait()
            finally:
                for task in tasks:
                    task.cancel()

    async def _prepare(self, configs: Mapping[RepoName, RepoConfig]) -> dict[_Profile, list[RepoConfig]]:
        checks: dict[RepoName, _Check] = {}
        groups: dict[_Profile, list[RepoConfig]] = {}
        for number, (name, config) in enumerate(configs.items(), start=1):
            before = self._checks.get(name)
            known = before is not None and before.report.revision == config.revision
            checks[name] = before if before is not None and known else _begin(config)
            for profile in config.topics:
                groups.setdefault((profile, config.producers[profile]), []).append(config)
            if not number % REPOS_PER_TURN:
                await asyncio.sleep(0)
        self._checks = checks
        return groups

    async def _watch(self, name: str, profile: ProducerConfig, repos: Sequence[RepoConfig]) -> None:
        topics = sorted({topic for repo in repos for topic in repo.topics[name]})
        while True:
            findings = await self._ask(profile, topics)
            states = await self._judge(name, repos, findings)
            await asyncio.sleep(min(AGAIN_AFTER[state] for state in states))

    async def _ask(self, profile: ProducerConfig, topics: list[str]) -> dict[str, Findings]:
        producer = self._producer_of(profile)
        if producer is None:
            return dict.fromkeys(topics, Findings(error=f"producer {profile.name} is gone"))
        try:
            access = await producer.fetch_access(topics)
        except CredentialsRefusedError as error:
            return dict.fromkeys(topics, Findings(error=str(error), refused=True))
        except ConnectionFailedError as error:
            return dict.fromkeys(topics, Findings(error=str(error)))
        except Exception as error:
            # Broad on purpose: left to `supervise`, it would open five connections a second, and no report would say why.
            log.exception("asking the brokers of %s failed", profile.name, extra={"profile": profile.name})
            return dict.fromkeys(topics, Findings(error=f"asking failed: {type(error).__name__}: {error}"))
        return {topic: Findings(access.get(topic), trouble=producer.trouble(topic)) for topic in topics}

    async def _judge(
        self, profile: str, repos: Sequence[RepoConfig], findings: Mapping[str, Findings]
    ) -> set[PreflightState]:
        now = asyncio.get_running_loop().time()
        states = set()
        for number, repo in enumerate(repos, start=1):
            states.add(self._judge_one(repo, profile, findings, now))
            if not number % REPOS_PER_TURN:
                await asyncio.sleep(0)
        return states

    def _judge_one(
        self, repo: RepoConfig, profile: str, findings: Mapping[str, Findings], now: float
    ) -> PreflightState:
        """Judge the topics of one profile; the worst of them."""
        check, topics = self._checks[repo.namespace, repo.name], repo.topics[profile]
        for topic in topics:
            self._judge_place(check, (profile, topic), findings[topic], now)
        report = _report(repo, check.verdicts)
        if report != check.report:
            _tell(check.report, report)
            check.report = report
        return worst_of(check.verdicts[profile, topic][0] for topic in topics)

    def _judge_place(self, check: _Check, place: Place, findings: Findings, now: float) -> None:
        topic, since = place[1], check.refused_since
        if find_refusal(topic, findings):
            since.setdefault(place, now)
        elif findings.access is not None:
            since.pop(place, None)
        refused_for = now - since[place] if place in since else 0.0
        check.verdicts[place] = decide_preflight(topic, findings, refused_for, self._patience)


def _begin(config: RepoConfig) -> _Check:
    places = [(profile, topic) for profile, topics in config.topics.items() for topic in topics]
    verdicts: dict[Place, Verdict] = dict.fromkeys(places, (PreflightState.PENDING, FIRST_WORDS))
    return _Check(_report(config, verdicts), verdicts)


def _report(config: RepoConfig, verdicts: Mapping[Place, Verdict]) -> PreflightReport:
    return PreflightReport(
        namespace=config.namespace,
        name=config.name,
        revision=config.revision,
        state=worst_of(state for state, _ in verdicts.values()).value,
        problems=tuple(dict.fromkeys(problem for _, problem in verdicts.values() if problem)),
    )


def _tell(before: PreflightReport, now: PreflightReport) -> None:
    if before.state != now.state:
        level = logging.WARNING if now.state == PreflightState.FAILED else logging.INFO
        extra = {"namespace": now.namespace, "repo": now.name, "revision": now.revision, "problems": now.problems}
        log.log(level, "preflight %s", now.state, extra=extra)
