"""`decoder`: how the text of a field becomes fields."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import ContractModel, FieldPath, cel
from headgate_gateway.config.executors.common import OnFailure, SkippableName, check_names
from headgate_gateway.config.patterns import compile_groups


class DecoderFormat(StrEnum):
    """How the text is written."""

    JSON = "JSON"
    LOGFMT = "Logfmt"
    CSV = "CSV"
    TSV = "TSV"
    NGINX_COMBINED = "NginxCombined"
    REGEX = "Regex"


_TABLES = frozenset({DecoderFormat.CSV, DecoderFormat.TSV})
_COLUMNS_RULE = (
    "has(self.columns) && size(self.columns) > 0 ? self.format in ['CSV', 'TSV'] : !(self.format in ['CSV', 'TSV'])",
    "columns is for the formats CSV and TSV, which need it",
)
_SEPARATOR_RULE = ("!has(self.separator) || self.format == 'CSV'", "separator is for the format CSV")
_PATTERN_RULE = ("has(self.pattern) == (self.format == 'Regex')", "pattern is for the format Regex, which needs it")


class Decoder(ContractModel):
    """Makes fields of the text in one field."""

    model_config = ConfigDict(json_schema_extra=cel(_COLUMNS_RULE, _SEPARATOR_RULE, _PATTERN_RULE))

    format: DecoderFormat
    """JSON: an object. Logfmt: `level=info msg="it is done"`. CSV: one line of RFC 4180. TSV: values between tabs. NginxCombined: a line of nginx's access log in its format `combined`. Regex: what the named groups of a pattern match."""
    field: FieldPath = "message"
    """Dotted path of the field that holds the text; an event of the endpoint format Text has it in `message`."""
    into: FieldPath | None = None
    """Dotted path of an object that takes the fields; the event itself without it."""
    keep_source: bool = False
    """Whether the field with the text stays when it has been decoded."""
    on_failure: OnFailure = OnFailure.REJECT
    """When there is no such field, it is no string, or its text is not written so. Reject: the event is refused. Keep: it goes on as it is."""
    columns: Annotated[tuple[SkippableName, ...], Field(max_length=256)] = ()
    """CSV and TSV: the names of the values in their order; an empty name leaves its value out. A line has as many values as there are columns."""
    separator: Annotated[str, Field(min_length=1, max_length=1, pattern=r'^[^"\r\n]$')] | None = None
    """CSV: the character between values, a comma without it."""
    pattern: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """Regex: a regular expression in RE2's syntax, found anywhere in the text. Each named group, `(?P<name>...)`, that takes part in the match becomes a field."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if bool(self.columns) != (self.format in _TABLES):
            raise ValueError(_COLUMNS_RULE[1])
        if self.separator is not None and self.format is not DecoderFormat.CSV:
            raise ValueError(_SEPARATOR_RULE[1])
        if (self.pattern is not None) != (self.format is DecoderFormat.REGEX):
            raise ValueError(_PATTERN_RULE[1])
        if self.columns:
            check_names("columns", self.columns)
        if self.pattern is not None:
            compile_groups(self.pattern)
        return self
