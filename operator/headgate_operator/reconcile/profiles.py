"""Statuses of profiles: a namespace's profiles belong to all of its fleets, so their verdicts are brought together here.

Written only once every fleet of the namespace has judged the profile as it is now.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.reasons import INVALID_SPEC
from headgate_operator.reconcile.publish import Publisher
from headgate_operator.reconcile.records import ResourceRecord
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.render.world import FleetPlan, Verdict
from headgate_operator.status import reasons
from headgate_operator.status.profile import build_profile_status


@dataclass(frozen=True, slots=True)
class _Opinion:
    """What one fleet says of the namespace's profiles."""

    verdicts: dict[str, Verdict]
    intents: dict[str, str]
    """Which intent of each profile was judged."""
    repos: dict[str, int]
    refused: bool = False
    """Whether the fleet is not accepted itself, and so judges nothing."""


class ProfileLedger:
    """What fleets say of profiles."""

    def __init__(self, store: Store, publisher: Publisher, notify: Callable[[FleetKey], None]) -> None:
        self._store = store
        self._publisher = publisher
        self._notify = notify
        self._opinions: dict[FleetKey, _Opinion] = {}

    def intents(self, namespace: str) -> dict[str, str]:
        """Which intent each profile of a namespace has now."""
        return {record.name: record.intent for record in self._profiles(namespace)}

    def report(self, fleet: FleetKey, plan: FleetPlan, intents: dict[str, str]) -> None:
        """Take in a fleet's verdicts of these intents; the namespace's profiles come up if they changed."""
        repos = Counter(name for each in plan.repos.values() if each.verdict.accepted for name in each.profiles)
        self._take_in(fleet, _Opinion(dict(plan.profiles), intents, dict(repos)))

    def report_refused(self, fleet: FleetKey) -> None:
        """A fleet that is not accepted itself has nothing to say, and nobody waits for it."""
        self._take_in(fleet, _Opinion({}, {}, {}, refused=True))

    def _take_in(self, fleet: FleetKey, opinion: _Opinion) -> None:
        if self._opinions.get(fleet) != opinion:
            self._opinions[fleet] = opinion
            self._notify((fleet[0], ""))

    def forget(self, fleet: FleetKey) -> None:
        """A fleet is gone."""
        if self._opinions.pop(fleet, None) is not None:
            self._notify((fleet[0], ""))

    async def reconcile(self, namespace: str, now: str) -> bool:
        """Write the statuses of a namespace's profiles. Raises NotLeaderError only."""
        fleets = [record.key for record in self._store.resources(GatewayFleet.KIND, namespace) if not record.deleting]
        statuses = []
        for record in self._profiles(namespace):
            judged = self._judge(record, fleets)
            if judged is not None:
                live = json.loads(record.status)
                statuses.append((record, build_profile_status(*judged, record.generation, live, now)))
        return await self._publisher.publish(statuses)

    def _profiles(self, namespace: str) -> list[ResourceRecord]:
        return self._store.resources(KafkaProducerProfile.KIND, namespace)

    def _judge(self, record: ResourceRecord, fleets: list[FleetKey]) -> tuple[Verdict, int] | None:
        if record.parsed is None:
            return Verdict(False, INVALID_SPEC, record.problem), 0
        if not fleets:
            message = (
                f"namespace {record.namespace!r} has no GatewayFleet: a profile lives beside the fleet that uses it"
            )
            return Verdict(False, reasons.NO_FLEET, message), 0
        known = [self._opinions.get(fleet) for fleet in fleets]
        opinions = [opinion for opinion in known if opinion is not None and not opinion.refused]
        if None in known or not all(
            opinion.intents.get(record.name) == record.intent and record.name in opinion.verdicts
            for opinion in opinions
        ):
            return None
        if not opinions:
            names = ", ".join(name for _, name in fleets)
            return Verdict(False, reasons.FLEET_NOT_ACCEPTED, f"no GatewayFleet beside it is accepted: {names}"), 0
        verdicts = [opinion.verdicts[record.name] for opinion in opinions]
        # Fleets may differ (a grace period that is too short for one): one that cannot use it is worth saying.
        worst = next((verdict for verdict in verdicts if not verdict.accepted), verdicts[0])
        return worst, sum(opinion.repos.get(record.name, 0) for opinion in opinions)
