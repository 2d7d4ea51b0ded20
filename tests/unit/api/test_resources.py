"""The Python types as judges of resources; tests/integration/api puts the same table to the API server."""

import pytest
from tests.golden.judged_objects import BAD, GOOD, JudgedObject

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.resource import InvalidResourceError, Resource

TYPES: dict[str, type[Resource]] = {kind.KIND: kind for kind in (GatewayFleet, KafkaProducerProfile, EventRepo)}


@pytest.mark.parametrize("judged", GOOD, ids=lambda judged: judged.id)
def test_good_objects_parse(judged: JudgedObject) -> None:
    TYPES[judged.manifest["kind"]].from_object(judged.manifest)


@pytest.mark.parametrize("judged", BAD, ids=lambda judged: judged.id)
def test_bad_objects_are_refused_with_a_message(judged: JudgedObject) -> None:
    with pytest.raises(InvalidResourceError) as refused:
        TYPES[judged.manifest["kind"]].from_object(judged.manifest)
    assert judged.python is not None
    assert judged.python in str(refused.value)


def test_another_kind_is_named() -> None:
    with pytest.raises(InvalidResourceError, match=r"kind: is v1/Secret, not headgate\.dev/v1alpha1/EventRepo"):
        EventRepo.from_object({"apiVersion": "v1", "kind": "Secret"})


def test_a_fresh_object_has_been_seen_by_nobody() -> None:
    for judged in GOOD:
        resource = TYPES[judged.manifest["kind"]].from_object(judged.manifest)
        assert getattr(resource, "status").observed_generation == -1  # noqa: B009


def test_what_the_api_server_adds_is_passed_over() -> None:
    manifest = GOOD[0].manifest | {
        "metadata": {
            "name": "judged",
            "namespace": "a",
            "uid": "1",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
            "selfLink": "/x",
        },
        "extra": 1,
    }
    fleet = GatewayFleet.from_object(manifest)
    assert fleet.key == ("a", "judged")
    assert fleet.metadata.generation == 3


@pytest.mark.parametrize(
    ("operator", "values", "labels", "selected"),
    [
        ("In", ["gold"], {"tier": "gold"}, True),
        ("In", ["gold"], {}, False),
        ("NotIn", ["gold"], {"tier": "gold"}, False),
        ("NotIn", ["gold"], {}, True),
        ("Exists", [], {"tier": "x"}, True),
        ("Exists", [], {}, False),
        ("DoesNotExist", [], {"tier": "x"}, False),
        ("DoesNotExist", [], {}, True),
    ],
)
def test_label_selectors_select_as_kubernetes_does(
    operator: str, values: list[str], labels: dict[str, str], selected: bool
) -> None:
    from headgate_operator.api.meta import LabelSelector

    selector = LabelSelector.model_validate(
        {"matchExpressions": [{"key": "tier", "operator": operator, "values": values}]}
    )
    assert selector.matches(labels) is selected
