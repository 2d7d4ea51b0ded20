"""desired ⊆ live, as the API server writes things."""

from typing import Any

import pytest

from headgate_operator.reconcile.subset import is_subset


@pytest.mark.parametrize(
    ("desired", "live", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {}, False),
        ({"a": {}, "b": [], "c": "", "d": None}, {}, True),
        ({"hostNetwork": False, "initialDelaySeconds": 0}, {}, True),
        ({"automountServiceAccountToken": False}, {}, False),
        ({"securityContext": {"allowPrivilegeEscalation": False}}, {}, False),
        ({"tolerationSeconds": 0}, {}, False),
        ({"a": {"b": {}}}, {}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "defaulted": True}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"resources": {"requests": {"cpu": "1000m"}}}, {"resources": {"requests": {"cpu": "1"}}}, True),
        ({"resources": {"limits": {"memory": "1024Mi"}}}, {"resources": {"limits": {"memory": "1Gi"}}}, True),
        ({"resources": {"limits": {"cpu": 1}}}, {"resources": {"limits": {"cpu": "1"}}}, True),
        ({"resources": {"limits": {"cpu": "2"}}}, {"resources": {"limits": {"cpu": "1"}}}, False),
        ({"labels": {"version": "1.0"}}, {"labels": {"version": "1"}}, False),
        ({"emptyDir": {"sizeLimit": "1024Ki"}}, {"emptyDir": {"sizeLimit": "1Mi"}}, True),
    ],
)
def test_is_subset(desired: Any, live: Any, expected: bool) -> None:
    assert is_subset(desired, live) is expected
