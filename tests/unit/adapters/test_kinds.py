"""REST paths."""

import pytest

from headgate_operator.adapters.kinds import collection_path, object_path
from headgate_operator.ports import ObjectRef, RejectedError
from headgate_operator.reconcile.watched import NAMESPACES, WATCHED


def test_paths() -> None:
    assert collection_path("v1", "Pod", None) == "/api/v1/pods"
    assert object_path(ObjectRef("apps/v1", "Deployment", "n", "d")) == "/apis/apps/v1/namespaces/n/deployments/d"
    repo = ObjectRef("headgate.dev/v1alpha1", "EventRepo", "n", "r")
    assert object_path(repo, "status") == "/apis/headgate.dev/v1alpha1/namespaces/n/eventrepos/r/status"
    assert object_path(ObjectRef("v1", "Namespace", "", "n")) == "/api/v1/namespaces/n"


def test_a_kind_that_a_template_may_not_render_is_refused() -> None:
    with pytest.raises(RejectedError, match="is not a kind that Headgate writes"):
        object_path(ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRole", "", "root"))


@pytest.mark.parametrize("kind", [*WATCHED, NAMESPACES], ids=lambda kind: kind.kind)
def test_every_watched_kind_can_be_listed(kind: object) -> None:
    assert collection_path(kind.api_version, kind.kind, None).endswith(kind.plural)  # type: ignore[attr-defined]
