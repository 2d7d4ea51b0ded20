"""What parents say of a route."""

from typing import Any

import pytest

from headgate_operator.status.routes import route_trouble


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
