"""What the three resources have in common: metadata, conditions, status."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from headgate_gateway.config.base import ContractModel, ObjectName


class ResourceModel(ContractModel):
    """A value inside a resource's spec or status."""


class ObjectMeta(BaseModel):
    """The part of Kubernetes' metadata that Headgate reads; other fields are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    name: ObjectName
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: AwareDatetime | None = None
    deletion_timestamp: AwareDatetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ConditionStatus(StrEnum):
    """Kubernetes' three truth values."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ResourceModel):
    """A `metav1.Condition`."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Name of the condition, in CamelCase."""
    status: ConditionStatus
    """True, False or Unknown."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation that the condition was set for."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """A documented word for why; see docs/reasons.md."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """What is the matter, for people, and what to do next."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
"""At most one condition of each type."""

OpaqueObject = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
"""A Kubernetes value that is passed on as it is; the API server judges it where it lands."""


class LabelSelectorOperator(StrEnum):
    """Operators of a label selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelectorRequirement(ResourceModel):
    """One requirement of a label selector."""

    key: str
    """The label's key."""
    operator: LabelSelectorOperator
    """In, NotIn, Exists or DoesNotExist."""
    values: tuple[str, ...] = ()
    """The values of In and NotIn."""


class LabelSelector(ResourceModel):
    """A `metav1.LabelSelector`."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    """Labels that must be there, with these values."""
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
    """Requirements that must all hold."""

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether an object with these labels is selected; an empty selector selects everything."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            _requirement_holds(requirement, labels) for requirement in self.match_expressions
        )


def _requirement_holds(requirement: LabelSelectorRequirement, labels: dict[str, str]) -> bool:
    match requirement.operator:
        case LabelSelectorOperator.IN:
            return labels.get(requirement.key) in requirement.values
        case LabelSelectorOperator.NOT_IN:
            return labels.get(requirement.key) not in requirement.values
        case LabelSelectorOperator.EXISTS:
            return requirement.key in labels
        case LabelSelectorOperator.DOES_NOT_EXIST:
            return requirement.key not in labels
