"""What parents say of a route."""

from typing import Any

import pytest

from headgate_operator.status.routes import route_accepted, route_trouble, route_unresolved


def parent(**conditions: str) -> dict[str, Any]:
    found = [
        {"type": type_, "status": status, "reason": "NoMatchingParent", "message": "no listener takes it"}
        for type_, status in conditions.items()
    ]
    return {"parentRef": {"kind": "Gateway", "namespace": "gateways", "name": "edge"}, "conditions": found}


@pytest.mark.parametrize(
    "parents",
    [[], [parent()], [parent(Accepted="True", ResolvedRefs="True")], [parent(Accepted="Unknown", Own="False")]],
    ids=["nobody has looked", "no word yet", "taken", "others' conditions"],
)
def test_no_trouble(parents: list[dict[str, Any]]) -> None:
    assert route_trouble({"parents": parents}) == ""


@pytest.mark.parametrize("type_", ["Accepted", "ResolvedRefs"])
def test_a_refusal_is_quoted(type_: str) -> None:
    status = {"parents": [parent(Accepted="True"), parent(**{type_: "False"})]}
    assert route_trouble(status) == (
        "Gateway gateways/edge does not take the HTTPRoute (NoMatchingParent): no listener takes it"
    )


def looked(generation: int, **conditions: str) -> dict[str, Any]:
    found = parent(**conditions)
    for condition in found["conditions"]:
        condition["observedGeneration"] = generation
    return found


@pytest.mark.parametrize(
    ("parents", "accepted"),
    [
        ([], False),
        ([looked(3, Accepted="True", ResolvedRefs="True")], True),
        ([looked(2, Accepted="True", ResolvedRefs="True")], False),
        ([looked(3, Accepted="True")], False),
        ([looked(3, Accepted="True", ResolvedRefs="False")], False),
        ([looked(3, Accepted="True", ResolvedRefs="True"), looked(2, Accepted="True", ResolvedRefs="True")], False),
    ],
    ids=["nobody has looked", "taken", "an older one taken", "references unsettled", "a bad reference", "one lags"],
)
def test_a_route_is_accepted_once_every_parent_takes_it_as_it_is_now(
    parents: list[dict[str, Any]], accepted: bool
) -> None:
    assert route_accepted({"parents": parents}, 3) is accepted


def resolved(status: str, generation: int) -> dict[str, Any]:
    condition = {"type": "ResolvedRefs", "status": status, "reason": "BackendNotFound", "message": "no Service c"}
    return {"parentRef": {"name": "edge"}, "conditions": [condition | {"observedGeneration": generation}]}


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ([resolved("False", 3)], "BackendNotFound: no Service c"),
        ([resolved("True", 3), resolved("False", 3)], "BackendNotFound: no Service c"),
        ([resolved("False", 2)], ""),
        ([resolved("True", 3)], ""),
        ([parent(Accepted="False")], ""),
        ([], ""),
    ],
    ids=["not found", "by one parent", "an earlier route", "found", "another refusal", "nobody has looked"],
)
def test_only_what_is_said_of_the_route_as_it_is_counts_as_not_found(parents: list[Any], expected: str) -> None:
    assert route_unresolved({"parents": parents}, 3) == expected
