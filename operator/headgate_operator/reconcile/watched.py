"""Which kinds are watched and listed, and by which selector. A constant table; handlers, relist and watchdog share it."""

from dataclasses import dataclass

from headgate_operator.api.names import API_VERSION, LABEL_COMPONENT, LABEL_FLEET
from headgate_operator.render.owned import COMPONENT_GATEWAY


@dataclass(frozen=True, slots=True)
class WatchedKind:
    """One kind that the operator keeps in its store."""

    api_version: str
    kind: str
    plural: str
    selector: str = LABEL_FLEET
    """Label selector on the server's side; empty: all objects."""
    optional: bool = False
    """Whether the API may be absent from a cluster."""


RESOURCES = (
    WatchedKind(API_VERSION, "GatewayFleet", "gatewayfleets", ""),
    WatchedKind(API_VERSION, "KafkaProducerProfile", "kafkaproducerprofiles", ""),
    WatchedKind(API_VERSION, "EventRepo", "eventrepos", ""),
)

CHILDREN = (
    WatchedKind("v1", "ConfigMap", "configmaps"),
    WatchedKind("v1", "Service", "services"),
    WatchedKind("v1", "ServiceAccount", "serviceaccounts"),
    WatchedKind("apps/v1", "Deployment", "deployments"),
    WatchedKind("apps/v1", "StatefulSet", "statefulsets"),
    # Made by the StatefulSet's controller, which labels them like pods; never written.
    WatchedKind("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    WatchedKind("apps/v1", "ControllerRevision", "controllerrevisions"),
    WatchedKind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    WatchedKind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    WatchedKind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", optional=True),
    # Their admin ports are asked: a pod of somebody else that bears a fleet's label is none of these.
    WatchedKind("v1", "Pod", "pods", f"{LABEL_FLEET},{LABEL_COMPONENT}={COMPONENT_GATEWAY}"),
)

NAMESPACES = WatchedKind("v1", "Namespace", "namespaces", "")
"""Only cluster-wide: a Role cannot grant watching namespaces."""

WATCHED = (*RESOURCES, *CHILDREN)
