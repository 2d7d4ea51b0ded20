"""The base of every type of the contract: frozen, strict about unknown fields, camelCase in JSON.

Owns no field. Field docstrings become the descriptions of the CRD schemas, so they speak to users.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class ContractModel(BaseModel):
    """A value of the contract. Compares and hashes by content."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class StatusModel(ContractModel):
    """A part of what gateways say of themselves. Tolerates fields of newer gateways."""

    model_config = ConfigDict(extra="ignore")


def cel(*rules: tuple[str, str]) -> dict[str, Any]:
    """JSON-schema extra that carries Kubernetes validation rules, as (CEL expression, message) pairs.

    Source of the form: Kubernetes' structural schemas, `x-kubernetes-validations`.
    """
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


FieldPath = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
"""A dotted path into a JSON object, such as `request.status`."""

TopicName = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[a-zA-Z0-9._-]+$")]
"""A Kafka topic's name: the characters and the length that Kafka itself allows (`Topic.LEGAL_CHARS`)."""

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""The name of a Kubernetes object (an RFC 1123 subdomain)."""
