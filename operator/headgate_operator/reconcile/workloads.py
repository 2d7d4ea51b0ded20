"""Which object makes a fleet's stable pods: a Deployment or a StatefulSet, and both while one takes over from the other.

Also when the former one may go: never with gateways that hold events or are to take over others', nor before the other
has taken over. Reads the store and what gateways say; writes nothing. Called by gather, the upgrade's keeper, the guard and the writer.
"""

from collections.abc import Iterable, Mapping

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import TRACK_STABLE, gateway_name, grants_name
from headgate_operator.reconcile.holders import Holders
from headgate_operator.reconcile.records import ChildRecord
from headgate_operator.reconcile.store import FleetKey, Store
from headgate_operator.render.children import DEPLOYMENT, STATEFUL_SET, workload_kind
from headgate_operator.status.observation import PodView

WORKLOADS = (DEPLOYMENT, STATEFUL_SET)

_MADE_BY: Mapping[str, str] = {"ReplicaSet": DEPLOYMENT, "StatefulSet": STATEFUL_SET}


def live_workload(store: Store, fleet: FleetKey) -> ChildRecord | None:
    """The workload of the kind that the spec asks for; while there is none, the one that it is to replace."""
    record = store.resource(GatewayFleet.KIND, fleet)
    spec = record.parsed if record is not None else None
    wanted = workload_kind(spec) if isinstance(spec, GatewayFleet) else DEPLOYMENT
    for kind in sorted(WORKLOADS, key=lambda each: each != wanted):
        if (child := store.child((kind, fleet[0], gateway_name(fleet[1])))) is not None:
            return child
    return None


def may_go(store: Store, holders: Holders, former: ChildRecord) -> bool:
    """Whether this stable workload, which no plan wants any more, may be deleted with its pods."""
    fleet = former.namespace, former.fleet
    successor = live_workload(store, fleet)
    if successor is None or successor.key == former.key or successor.progress is None:
        return False
    pods = [pod for pod in store.pods_of(fleet) if _MADE_BY.get(pod.controller) == former.kind]
    stable = [pod for pod in pods if pod.track == TRACK_STABLE]
    held = holders.any_holds(stable) or _left_to(stable, holders, store.pods_of(fleet))
    return successor.progress.complete and not held and not _is_awaited(store, fleet, holders, stable)


def _is_awaited(store: Store, fleet: FleetKey, holders: Holders, pods: Iterable[PodView]) -> bool:
    """Whether one of these that is only starting may find on a shared claim what those before it have left there."""
    was_shared = store.child(("ConfigMap", fleet[0], grants_name(fleet[1]))) is not None
    return was_shared and any(holders.may_speak_yet(pod) for pod in pods)


def _left_to(pods: Iterable[PodView], holders: Holders, staying: Iterable[PodView]) -> bool:
    """Whether these see spools on a claim of theirs whose pods are gone, or soon will be: nobody else takes them over."""
    seen = {owner for pod in pods if (spool := holders.spool(pod)) is not None for owner in spool.foreign}
    return bool(seen - {pod.uid for pod in staying})


def initial_replicas(store: Store, fleet: FleetKey) -> int:
    """With how many gateways a workload begins whose number an autoscaler decides: as many as serve now.

    Kubernetes would begin with one, and the autoscaler reads load that others carry still.
    """
    return sum(pod.track == TRACK_STABLE for pod in store.pods_of(fleet))
