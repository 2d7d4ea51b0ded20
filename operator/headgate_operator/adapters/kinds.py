"""Where the API server keeps each kind: REST paths. Pure; the operator touches no kind that is not listed here."""

from urllib.parse import quote

from headgate_operator.api.names import API_VERSION
from headgate_operator.ports import ObjectRef, RejectedError

PLURALS: dict[tuple[str, str], str] = {
    (API_VERSION, "GatewayFleet"): "gatewayfleets",
    (API_VERSION, "KafkaProducerProfile"): "kafkaproducerprofiles",
    (API_VERSION, "EventRepo"): "eventrepos",
    ("v1", "ConfigMap"): "configmaps",
    ("v1", "Secret"): "secrets",
    ("v1", "Service"): "services",
    ("v1", "ServiceAccount"): "serviceaccounts",
    ("v1", "Pod"): "pods",
    ("v1", "Namespace"): "namespaces",
    ("v1", "PersistentVolumeClaim"): "persistentvolumeclaims",
    ("apps/v1", "Deployment"): "deployments",
    ("apps/v1", "StatefulSet"): "statefulsets",
    ("apps/v1", "ControllerRevision"): "controllerrevisions",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "horizontalpodautoscalers",
    ("policy/v1", "PodDisruptionBudget"): "poddisruptionbudgets",
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): "httproutes",
    ("coordination.k8s.io/v1", "Lease"): "leases",
    ("events.k8s.io/v1", "Event"): "events",
}


def collection_path(api_version: str, kind: str, namespace: str | None) -> str:
    """The path of all objects of a kind. Raises RejectedError for a kind that the operator does not know."""
    plural = PLURALS.get((api_version, kind))
    if plural is None:
        raise RejectedError(f"{api_version} {kind} is not a kind that Headgate writes: templates may not render it")
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    scope = f"/namespaces/{quote(namespace)}" if namespace else ""
    return f"{root}{scope}/{plural}"


def object_path(ref: ObjectRef, subresource: str = "") -> str:
    """The path of one object, or of a subresource of it. Raises RejectedError as above."""
    collection = collection_path(ref.api_version, ref.kind, ref.namespace or None)
    return f"{collection}/{quote(ref.name)}" + (f"/{subresource}" if subresource else "")
