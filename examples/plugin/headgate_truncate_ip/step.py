"""The step: `compile` is called once for each repo that names the plugin, what it returns once for each event.

A step does no I/O and keeps nothing between events; it runs on the gateway's event loop, so it has to be quick.
"""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

from headgate_gateway.pipeline.steps import Event, Reject

# Written as a number, not imported: it says which version of the step API this code was written for.
STEP_API_VERSION = 1


def compile(config: dict[str, Any]) -> Callable[[Event], Event | Reject]:  # noqa: A001  (the step API's own word)
    """`field`: the top-level field with the address. `ipv4` and `ipv6`: bits that are kept, 24 and 48 without them.

    Raises ValueError for a config that makes no sense: then the gateway refuses the repo with this text.
    """
    unknown = sorted(config.keys() - {"field", "ipv4", "ipv6"})
    if unknown or not config.get("field"):
        raise ValueError(f"it takes field, ipv4 and ipv6, not {', '.join(unknown)}" if unknown else "it needs field")
    field = config["field"]
    kept = {4: int(config.get("ipv4", 24)), 6: int(config.get("ipv6", 48))}
    # An address that cannot be read must not go on unmasked, and its text must not be in the message.
    unreadable = Reject(f"field {field!r} holds no IP address")

    def truncate(event: Event) -> Event | Reject:
        if (text := event.get(field)) is None:
            return event
        try:
            address = ip_address(str(text))
        except ValueError:
            return unreadable
        event[field] = str(ip_network((address, kept[address.version]), strict=False).network_address)
        return event

    return truncate
