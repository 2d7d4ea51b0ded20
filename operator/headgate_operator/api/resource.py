"""The base of the three resource types, and the one place where an object from outside becomes one."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from headgate_operator.api.meta import ObjectMeta
from headgate_operator.api.names import API_VERSION, LABEL_VALUE_MAX

# Names of repos and profiles become values of labels, labels of metrics, and parts of other names.
_LABEL_NAME_MESSAGE = f"the name may have {LABEL_VALUE_MAX} characters at most: it becomes the value of a label"
LABEL_NAME_RULE = (f"size(self.metadata.name) <= {LABEL_VALUE_MAX}", _LABEL_NAME_MESSAGE)


def check_label_name(name: str) -> None:
    """The Python side of LABEL_NAME_RULE. Raises ValueError."""
    if len(name) > LABEL_VALUE_MAX:
        raise ValueError(_LABEL_NAME_MESSAGE)


class InvalidResourceError(ValueError):
    """A resource does not fit its type; `problems` holds (dotted path, message) pairs."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in problems))
        self.problems = problems


def _describe(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is no field of this object: remove it, or check its spelling"
        case _:
            return problem["msg"].removeprefix("Value error, ")


class Resource(BaseModel):
    """One object of group headgate.dev. Unknown top-level fields (managedFields' home) are passed over."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    KIND: ClassVar[str]
    PLURAL: ClassVar[str]
    SHORT_NAMES: ClassVar[tuple[str, ...]]

    metadata: ObjectMeta

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.metadata.namespace, self.metadata.name

    @classmethod
    def from_object(cls, manifest: dict[str, Any]) -> Self:
        """Parse a manifest. Raises InvalidResourceError naming every field that does not fit."""
        if manifest.get("apiVersion") != API_VERSION or manifest.get("kind") != cls.KIND:
            found = f"{manifest.get('apiVersion')}/{manifest.get('kind')}"
            raise InvalidResourceError((("kind", f"is {found}, not {API_VERSION}/{cls.KIND}"),))
        try:
            return cls.model_validate(manifest)
        except ValidationError as error:
            raise InvalidResourceError(
                tuple(
                    (".".join(str(part) for part in problem["loc"]), _describe(problem))
                    for problem in error.errors(include_url=False, include_input=False)
                )
            ) from error
