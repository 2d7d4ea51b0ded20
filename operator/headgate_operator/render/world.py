"""What rendering is given and what it answers: values shared by render, status and reconcile. Decides nothing."""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo
from headgate_operator.render.intent import Intent

RepoKey = tuple[str, str]
"""(namespace, name) of an EventRepo."""

SecretKey = tuple[str, str]
"""(namespace, name) of a Secret."""


@dataclass(frozen=True, slots=True)
class SecretNote:
    """What is to be known of a Secret beside a repo, beyond what it holds."""

    type: str = "Opaque"
    ours: bool = False
    """Whether this operator wrote it: what is made from it would change it, and so on without end."""
    unread: bool = False
    """Whether nobody can say what it holds, or whether it exists: the API server has not answered yet."""


ORDINARY = SecretNote()


@dataclass(frozen=True, slots=True)
class RepoRollout:
    """What is promoted of a repo, and what of its candidate is to be there: decided by the rollout, rendered here."""

    stable: Intent | None = None
    """The promoted intent. None where it is not known: then what is served is kept as it is."""
    stable_revision: str | None = None
    """Its revision, also where the intent itself is not known: a spec that still asks for it is as good."""
    candidate: Intent | None = None
    """What the canary serves."""
    candidate_revision: str | None = None
    canary_replicas: int = 0
    """Gateways of the canary; 0: there are no canary objects."""
    weight: int = 0
    """Per cent of the repo's requests that go to the canary; counts only while there is one."""
    hold_stable: bool = False
    """Whether the autoscaler must not shrink the stable gateways below `stable_floor`."""
    stable_floor: int = 0


@dataclass(frozen=True, slots=True)
class GatewayImage:
    """What gateways run."""

    name: str
    pull_policy: str


@dataclass(frozen=True, slots=True)
class FleetUpgrade:
    """Which image serves while the spec asks for another, and what of that one is to be there: decided by the upgrade."""

    stable: GatewayImage
    """What the stable gateways run, and the canaries of repos."""
    candidate: GatewayImage | None = None
    revision: str = ""
    """Its hash: the value of LABEL_REVISION on its pods."""
    replicas: int = 0
    """Its gateways; 0: there are no objects of an upgrade."""
    weights: Mapping[RepoKey, int] = field(default_factory=dict)
    """Per cent of requests that go to them, of repos whose routes know them; 0 is spelled out as well."""
    stable_floor: int = 0
    """Below this the autoscaler must not shrink the stable gateways."""


@dataclass(frozen=True, slots=True)
class FleetWorld:
    """Everything that the rendering of one fleet depends on."""

    fleet: GatewayFleet
    repos: tuple[EventRepo, ...]
    """All repos whose fleetRef (or the default fleet) names this fleet, in any order, accepted or not."""
    profiles: Mapping[str, KafkaProducerProfile]
    """The profiles of the fleet's namespace, by name."""
    secrets: Mapping[str, Mapping[str, bytes]]
    """The Secrets of the fleet's namespace that profiles name, by name; one that does not exist is absent."""
    namespace_labels: Mapping[str, Mapping[str, str]]
    """Labels of the repos' namespaces, for `allowedRepos`; empty where nobody selects."""
    served: Mapping[RepoKey, bytes] = field(default_factory=dict)
    """The entries in the fleet's live shards, as canonical JSON: what gateways serve now."""
    served_credentials: Mapping[str, bytes] = field(default_factory=dict)
    """The data of the fleet's live credentials Secret; where Secrets cannot be read, what canaries hold of them too."""
    repo_secrets: Mapping[SecretKey, Mapping[str, bytes]] = field(default_factory=dict)
    """The Secrets that repos name in their own namespaces; one that does not exist, or is not read, is absent."""
    secret_notes: Mapping[SecretKey, SecretNote] = field(default_factory=dict)
    """What is out of the ordinary about them."""
    unasked_secrets: bool = False
    """Whether some were not even asked for, so that it is soon to be looked again."""
    accepted_before: Mapping[RepoKey, AbstractSet[str]] = field(default_factory=dict)
    """Revisions of each repo that are stored, and so were accepted once: a Secret that cannot be read undoes none."""
    gateway_contract_versions: tuple[int, ...] = (1,)
    """Contract versions that every gateway of the fleet can read."""
    invalid_repos: Mapping[RepoKey, str] = field(default_factory=dict)
    """EventRepos of this fleet that exist but do not parse (a regular expression that does not compile passes the API
    server), with the message of the InvalidResourceError. They get InvalidSpec and keep what is served."""
    invalid_profiles: Mapping[str, str] = field(default_factory=dict)
    """The same for profiles of the fleet's namespace, by name."""
    rollouts: Mapping[RepoKey, RepoRollout] = field(default_factory=dict)
    """Repos that are served from what is promoted, whatever their spec says. A repo without an entry is served from its
    spec at once, as a new one is."""
    upgrade: FleetUpgrade | None = None
    """None: the spec's image is the one that serves."""
    spool_floor: int = 0
    """Below this the autoscaler must not shrink the stable gateways: the claim of one of those holds events."""
    spool_grants: Mapping[str, str] | None = None
    """Of a claim that gateways share: by uid of a pod that is gone, the uid of the one that takes over its spool. None: no
    gateway has been on one."""


@dataclass(frozen=True)
class RenderedObject:
    """One finished manifest, kept as canonical JSON so that thousands are cheap to keep and to compare."""

    api_version: str
    kind: str
    namespace: str
    name: str
    body: bytes
    """Canonical JSON: sorted keys, no spaces."""
    digest: str
    """`content_hash` of the body."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest, parsed afresh."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @cached_property
    def key(self) -> tuple[str, str, str]:
        """(kind, namespace, name): unique among the objects of a fleet."""
        return self.kind, self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a resource's spec is usable: the content of its `Accepted` condition."""

    accepted: bool
    reason: str
    message: str
    field: str = ""
    """Dotted path of where the remedy is, for the command line; empty where the reason says enough."""


@dataclass(frozen=True, slots=True)
class CanaryPlan:
    """The canary of one repo, as its objects and its gateways can be recognised."""

    name: str
    """Its Deployment, Service and Secret."""
    config: str
    """Its ConfigMap: another content has another name."""
    revision: str
    """Also the value of LABEL_REVISION on its pods: those of an earlier candidate have another."""
    shard: int
    """The index under which its gateways report `shard_hash`."""
    shard_hash: str
    """`content_hash` of its shard file: what its gateways report in /status."""
    credentials_hash: str
    weight: int


@dataclass(frozen=True, slots=True)
class RepoVerdict:
    """What rendering decided about one repo."""

    verdict: Verdict
    revision: str | None
    """Hash of the intent; None where the intent cannot be resolved."""
    shard: int
    entry: bytes | None
    """The entry that the shard carries for it, canonical JSON: of what is promoted if it has a rollout, else the new one if accepted, else the one served before; None if it is not served."""
    paths: tuple[str, ...]
    """Request paths of the entry served."""
    urls: tuple[str, ...]
    """Addresses for people, from the fleet's hostnames."""
    profiles: tuple[str, ...] = ()
    """Names of all profiles that its spec names, its own first."""
    desired: Intent | None = None
    """What its spec asks for; None while that is not accepted."""
    served_revision: str | None = None
    """The revision of `entry`; None if it is not served."""
    canary: CanaryPlan | None = None
    """None: there are no canary objects."""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """Everything that should exist for one fleet, and what was decided on the way."""

    objects: tuple[RenderedObject, ...]
    """All children, in the order in which they are to be applied."""
    fleet: Verdict
    repos: Mapping[RepoKey, RepoVerdict]
    profiles: Mapping[str, Verdict]
    shard_hashes: Mapping[int, str]
    """`content_hash` of each shard file's bytes; what gateways report in /status."""
    credentials_hash: str
    contract_version: int
    unrendered: Mapping[RepoKey, str] = field(default_factory=dict)
    """Repos whose canary cannot be rendered, and why: no request goes there, and what is live of it stays until it goes."""
    spool_grants: Mapping[str, str] = field(default_factory=dict)
    """As in FleetWorld; empty where there are none."""
    unfinished: bool = False
    """Whether passwords are left to hash: what was served of them stays, and the next rendering goes on."""
