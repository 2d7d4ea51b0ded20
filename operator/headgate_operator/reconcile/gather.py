"""Gathers the world of one fleet from the store and from Secrets. Decides nothing, writes nothing."""

import json
import logging
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from headgate_gateway.config import SHARD_COUNT, content_hash, shard_file_name
from headgate_operator.api.fleet import GatewayFleet, NamespacesFrom
from headgate_operator.api.names import TRACK_CANARY, credentials_name, shard_name
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo
from headgate_operator.ports import Cluster, ClusterError, NotFoundError, NotLeaderError
from headgate_operator.reconcile.holders import Reports
from headgate_operator.reconcile.records import ChildRecord, ResourceRecord
from headgate_operator.reconcile.secrets import SecretReader, decode_data, secret_ref
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.reconcile.workloads import live_workload
from headgate_operator.render.canonical import canonical_json
from headgate_operator.render.profiles import credential_sources
from headgate_operator.render.repo_secrets import read_repo_secrets, secrets_of_repo
from headgate_operator.render.world import FleetWorld, RepoKey, SecretKey
from headgate_operator.status.delivery import common_contract_versions
from headgate_operator.status.observation import GatewayReport, GatewayView, PodView, WorkloadProgress, split_tracks

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gateways:
    """What is known of a fleet's gateways at one moment."""

    pods: tuple[PodView, ...]
    ready: tuple[GatewayView, ...]
    reports: tuple[GatewayReport, ...]
    workload: WorkloadProgress | None
    newer: tuple[PodView, ...] = ()
    """Those of a new image, which serve the repos that have moved to it; not among the others."""
    newer_ready: tuple[GatewayView, ...] = ()

    @property
    def trouble(self) -> str:
        """Why some gateway does not run, if one says so."""
        return next((pod.trouble for pod in self.pods if pod.trouble), "")

    @property
    def too_old(self) -> str:
        """The same, where it is that the image does not know what the fleet asks for: a word that goes before all others."""
        return next((pod.trouble for pod in self.pods if pod.too_old), "")


@dataclass(frozen=True, slots=True)
class _LiveShard:
    digest: str = ""
    """Of the whole ConfigMap."""
    hash: str = ""
    """What gateways that have loaded it report."""
    contract_version: int = 0
    entries: Mapping[RepoKey, bytes] = field(default_factory=dict)


class ServedEntries:
    """The entries in the live shards of one fleet, parsed again only where a shard has changed.

    A shard that is deleted or broken counts as it was last: its gateways keep their last good config too, and the entry
    of a repo whose new spec is refused exists nowhere else.
    """

    def __init__(self) -> None:
        self._known: dict[int, _LiveShard] = {}

    def read(self, store: Store, fleet: FleetKey) -> dict[RepoKey, bytes]:
        """Every entry, as canonical JSON."""
        found: dict[RepoKey, bytes] = {}
        for index in range(SHARD_COUNT):
            child = store.child(("ConfigMap", fleet[0], shard_name(fleet[1], index)))
            known = self._known.get(index, _LiveShard())
            if child is not None and child.owner == fleet[1] and child.digest != known.digest:
                known = _read_shard(child, index) or replace(known, digest=child.digest)
                self._known[index] = known
            found |= known.entries
        return found

    @property
    def hashes(self) -> dict[int, str]:
        """Hash of each shard as it was last read."""
        return {index: known.hash for index, known in self._known.items() if known.hash}

    @property
    def contract_version(self) -> int:
        """The contract version of the live shards as last read; 0 where there are none."""
        return max((known.contract_version for known in self._known.values()), default=0)


def _read_shard(child: ChildRecord, index: int) -> _LiveShard | None:
    """None where somebody broke the ConfigMap; it is written anew."""
    text = (json.loads(child.content).get("data") or {}).get(shard_file_name(index), "")
    try:
        shard = json.loads(text)
        entries = {(entry["namespace"], entry["name"]): canonical_json(entry) for entry in shard["repos"]}
        return _LiveShard(child.digest, content_hash(text.encode()), int(shard["contractVersion"]), entries)
    except (ValueError, KeyError, TypeError):
        return None


def _served_secrets(entries: Mapping[RepoKey, bytes]) -> set[SecretKey]:
    """What served entries take from Secrets beside their repos, whatever the specs say now."""
    naming = ((key, json.loads(entry)) for key, entry in entries.items() if b'"secretRef"' in entry)
    return {named.key for key, entry in naming for named in read_repo_secrets(key[0], entry)}


class Gatherer:
    """Reads what a reconcile of one fleet depends on."""

    def __init__(self, store: Store, cluster: Cluster, secrets: SecretReader, reports: Reports) -> None:
        self._store = store
        self._cluster = cluster
        self._secrets = secrets
        self._reports = reports

    async def gather(
        self, fleet: GatewayFleet, served: ServedEntries, promoted_secrets: Iterable[SecretKey]
    ) -> FleetWorld:
        """The world of a fleet. `promoted_secrets`: those that stored intents name, beside the specs'.

        Raises ClusterError where the Secrets of profiles, or the fleet's own, cannot be read now.
        """
        namespace, key = fleet.metadata.namespace, fleet.key
        repos, profiles = self._store.repos_of(key), self._store.resources(KafkaProducerProfile.KIND, namespace)
        usable = {record.name: record.parsed for record in profiles if isinstance(record.parsed, KafkaProducerProfile)}
        entries = served.read(self._store, key)
        parsed = tuple(record.parsed for record in repos if isinstance(record.parsed, EventRepo))
        of_profiles = {
            (namespace, source.secret) for profile in usable.values() for source in credential_sources(profile)
        }
        beside = {named.key for repo in parsed for named in secrets_of_repo(repo)} | _served_secrets(entries)
        secrets = await self._secrets.read(key, of_profiles, beside | set(promoted_secrets))
        carried = {**await self._carried_by_canaries(key, secrets.unread), **await self.read_credentials(key)}
        return FleetWorld(
            fleet=fleet,
            repos=parsed,
            profiles=usable,
            secrets={name: data for (where, name), data in secrets.data.items() if where == namespace},
            repo_secrets=secrets.data,
            secret_notes=secrets.notes,
            unasked_secrets=secrets.unasked,
            namespace_labels=self._labels(fleet, repos),
            served=entries,
            served_credentials=carried,
            gateway_contract_versions=common_contract_versions(self.gateways(key).reports, served.contract_version),
            invalid_repos={
                **self._unseen(repos, entries),
                **{record.key: record.problem for record in repos if record.parsed is None},
            },
            invalid_profiles={record.name: record.problem for record in profiles if record.parsed is None},
        )

    def _unseen(self, repos: Iterable[ResourceRecord], served: Iterable[RepoKey]) -> dict[RepoKey, str]:
        """Repos that are served, and that nobody could look for: they are not taken for deleted."""
        seen, blind = {record.key for record in repos}, self._store.unreadable
        return {key: "its namespace cannot be read" for key in served if key[0] in blind and key not in seen}

    def gateways(self, fleet: FleetKey) -> Gateways:
        """What is known now of the fleet's gateways that serve all of its repos; canaries are looked at apart."""
        tracks = split_tracks(self._store.pods_of(fleet))
        pods, newer = tracks.stable, tracks.upgrade
        reports = ((pod, self._reports(pod.uid)) for pod in pods)
        said = tuple((pod, report) for pod, report in reports)
        workload = live_workload(self._store, fleet)
        return Gateways(
            pods=pods,
            ready=tuple(GatewayView(pod.name, report) for pod, report in said if pod.ready),
            reports=tuple(report for _, report in said if report is not None),
            workload=workload.progress if workload is not None else None,
            newer=newer,
            newer_ready=tuple(GatewayView(pod.name, self._reports(pod.uid)) for pod in newer if pod.ready),
        )

    async def read_credentials(self, fleet: FleetKey) -> Mapping[str, bytes]:
        """The fleet's own credentials Secret, which becomes a child in the store. Raises ClusterError."""
        namespace, name = fleet[0], credentials_name(fleet[1])
        try:
            manifest = await self._cluster.get(secret_ref(namespace, name))
        except NotFoundError:
            child = self._store.child(("Secret", namespace, name))
            if child is not None:
                self._store.remove("Secret", namespace, name, child.uid, child.version)
            return {}
        self._store.upsert({"apiVersion": "v1", "kind": "Secret", **manifest})
        child = self._store.child(("Secret", namespace, name))
        # A Secret of somebody else that has this name: apply refuses to touch it, and nothing in it is ours.
        return decode_data(manifest) if child is not None and child.owner == fleet[1] else {}

    async def _carried_by_canaries(self, fleet: FleetKey, unread: AbstractSet[SecretKey]) -> dict[str, bytes]:
        """What canaries hold already, where some Secret cannot be read: what they were given stays theirs."""
        found: dict[str, bytes] = {}
        if not unread:
            return found
        for child in self._store.children_of(fleet):
            if child.kind == "Deployment" and child.track == TRACK_CANARY and child.owner == fleet[1]:
                try:
                    found |= decode_data(await self._cluster.get(secret_ref(fleet[0], child.name)))
                except NotLeaderError:
                    raise
                except ClusterError as error:
                    logger.warning("cannot read Secret %s/%s of a canary: %s", fleet[0], child.name, error)
        return found

    def _labels(self, fleet: GatewayFleet, repos: Iterable[ResourceRecord]) -> dict[str, Mapping[str, str]]:
        if fleet.spec.allowed_repos.namespaces.from_ is not NamespacesFrom.SELECTOR:
            return {}
        names = {record.namespace for record in repos}
        return {name: labels for name in sorted(names) if (labels := self._store.namespace_labels(name)) is not None}
