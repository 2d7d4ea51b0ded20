"""One executor of a repo's ordered list: exactly one of the named steps."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import ContractModel, cel
from headgate_gateway.config.constraint import MatchExpression, OnMismatch
from headgate_gateway.config.executors.cast import CastFields
from headgate_gateway.config.executors.cutting import Assigner, Splitter
from headgate_gateway.config.executors.decoder import Decoder
from headgate_gateway.config.executors.explode import Explode
from headgate_gateway.config.executors.fields import RemoveFields, RenameFields, SetFields
from headgate_gateway.config.executors.mask import Mask
from headgate_gateway.config.executors.plugin import Plugin
from headgate_gateway.config.executors.sample import Sample
from headgate_gateway.config.executors.timestamp import ParseTimestamp

STEP_NAMES = (
    "decoder", "splitter", "assigner", "set", "rename", "remove", "cast", "timestamp", "mask", "explode", "sample",
    "filter", "plugin",
)  # fmt: skip
"""The words that name a step: in resources, in files, in the headers of dead letters."""

_ONE_STEP = (
    f"[{', '.join(f'has(self.{name})' for name in STEP_NAMES)}].exists_one(x, x)",
    f"an executor is exactly one of {', '.join(STEP_NAMES[:-1])} and {STEP_NAMES[-1]}",
)


class Filter(ContractModel):
    """Lets events go on for which all expressions hold, as the repo's constraint does for lines, with the fields that the executors before it made."""

    match_expressions: Annotated[tuple[MatchExpression, ...], Field(min_length=1, max_length=16)]
    """The comparisons; an event goes on when all of them hold."""
    on_mismatch: OnMismatch = OnMismatch.DROP
    """Drop: the event is counted and forgotten. Reject: its line is refused, or goes to the dead letter."""


class Executor(ContractModel):
    """One step of the way of an event."""

    model_config = ConfigDict(json_schema_extra=cel(_ONE_STEP))

    decoder: Decoder | None = None
    """Makes fields of a text: JSON, logfmt, CSV, TSV, nginx's combined, or a regular expression's named groups."""
    splitter: Splitter | None = None
    """Cuts a text into a list."""
    assigner: Assigner | None = None
    """Gives the elements of a list names."""
    set: SetFields | None = None
    """Sets fields."""
    rename: RenameFields | None = None
    """Moves fields to other names."""
    remove: RemoveFields | None = None
    """Removes fields."""
    cast: CastFields | None = None
    """Gives fields other types."""
    timestamp: ParseTimestamp | None = None
    """Reads a time, and writes it in one way."""
    mask: Mask | None = None
    """Hides what fields hold."""
    explode: Explode | None = None
    """Makes several events of one."""
    sample: Sample | None = None
    """Lets a part of the events go on."""
    filter: Filter | None = None
    """Lets events go on that meet its expressions."""
    plugin: Plugin | None = None
    """Runs a step of your own."""

    @property
    def name(self) -> str:
        """The word of its step."""
        return next(name for name in STEP_NAMES if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _check_one_step(self) -> Self:
        if sum(getattr(self, name) is not None for name in STEP_NAMES) != 1:
            raise ValueError(_ONE_STEP[1])
        return self


Executors = Annotated[tuple[Executor, ...], Field(max_length=32)]
"""What an event goes through, in order."""


def hash_keys(executors: tuple[Executor, ...]) -> tuple[tuple[str, str], ...]:
    """The entries of Secrets that masks need, as (Secret, entry), each once.

    The operator puts each into the file `repo_secret_file(namespace, secret, f"key.{entry}")`.
    """
    hashes = (executor.mask.hash for executor in executors if executor.mask and executor.mask.hash)
    return tuple(dict.fromkeys((keyed.secret_ref.name, keyed.key) for keyed in hashes))
