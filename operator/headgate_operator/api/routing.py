"""How requests reach a fleet from outside: who brings them, by which host names, and how repos map to routes.

Part of a GatewayFleet's spec; `render/routes` builds the objects.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import ObjectName, cel
from headgate_operator.api.meta import ResourceModel


class RoutingProvider(StrEnum):
    """Who brings requests to the fleet."""

    GATEWAY_API = "GatewayAPI"
    NONE = "None"


class RouteLayout(StrEnum):
    """How repos map to routes."""

    PER_REPO = "PerRepo"
    SHARED = "Shared"


class ParentRef(ResourceModel):
    """A Gateway that the routes attach to."""

    name: ObjectName
    """The Gateway's name."""
    namespace: ObjectName | None = None
    """The Gateway's namespace; the fleet's own if it is left out."""
    section_name: ObjectName | None = None
    """One listener of the Gateway; all if it is left out."""
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """One port of the Gateway."""


class GatewayApiRouting(ResourceModel):
    """Gateway API's part."""

    parent_refs: Annotated[tuple[ParentRef, ...], Field(min_length=1, max_length=32)]
    """The Gateways that the routes attach to."""


Hostname = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]


class Routing(ResourceModel):
    """How requests reach the fleet from outside."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(self.provider == 'GatewayAPI') == has(self.gatewayAPI)",
                "provider GatewayAPI needs the gatewayAPI block with parentRefs, and no other provider takes it",
            ),
        )
    )

    provider: RoutingProvider = RoutingProvider.NONE
    """GatewayAPI: an HTTPRoute for each repo. None: the fleet's Service is all there is."""
    hostnames: Annotated[tuple[Hostname, ...], Field(max_length=16)] = ()
    """Host names of the routes. Without any, all that the listener takes."""
    routes: RouteLayout = RouteLayout.PER_REPO
    """PerRepo: a route of its own for each repo. Shared: one prefix route for all repos on `/log/repo/`, and a route of its own only for repos with other endpoints; for fleets of thousands of repos."""
    gateway_api: Annotated[GatewayApiRouting | None, Field(alias="gatewayAPI")] = None
    """What the provider GatewayAPI needs to know."""

    @model_validator(mode="after")
    def _check_block(self) -> Self:
        if (self.provider is RoutingProvider.GATEWAY_API) != (self.gateway_api is not None):
            raise ValueError(
                "provider GatewayAPI needs the gatewayAPI block with parentRefs, and no other provider takes it"
            )
        return self
