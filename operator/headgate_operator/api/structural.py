"""Structural schemas of CustomResourceDefinitions, made from the pydantic types.

Walks the types themselves rather than pydantic's JSON schema: that one has `$defs`, `anyOf … null` and titles, which a
structural schema may not, and it forgets the bounds of durations and sizes, which become CEL rules here.
"""

from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from headgate_gateway.config.base import cel
from headgate_gateway.config.units import BYTE_SIZE_PATTERN, DURATION_PATTERN, format_duration
from headgate_operator.api.names import TEXT_VALUE_MAX

Schema = dict[str, Any]

_SCALARS: dict[Any, str] = {str: "string", int: "integer", bool: "boolean"}
_BOUNDS = {"ge": "minimum", "le": "maximum"}
_LENGTHS = {
    "string": {"min_length": "minLength", "max_length": "maxLength"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}
# The cost of CEL rules is estimated from the longest value that a schema allows.
_SIZE_TEXT_MAX = 24
_EMPTY: tuple[Any, ...] = (None, [], {})


def model_schema(model: type[BaseModel], leave_out: frozenset[str] = frozenset()) -> Schema:
    """The schema of an object: its properties, which are required, its rules."""
    fields = {field.alias or name: field for name, field in model.model_fields.items() if name not in leave_out}
    schema: Schema = {"type": "object"}
    if model.__doc__:
        schema["description"] = " ".join(model.__doc__.split())
    if required := sorted(name for name, field in fields.items() if field.is_required()):
        schema["required"] = required
    schema["properties"] = {name: field_schema(field) for name, field in fields.items()}
    return schema | _extra(model.model_config.get("json_schema_extra"))


def field_schema(field: FieldInfo) -> Schema:
    """The schema of one field, its description and default included."""
    schema = _schema_of(field.annotation, list(field.metadata)) | _extra(field.json_schema_extra)
    if field.description:
        schema["description"] = " ".join(field.description.split())
    default = _default_of(field, schema)
    if default is not None:
        schema["default"] = default
    return schema


def _schema_of(annotation: Any, metadata: list[Any]) -> Schema:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _schema_of(inner, _flatten(more) + metadata) | _extras(more)
    if written := next((entry for entry in metadata if isinstance(entry, WithJsonSchema)), None):
        return _written_schema(written, metadata)
    if origin in (Union, UnionType):
        (inner,) = (option for option in get_args(annotation) if option is not NoneType)
        return _schema_of(inner, metadata)
    return _constrain(_plain_schema(annotation, origin), metadata)


def _plain_schema(annotation: Any, origin: Any) -> Schema:
    if annotation in _SCALARS:
        return {"type": _SCALARS[annotation]}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(get_args(annotation)[0], [])}
    if origin is dict:
        value = get_args(annotation)[1]
        return {"type": "object"} if value is Any else {"type": "object", "additionalProperties": _schema_of(value, [])}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return model_schema(annotation)
    raise TypeError(f"no structural schema is known for {annotation!r}")


def _constrain(schema: Schema, metadata: list[Any]) -> Schema:
    names = _BOUNDS | _LENGTHS.get(schema["type"], {})
    for entry in metadata:
        for attribute, name in names.items():
            if (value := getattr(entry, attribute, None)) is not None:
                schema[name] = value
        if pattern := getattr(entry, "pattern", None):
            schema["pattern"] = pattern
    return schema


def _written_schema(written: WithJsonSchema, metadata: list[Any]) -> Schema:
    """Durations and sizes: strings to a JSON schema, so their bounds are CEL rules."""
    schema = dict(written.json_schema or {})
    bounds = {
        name: value for entry in metadata for name in ("ge", "le") if (value := getattr(entry, name, None)) is not None
    }
    if schema.get("pattern") == DURATION_PATTERN:
        return schema | _rules(*(_duration_rule(name, value) for name, value in bounds.items()))
    if schema.get("pattern") == BYTE_SIZE_PATTERN:
        schema["maxLength"] = _SIZE_TEXT_MAX
        return schema | _rules(*(_size_rule(name, value) for name, value in bounds.items()))
    if schema.get("x-kubernetes-int-or-string"):
        schema["maxLength"] = TEXT_VALUE_MAX
    return schema


def _rules(*rules: tuple[str, str]) -> Schema:
    return cel(*rules) if rules else {}


def _duration_rule(bound: str, milliseconds: int) -> tuple[str, str]:
    sign, word = (">=", "at least") if bound == "ge" else ("<=", "at most")
    written = format_duration(milliseconds)
    return f"duration(self) {sign} duration('{written}')", f"must be {word} {written}"


def _size_rule(bound: str, size: int) -> tuple[str, str]:
    sign, word = (">=", "at least") if bound == "ge" else ("<=", "at most")
    rule = f"type(self) == int ? self {sign} {size} : quantity(self).compareTo(quantity('{size}')) {sign} 0"
    return rule, f"must be {word} {size} bytes"


def _flatten(metadata: list[Any]) -> list[Any]:
    return [part for entry in metadata for part in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]


def _extras(metadata: list[Any]) -> Schema:
    found: Schema = {}
    for entry in metadata:
        if isinstance(entry, FieldInfo):
            found |= _extra(entry.json_schema_extra)
    return found


def _extra(extra: Any) -> Schema:
    """What Kubernetes reads of a type's own additions; `x-headgate-…` is between operator and gateway."""
    if not isinstance(extra, dict):
        return {}
    return {name: value for name, value in extra.items() if not name.startswith("x-headgate-")}


def _default_of(field: FieldInfo, schema: Schema) -> Any:
    """The default to write; None for none. Empty lists and maps are left out: they would only be noise in objects.

    An absent object is defaulted whole, since the API server judges a default as it is written.
    """
    if field.is_required() or field.default is PydanticUndefined:
        return None
    default = _written_default(field.default)
    if isinstance(default, int) and schema.get("type") == "string":
        return format_duration(default)
    return None if default in _EMPTY else default


def _written_default(value: Any) -> Any:
    match value:
        case BaseModel():
            return _written_default(value.model_dump(mode="json", by_alias=True))
        case dict():
            return {name: kept for name, each in value.items() if (kept := _written_default(each)) not in _EMPTY}
        case tuple() | list():
            return [_written_default(each) for each in value]
        case Enum():
            return value.value
        case _:
            return value
