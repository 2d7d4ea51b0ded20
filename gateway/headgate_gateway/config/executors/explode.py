"""`explode`: one event becomes several."""

from typing import Self

from pydantic import ConfigDict, model_validator

from headgate_gateway.config.base import ContractModel, FieldPath, cel
from headgate_gateway.config.executors.common import OnFailure

_ONE_PLACE = (
    "!has(self.merge) || !self.merge || !has(self.into)",
    "explode merges elements into the event, or puts them into a field, not both",
)


class Explode(ContractModel):
    """Makes an event of each element of a list, with all the other fields of the event that held it."""

    model_config = ConfigDict(json_schema_extra=cel(_ONE_PLACE))

    field: FieldPath
    """Dotted path of the field that holds the list. Of an empty list no event is left: the event is dropped. More than 10,000 elements, or 16 MiB of events, are refused."""
    into: FieldPath | None = None
    """Dotted path of the field that takes the element; without it the element takes the list's place."""
    merge: bool = False
    """The elements are objects, and their fields become fields of the event, over those that it has."""
    on_failure: OnFailure = OnFailure.REJECT
    """When there is no such field, or it is no list. Reject: the event is refused. Keep: it goes on as it is."""

    @model_validator(mode="after")
    def _check_one_place(self) -> Self:
        if self.merge and self.into is not None:
            raise ValueError(_ONE_PLACE[1])
        return self
