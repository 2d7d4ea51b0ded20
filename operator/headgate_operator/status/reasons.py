"""The reasons of conditions and Events: words that users and their alerts match on. Changing one breaks somebody.

Owns the words of the operator's shell; verdicts of rendering bring their own. Documented in docs/reasons.md.
"""

# Condition types.
READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
ACCEPTED = "Accepted"
PROGRAMMED = "Programmed"
SERVING = "Serving"

# Accepted=False, beside the reasons of rendering's verdicts (api/reasons).
TEMPLATE_FAILED = "TemplateFailed"
"""A template (an override, as a rule) cannot be rendered for this fleet."""
FLEET_NOT_ACCEPTED = "FleetNotAccepted"
"""The fleet's own spec (or a template) is not usable: its repos and profiles are not judged, and what is served stays."""
NO_FLEET = "NoFleet"
"""A profile in a namespace without a fleet: nobody can use it."""

# Programmed.
IS_PROGRAMMED = "Programmed"
PENDING = "Pending"
"""Some ready gateways do not report the newest config yet."""
NO_GATEWAYS = "NoGatewaysReady"
"""No gateway is ready, so nobody serves."""
UNREACHABLE = "GatewayUnreachable"
"""The operator cannot read a ready gateway's admin port, so it does not know what is served."""
REFUSED = "RefusedByGateway"
"""A gateway cannot serve the newest config; it keeps the last good one."""
NOT_ACCEPTED = "NotAccepted"
"""The spec is not accepted, so nothing new is rolled out."""
APPLY_FAILED = "ApplyFailed"
"""The API server refused or did not take one of the objects."""

# Serving.
IS_SERVING = "Serving"
NOT_SERVED = "NotServed"
"""No ready gateway serves any revision of the repo."""

# Ready.
IS_READY = "Ready"
ROLLING_OUT = "RollingOut"
"""Gateways are being started, replaced or reconfigured."""
ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
"""Gateways serve the repo, but a Gateway (the edge) does not take its route, so no request reaches them that way."""
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
"""The newest gateways do not start, and Kubernetes has stopped waiting for them; older ones go on serving."""
DEGRADED = "Degraded"
"""Fewer gateways are ready than asked for, and no change explains it."""
SCALED_TO_ZERO = "ScaledToZero"
"""The fleet is asked to have no gateways."""

# Events only.
EVENTS_LEFT = "EventsLeft"
"""A claim that holds events has no gateway any more, be it that the fleet was scaled down or that its mode was changed."""
PRUNED = "Pruned"
"""An object that is no longer wanted was deleted."""
