"""Who owns what after a write: no second entry of ours, and others' list items gone. Over a scripted API server."""

from collections.abc import Mapping
from typing import Any

import pytest

from headgate_operator.api.names import FIELD_MANAGER
from headgate_operator.ports import ConflictError, NotFoundError, ObjectRef, RejectedError
from headgate_operator.reconcile.store import Store
from headgate_operator.reconcile.write import Writer

REF = ObjectRef("v1", "Service", "events", "main-gateway")
LABELS = {"headgate.dev/fleet": "main", "app.kubernetes.io/managed-by": FIELD_MANAGER}
APPLIED = {"manager": FIELD_MANAGER, "operation": "Apply"}
PATCHED = {"manager": FIELD_MANAGER, "operation": "Update"}
THEIRS = {"manager": "kubectl-edit", "operation": "Update"}
STATUS = {"manager": FIELD_MANAGER, "operation": "Update", "subresource": "status"}


def service(ports: list[int], version: int = 1, *managers: Mapping[str, str], **labels: str) -> dict[str, Any]:
    metadata = {"name": REF.name, "namespace": REF.namespace, "labels": labels or LABELS}
    volatile = {"uid": "u", "resourceVersion": str(version), "managedFields": list(managers)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata, **(volatile if version else {})},
        "spec": {"ports": [{"port": port} for port in ports]},
    }


WANTED = service([80], 0)


class Script:
    """Answers in turn, and remembers what it was asked."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, Mapping[str, Any]]]()

    def _answer(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((verb, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def apply(self, ref: ObjectRef, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
        return self._answer("apply", manifest)

    async def patch(self, ref: ObjectRef, patch: Mapping[str, Any], subresource: str = "") -> dict[str, Any]:
        return self._answer("patch", patch)

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        return self._answer("get", {})


def build_writer(script: Script, live: dict[str, Any] | None) -> Writer:
    store = Store(None, lambda key: None)
    if live is not None:
        store.upsert(live)
    return Writer(script, store)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "first", [service([80, 81], 2), RejectedError("duplicate name")], ids=["beside ours", "clashing with ours"]
)
async def test_a_list_item_of_others_goes_and_leaves_no_second_owner(first: dict[str, Any] | Exception) -> None:
    patched = service([80], 3, APPLIED, PATCHED, THEIRS, STATUS)
    script = Script(first, patched, patched, service([80], 4, APPLIED, THEIRS, STATUS))
    answer = await build_writer(script, service([80, 81])).write("main", REF, WANTED, None)
    assert [verb for verb, _ in script.asked] == ["apply", "patch", "apply", "patch"]
    owners = {"metadata": {"managedFields": [APPLIED, THEIRS, STATUS], "resourceVersion": "3"}}
    assert script.asked[-1] == ("patch", owners)
    assert answer["metadata"]["resourceVersion"] == "4"


async def test_what_is_absent_is_created_and_nothing_that_came_meanwhile_is_written_over() -> None:
    script = Script(service([80]))
    await build_writer(script, None).write("main", REF, WANTED, None)
    [(verb, manifest)] = script.asked
    assert (verb, manifest["metadata"]["resourceVersion"]) == ("apply", "1")


async def test_what_the_store_has_lost_is_written_once_it_proves_to_be_ours() -> None:
    script = Script(ConflictError("there is one"), service([81]), service([80], 2, APPLIED))
    await build_writer(script, None).write("main", REF, WANTED, None)
    assert [verb for verb, _ in script.asked] == ["apply", "get", "apply"]
    assert "resourceVersion" not in script.asked[-1][1]["metadata"]


async def test_what_is_somebody_elses_is_not() -> None:
    script = Script(ConflictError("there is one"), service([81], 1, app="theirs"))
    with pytest.raises(RejectedError, match=r"headgate\.dev/fleet=main"):
        await build_writer(script, None).write("main", REF, WANTED, None)
    assert [verb for verb, _ in script.asked] == ["apply", "get"]


async def test_what_went_again_meanwhile_is_tried_again_later() -> None:
    script = Script(ConflictError("there is one"), NotFoundError("gone"))
    with pytest.raises(ConflictError):
        await build_writer(script, None).write("main", REF, WANTED, None)
