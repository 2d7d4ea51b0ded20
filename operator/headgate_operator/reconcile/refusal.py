"""A fleet that cannot be rendered: its spec does not parse, or a template fails. Renders nothing, prunes nothing.

What the stable gateways serve stays; what goes to canaries goes back; everybody who waits is told. Called by the fleet's
reconcile.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from headgate_gateway.config import shard_of
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.rollout import Rollout
from headgate_operator.reconcile.gather import Gateways
from headgate_operator.reconcile.passes import FleetState, Outcome, Parts, count_truths
from headgate_operator.reconcile.records import ResourceRecord, digest_of
from headgate_operator.reconcile.retreat import Retreated, take_back
from headgate_operator.reconcile.statuses import build_repo_statuses
from headgate_operator.reconcile.store import FleetKey
from headgate_operator.reconcile.upgrade_effects import shown_moves
from headgate_operator.render.world import RepoKey, Verdict
from headgate_operator.rollout.line import UNDER_WAY
from headgate_operator.status import reasons
from headgate_operator.status.delivery import build_tally
from headgate_operator.status.profile import build_refused_status
from headgate_operator.status.repo import RepoSight
from headgate_operator.status.rollout import Shown
from headgate_operator.status.transitions import EventNote


class Refusals:
    """Refuses fleets; remembers nothing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def refuse(self, record: ResourceRecord, state: FleetState, verdict: Verdict) -> Outcome:
        """Take requests back from canaries, and tell the fleet, its repos and the namespace's profiles why they wait."""
        parts, key, now = self._parts, record.key, self._parts.now()
        why = f"GatewayFleet {key[0]}/{key[1]} is not accepted: {verdict.reason}"
        retreated = await take_back(parts.rollouts, key, state.keeper.ledger.read(), state.upgrades.stored(), why)
        self._tell(key, retreated)
        gateways, waiting = parts.gatherer.gateways(key), Verdict(False, reasons.FLEET_NOT_ACCEPTED, why)
        sights = list(self._waiting_sights(key, waiting, state, gateways, self._shown(retreated)))
        repos, truths = build_repo_statuses(sights, state.settled, now)
        count_truths(parts, key, truths, len(gateways.ready))
        parts.profiles.report_refused(key)
        fleet = (record, build_refused_status(verdict, record.generation, json.loads(record.status), now))
        published = await parts.publisher.publish([*repos, fleet])
        return Outcome(published and not retreated.failures)

    def _tell(self, key: FleetKey, retreated: Retreated) -> None:
        for repo, told in retreated.notes:
            record = self._parts.store.resource(EventRepo.KIND, repo)
            if record is not None:
                self._parts.publisher.note(record, EventNote(told.type, told.reason, told.message))
        self._parts.metrics.set_rollouts(
            key,
            Counter(str(state.phase) for state in retreated.states.values()),
            {repo: state.weight for repo, state in retreated.states.items() if state.phase in UNDER_WAY},
        )

    def _shown(self, retreated: Retreated) -> dict[RepoKey, Shown]:
        found: dict[RepoKey, Shown] = {}
        for key, state in retreated.states.items():
            record = self._parts.store.resource(EventRepo.KIND, key)
            repo = record.parsed if record is not None else None
            found[key] = Shown(state, repo.spec.rollout if isinstance(repo, EventRepo) else Rollout())
        return found | (shown_moves(retreated.upgrade, {}) if retreated.upgrade is not None else {})

    def _waiting_sights(
        self,
        key: FleetKey,
        verdict: Verdict,
        state: FleetState,
        gateways: Gateways,
        shown: Mapping[RepoKey, Shown],
    ) -> Iterator[tuple[ResourceRecord, RepoSight]]:
        """Repos of a fleet that is not rendered, judged by its live shards."""
        served = state.served.read(self._parts.store, key)
        state.history.record(
            state.served.hashes, {repo: (shard_of(*repo), digest_of(entry)) for repo, entry in served.items()}
        )
        for record in self._parts.store.repos_of(key):
            live = json.loads(record.status)
            revision = live.get("revision")
            yield (
                record,
                RepoSight(
                    generation=record.generation,
                    verdict=verdict,
                    revision=revision,
                    fleet=f"{key[0]}/{key[1]}",
                    urls=tuple(live.get("endpoints") or ()),
                    served=record.key in served,
                    tally=build_tally(state.history, record.key, shard_of(*record.key), revision, gateways.ready),
                    rollout=shown.get(record.key),
                ),
            )
