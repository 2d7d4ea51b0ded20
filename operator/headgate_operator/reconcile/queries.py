"""Prometheus queries of rollouts under way: what is to be asked, and what was answered last. Asks beside reconcile.

Judges nothing. What nobody asked about lately is forgotten.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from headgate_operator.api.rollout import Rollout
from headgate_operator.render.queries import QueryError, render_query
from headgate_operator.render.world import RepoKey
from headgate_operator.rollout.model import QueryResult, RolloutState

INTERVAL = 5.0
"""Seconds between two rounds: Prometheus itself scrapes no more often, as a rule."""
FORGET_SECONDS = 15.0
"""Age beyond which neither a wish nor an answer counts."""

NO_SERVER = "the operator knows no Prometheus server: set prometheus.url in the chart, or leave the query out"
TRACK = "canary"

Poll = Callable[[Mapping[tuple[RepoKey, str], str]], Awaitable[dict[tuple[RepoKey, str], QueryResult]]]
"""Asks for one number each."""


@dataclass(slots=True)
class _Wish:
    policy: Rollout
    revision: str
    since: float
    at: float
    answers: Mapping[str, QueryResult] = field(default_factory=dict)
    answered: float = 0.0


class QueryBoard:
    """Wishes of reconcile, answers of a server. Times are seconds since the epoch."""

    def __init__(self, poll: Poll | None, now: Callable[[], float]) -> None:
        self._poll = poll
        self._now = now
        self._wishes: dict[RepoKey, _Wish] = {}

    def read(self, key: RepoKey, policy: Rollout, state: RolloutState, now: float) -> Mapping[str, QueryResult]:
        """The newest answers to a repo's queries over the step under way; has them asked for again."""
        queries = policy.analysis.queries
        if not queries or state.marks is None or state.candidate is None:
            return {}
        if self._poll is None:
            return {query.name: QueryResult(None, NO_SERVER) for query in queries}
        known = self._wishes.get(key)
        same = known is not None and (known.policy, known.revision, known.since) == (
            policy,
            state.candidate,
            state.marks.at,
        )
        wish = known if known is not None and same else _Wish(policy, state.candidate, state.marks.at, now)
        wish.at = now
        self._wishes[key] = wish
        return wish.answers if now - wish.answered <= FORGET_SECONDS else {}

    async def run(self, enabled: Callable[[], bool]) -> None:
        """Ask in rounds while enabled, until cancelled."""
        while True:
            if enabled():
                await self.ask()
            await asyncio.sleep(INTERVAL)

    async def ask(self) -> None:
        """One round."""
        now = self._now()
        for key in [key for key, wish in self._wishes.items() if now - wish.at > FORGET_SECONDS]:
            del self._wishes[key]
        wishes, texts, broken = (
            dict(self._wishes),
            dict[tuple[RepoKey, str], str](),
            dict[tuple[RepoKey, str], QueryResult](),
        )
        for key, wish in wishes.items():
            for query in wish.policy.analysis.queries:
                try:
                    texts[key, query.name] = render_query(query, *key, wish.revision, TRACK, now - wish.since)
                except QueryError as error:
                    broken[key, query.name] = QueryResult(None, str(error))
        found = broken | (await self._poll(texts) if self._poll is not None and texts else {})
        for key, wish in wishes.items():
            wish.answers = {name: answer for (repo, name), answer in found.items() if repo == key}
            wish.answered = self._now()
