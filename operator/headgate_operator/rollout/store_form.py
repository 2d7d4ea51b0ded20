"""The stored forms of a RolloutState and an UpgradeState: canonical JSON bytes. Pure; the store of the fleet's namespace calls it.

Fields at their defaults are left out, so defaults of stored models never change their meaning. Unknown fields, which a
newer operator wrote, are passed over.
"""

import json

from pydantic import ValidationError

from headgate_operator.rollout.model import RolloutState, StoredModel
from headgate_operator.rollout.upgrade_model import UpgradeState


class BrokenStateError(ValueError):
    """What is stored is no rollout state. Not retryable: somebody wrote over it."""

    retryable = False


def dump_state(state: RolloutState) -> bytes:
    """The same bytes for equal states: sorted keys, no spaces."""
    return _dump(state)


def load_state(stored: bytes) -> RolloutState:
    """The state of stored bytes. Raises BrokenStateError, naming what is wrong."""
    try:
        return RolloutState.model_validate_json(stored)
    except ValidationError as error:
        raise BrokenStateError(f"the stored rollout state cannot be read: {_first_problem(error)}") from error


def dump_upgrade(state: UpgradeState) -> bytes:
    """The same bytes for equal states."""
    return _dump(state)


def load_upgrade(stored: bytes) -> UpgradeState:
    """The state of stored bytes. Raises BrokenStateError, naming what is wrong."""
    try:
        return UpgradeState.model_validate_json(stored)
    except ValidationError as error:
        raise BrokenStateError(f"the stored upgrade state cannot be read: {_first_problem(error)}") from error


def _dump(state: StoredModel) -> bytes:
    fields = state.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
