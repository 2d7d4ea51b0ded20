"""What is handed over before the operator stops setting it, and what is not."""

from typing import Any

import pytest

from headgate_operator.reconcile.handover import build_handover


def entry(manager: str, **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}, **more}


def live(replicas: int, *managed: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "main-gateway", "namespace": "events", "resourceVersion": "7", "uid": "u"}
    return {"metadata": {**metadata, "managedFields": list(managed)}, "spec": {"replicas": replicas}}


OURS = entry("headgate-operator")
ELSEWHERE = {"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:labels": {}}}}
OF_STATUS = entry("kube-controller-manager", subresource="status")


@pytest.mark.parametrize("managed", [[OURS], [OURS, ELSEWHERE], [OURS, OF_STATUS]], ids=["alone", "labels", "status"])
def test_what_only_the_operator_holds_is_handed_over_at_the_version_that_was_read(
    managed: list[dict[str, Any]],
) -> None:
    assert build_handover(live(8, *managed)) == {
        "metadata": {"name": "main-gateway", "namespace": "events", "resourceVersion": "7"},
        "spec": {"replicas": 8},
    }


@pytest.mark.parametrize(
    "deployment",
    [
        live(8, OURS, entry("kube-controller-manager", operation="Update", subresource="scale")),
        live(8, entry("headgate-handover")),
        live(8),
        live(0, OURS),
    ],
    ids=["the autoscaler holds it too", "it was handed over before", "nobody holds it", "zero keeps autoscalers off"],
)
def test_what_others_hold_is_left_alone(deployment: dict[str, Any]) -> None:
    assert build_handover(deployment) is None
