"""Names that users and other programs see: group, kinds, labels, annotations. Changing one breaks somebody."""

import hashlib

GROUP = "headgate.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "headgate-operator"
"""The one field manager of every server-side apply, and the source of every Event."""

CATEGORY = "headgate"

# Labels of everything rendered.
LABEL_FLEET = "headgate.dev/fleet"
"""The fleet that an object was rendered for; pruning and watching select by it."""
LABEL_COMPONENT = "headgate.dev/component"
"""What the object is: gateway, config, credentials, route, revision, rollout."""
LABEL_REPO = "headgate.dev/repo"
"""On a repo's own objects: the repo's name."""
LABEL_REPO_NAMESPACE = "headgate.dev/repo-namespace"
LABEL_REVISION = "headgate.dev/revision"
"""On what holds one revision of a repo: its ControllerRevision, and its canary's ConfigMap and Deployment; on the gateways
of an image upgrade the hash of their image."""
LABEL_UPGRADE = "headgate.dev/upgrade"
"""On the gateways of an image upgrade: tells them from the canaries of repos, which are on the same track."""
LABEL_TRACK = "headgate.dev/track"
"""On gateway pods: stable or canary."""
LABEL_NAME = "app.kubernetes.io/name"
LABEL_INSTANCE = "app.kubernetes.io/instance"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"

ANNOTATION_CONFIG_HASH = "headgate.dev/config-hash"
"""Patched onto gateway pods so that kubelets refresh their volumes at once; means nothing else."""

ANNOTATION_COMMAND = "headgate.dev/command"
"""Set by people on an EventRepo or a GatewayFleet: `<verb> <revision> <step> <token>`. Read, never written or removed."""

TRACK_STABLE = "stable"
"""The value of the track label that serves everybody."""
TRACK_CANARY = "canary"
"""The value of the track label, and of gateways' `--track`, of what serves one repo's candidate, or runs a new image."""

PORT_HTTP = 8080
PORT_ADMIN = 8081

CONFIG_DIR = "/etc/headgate"
"""Where a gateway finds its shards and credentials, in one projected volume."""

GATEWAY_CONTAINER = "gateway"
"""The gateway's container in every pod; others may have been put beside it. Overrides of templates keep the name."""

SPOOL_VOLUME = "spool"
"""The volume with a gateway's spool, and the template of its claim: Kubernetes names claims by it, so it never changes."""
SPOOL_DIR = "/var/lib/headgate/spool"
"""Where a gateway finds that volume."""
ENV_POD_UID = "HEADGATE_POD_UID"
"""The variable that tells a gateway which spool on a shared claim is its own."""

GATEWAY_GROUP = 65_532
"""The group that the gateway's image runs as: volumes of claims are made writable for it."""

RESERVED_PATHS = ("/status",)
"""Paths on the traffic port that gateways answer themselves."""

SHARED_PREFIX = "/log/repo"
"""What the shared route of a fleet matches: the parent of every default endpoint."""

LABEL_VALUE_MAX = 63
"""Names of resources become values of labels (and of metrics), so they may be no longer than one."""

TEXT_VALUE_MAX = 512
"""Longest text in a constraint: the API server estimates the cost of its rules from the longest."""

FLEET_NAME_MAX = 50
"""A fleet's name starts the names of its Services (63 characters at most), and leaves room for what follows."""

_GATEWAY_SUFFIX = "-gateway"
CLAIM_FLEET_NAME_MAX = 52 - len(_GATEWAY_SUFFIX)
"""Pods of a StatefulSet bear its name, a dash and ten characters of hash as the value of a label."""

_CANARY_INFIX = "-canary-"
_CANARY_HASH_LENGTH = 10
_CANARY_FLEET_MAX = 63 - len(_CANARY_INFIX) - _CANARY_HASH_LENGTH

FLEET_NAME_PATTERN = rf"[a-z]([-a-z0-9]{{0,{FLEET_NAME_MAX - 2}}}[a-z0-9])?"
"""A Service's name is a DNS label that starts with a letter."""


def default_path(repo: str) -> str:
    """The endpoint of a repo that names none."""
    return f"{SHARED_PREFIX}/{repo}"


def gateway_name(fleet: str) -> str:
    """The fleet's Deployment or StatefulSet, Service, ServiceAccount, PodDisruptionBudget and HorizontalPodAutoscaler."""
    return f"{fleet}{_GATEWAY_SUFFIX}"


def pods_service_name(fleet: str) -> str:
    """The headless Service of a StatefulSet; 63 characters at most."""
    return f"{gateway_name(fleet)}-pods"


def claim_name(pod: str) -> str:
    """The claim that a pod of a StatefulSet keeps its spool on, as Kubernetes names it."""
    return f"{SPOOL_VOLUME}-{pod}"


def shared_spool_dir(namespace: str, fleet: str) -> str:
    """Where the gateways of a fleet have their spools on a claim that all of them share. Namespaces have no dots."""
    return f"{SPOOL_DIR}/{namespace}.{fleet}"


def shard_name(fleet: str, index: int) -> str:
    """The ConfigMap of one shard."""
    return f"{fleet}-shard-{index:02d}"


def grants_name(fleet: str) -> str:
    """The ConfigMap that says which gateway takes over which spool on a claim that all of them share."""
    return f"{fleet}-spool-grants"


def credentials_name(fleet: str) -> str:
    """The Secret with the credentials of the fleet's producers."""
    return f"{fleet}-credentials"


def route_name(fleet: str, namespace: str, repo: str) -> str:
    """The HTTPRoute of one repo. Neither fleets nor namespaces have dots in their names, so no two repos share one."""
    return f"{fleet}.{namespace}.{repo}"


def shared_route_name(fleet: str) -> str:
    """The HTTPRoute of all repos on their default endpoints."""
    return f"{fleet}-shared"


def revision_name(fleet: str, namespace: str, repo: str, revision: str) -> str:
    """The ControllerRevision of one intent of a repo; 195 characters at most."""
    return f"{fleet}.{namespace}.{repo}.{revision}"


def rollout_name(fleet: str, namespace: str, repo: str) -> str:
    """The ConfigMap with the state of a repo's rollout."""
    return f"{fleet}.{namespace}.{repo}.rollout"


def upgrade_name(fleet: str) -> str:
    """The Deployment, Service and PodDisruptionBudget of a fleet's image upgrade; 58 characters at most."""
    return f"{fleet}-upgrade"


def upgrade_state_name(fleet: str) -> str:
    """The ConfigMap with the state of a fleet's image upgrade. It has one dot: the names of repos' states have three."""
    return f"{fleet}.upgrade"


def canary_name(fleet: str, namespace: str, repo: str) -> str:
    """A repo's canary: Deployment, Service and Secret. A Service's name has 63 characters at most, so a hash tells
    repos (and fleets whose names begin alike) apart.
    """
    digest = hashlib.sha256(f"{fleet}/{namespace}/{repo}".encode()).hexdigest()[:_CANARY_HASH_LENGTH]
    return f"{fleet[:_CANARY_FLEET_MAX]}{_CANARY_INFIX}{digest}"


def canary_config_name(canary: str, content_hash: str) -> str:
    """The ConfigMap of a canary, immutable and thus named by what it holds: another content is another object, which
    the Deployment then names, so that its pods are replaced.
    """
    return f"{canary}-{content_hash}"
