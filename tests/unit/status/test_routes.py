"""What parents say of a route."""

from typing import Any

import pytest

from headgate_operator.status.routes import route_accepted, route_trouble


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
