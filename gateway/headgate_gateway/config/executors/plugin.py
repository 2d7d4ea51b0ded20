"""`plugin`: a step of the user's own, from a Python package in a derived gateway image."""

import json
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import ContractModel, cel

_ONE_CONFIG = ("!has(self.config) || !has(self.configJson)", "plugin takes config or configJson, not both")


class Plugin(ContractModel):
    """Runs a step of a package that is installed in the fleet's image. No code travels in a resource."""

    model_config = ConfigDict(json_schema_extra=cel(_ONE_CONFIG))

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$")]
    """The name of its entry point in the group `headgate.executors`."""
    config: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=64)] | None = None
    """What the plugin is told: names and texts."""
    config_json: Annotated[str, Field(max_length=16_384)] | None = None
    """What the plugin is told, as the text of a JSON object, where names and texts do not suffice."""

    @model_validator(mode="after")
    def _check_one_config(self) -> Self:
        if self.config and self.config_json is not None:
            raise ValueError(_ONE_CONFIG[1])
        if self.config_json is not None:
            try:
                value = json.loads(self.config_json)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"configJson of plugin {self.name!r} is no JSON: {error}") from error
            if not isinstance(value, dict):
                raise ValueError(f"configJson of plugin {self.name!r} is JSON, but not an object")
        return self
