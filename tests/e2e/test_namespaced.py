"""The operator with rights in named namespaces alone: no ClusterRole, and all of it still works."""

import httpx
import pytest
from tests.e2e.conftest import PROFILE
from tests.e2e.release import ACCOUNT, NAMESPACE, Release
from tests.e2e.repos import repo, repo_path, status_at_least, wait_ready
from tests.testbed.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


def may(release: Release, verb: str, what: str, namespace: str) -> bool:
    """Whether the operator's account may do this, in the API server's own judgement."""
    review = release.api.create(
        "apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": ACCOUNT,
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {"namespace": namespace, "verb": verb, "resource": what},
            },
        },
    )
    return bool(review["status"]["allowed"])


def test_without_any_cluster_role_repos_of_the_named_namespaces_are_served(
    release: Release, cluster: Cluster, namespace: str, topic: str
) -> None:
    release.install(
        watchNamespaces=[NAMESPACE, namespace], rbac={"clusterDiscovery": False, "aggregate": False, "create": True}
    )
    try:
        assert release.api.get("apis/rbac.authorization.k8s.io/v1/clusterroles/headgate-headgate-system") is None
        assert may(release, "get", "secrets", NAMESPACE)
        assert not may(release, "get", "secrets", "kube-system")
        assert not may(release, "list", "secrets", NAMESPACE)

        release.api.apply(repo("outside", "default", PROFILE, topic), repo("inside", namespace, PROFILE, topic))
        wait_ready(release, namespace, "inside")
        release.api.merge(repo_path(namespace, "inside"), {"spec": {"constraint": status_at_least(400)}})
        wait_ready(release, namespace, "inside")
        url = f"{cluster.edge_url}/log/repo/inside"
        answer = httpx.post(url, content=b'{"status":404}', timeout=20, trust_env=False)
        assert answer.status_code == httpx.codes.OK, answer.text

        # Two changes of its neighbour later, nobody has looked at it.
        unseen = release.api.get(repo_path("default", "outside")) or {}
        assert unseen["status"]["observedGeneration"] == -1
    finally:
        release.api.delete(repo_path("default", "outside"))
        release.install()
