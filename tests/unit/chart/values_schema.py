"""Generates charts/headgate/values.schema.json: every key of values.yaml, and no other.

The default fleet's spec comes from the GatewayFleet CRD, so that a new field of a fleet is a new value of the chart.
Run `python -m tests.unit.chart.values_schema` to write it; a test compares.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from headgate_operator.api.names import FLEET_NAME_PATTERN

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "charts" / "headgate" / "values.schema.json"
FLEET_CRD = ROOT / "crds" / "headgate.dev_gatewayfleets.yaml"

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
NAME: Schema = {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", "maxLength": 63}
LABELS: Schema = {"type": "object", "additionalProperties": STRING}
# As the GatewayFleet's own rule has it: its Service is named after it.
FLEET_NAME: Schema = {"type": "string", "pattern": f"^{FLEET_NAME_PATTERN}$"}
# Were a pod to override these, the Deployment's selector would not find it.
POD_LABELS: Schema = {
    **LABELS,
    "propertyNames": {"not": {"enum": ["app.kubernetes.io/name", "app.kubernetes.io/instance"]}},
}
# Flags that the chart sets: RBAC names the lease and the namespaces, and probes the port.
EXTRA_ARG: Schema = {
    "type": "string",
    "not": {
        "pattern": "^--(namespace|default-fleet|lease-namespace|lease-name|metrics-port|templates|prometheus-(url|token-file|ca-file))(=|$)"
    },
}
PORT: Schema = {"type": "integer", "minimum": 1024, "maximum": 65535}
PULL_POLICY: Schema = {"enum": ["Always", "IfNotPresent", "Never"]}
# Values of Kubernetes' own types: the API server judges them.
KUBERNETES_OBJECT: Schema = {"type": "object"}
KUBERNETES_OBJECTS: Schema = {"type": "array", "items": KUBERNETES_OBJECT}


def closed(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    """An object with these keys and no others."""
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def image() -> Schema:
    """An image's reference in three parts."""
    return closed({"repository": {"type": "string", "minLength": 1}, "tag": STRING, "pullPolicy": PULL_POLICY})


def from_structural(schema: Schema) -> Schema:
    """JSON schema of a structural schema: unknown keys refused, Kubernetes' extensions translated or left out."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"type": "object"}
    kept = {
        key: value
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-") and key not in {"default", "nullable", "format", "properties", "items"}
    }
    if "properties" in schema:
        kept["properties"] = {name: from_structural(field) for name, field in schema["properties"].items()}
        kept["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = from_structural(schema["additionalProperties"])
    if "items" in schema:
        kept["items"] = from_structural(schema["items"])
    return kept


def fleet_spec() -> Schema:
    """The default fleet's spec. Its image stands apart, so that the chart can fill in the tag."""
    crd = yaml.safe_load(FLEET_CRD.read_text())
    schema = from_structural(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
    for name in ("image", "imagePullPolicy"):
        del schema["properties"][name]
    required = [name for name in schema.pop("required", []) if name != "image"]
    return {**schema, "required": required} if required else schema


def default_fleet() -> Schema:
    return closed(
        {
            "enabled": BOOLEAN,
            "name": FLEET_NAME,
            "namespace": NAME,
            "image": image(),
            "spec": fleet_spec(),
        }
    )


def metrics() -> Schema:
    return closed(
        {
            "port": PORT,
            "service": closed({"enabled": BOOLEAN, "annotations": LABELS}),
            "prometheusRule": closed(
                {
                    "enabled": BOOLEAN,
                    "labels": LABELS,
                    "oldestEventSeconds": {"type": "integer", "minimum": 1},
                    "spoolUsagePercent": {"type": "integer", "minimum": 1, "maximum": 99},
                    "deadLetters": {"type": "integer", "minimum": 0},
                    "producerDownFor": {"type": "string", "pattern": "^[0-9]+(s|m|h)$"},
                }
            ),
            "podMonitor": closed(
                {"enabled": BOOLEAN, "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"}, "labels": LABELS}
            ),
        }
    )


def prometheus() -> Schema:
    """Where queries are asked. Credentials have no place in a URL, which stands in a flag."""
    secret = closed({"name": NAME, "key": {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"}})
    return closed(
        {
            "url": {"type": "string", "pattern": "^(https?://[^@?#\\s]+)?$"},
            "tokenSecret": secret,
            "caSecret": secret,
        }
    )


def pods() -> Schema:
    """What shapes the operator's pods."""
    return {
        "replicas": {"type": "integer", "minimum": 0, "maximum": 10},
        "resources": KUBERNETES_OBJECT,
        "nodeSelector": LABELS,
        "tolerations": KUBERNETES_OBJECTS,
        "affinity": KUBERNETES_OBJECT,
        "topologySpreadConstraints": KUBERNETES_OBJECTS,
        "priorityClassName": STRING,
        "podLabels": POD_LABELS,
        "podAnnotations": LABELS,
        "extraArgs": {"type": "array", "items": EXTRA_ARG},
        "extraEnv": {
            "type": "array",
            "items": closed({"name": STRING, "value": STRING, "valueFrom": KUBERNETES_OBJECT}, ("name",)),
        },
        "podDisruptionBudget": closed({"enabled": BOOLEAN, "maxUnavailable": {"type": ["integer", "string"]}}),
    }


def values_schema() -> Schema:
    """The schema of the chart's values."""
    schema = closed(
        {
            # Helm's own: what a parent chart hands down.
            "global": KUBERNETES_OBJECT,
            "nameOverride": NAME,
            "fullnameOverride": NAME,
            "image": image(),
            "imagePullSecrets": {"type": "array", "items": closed({"name": STRING}, ("name",))},
            "watchNamespaces": {"type": "array", "items": {**NAME, "minLength": 1}, "uniqueItems": True},
            **pods(),
            "serviceAccount": closed({"create": BOOLEAN, "name": NAME, "annotations": LABELS}),
            "rbac": closed({"create": BOOLEAN, "clusterDiscovery": BOOLEAN, "aggregate": BOOLEAN}),
            "networkPolicy": closed({"enabled": BOOLEAN, "monitoring": KUBERNETES_OBJECTS}),
            "metrics": metrics(),
            "prometheus": prometheus(),
            "templates": LABELS,
            "crds": closed({"install": BOOLEAN}),
            "defaultFleet": default_fleet(),
        }
    )
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the Headgate chart", **schema}


def rendered() -> str:
    """The file's content."""
    return json.dumps(values_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(rendered())
