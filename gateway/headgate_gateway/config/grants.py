"""Which gateway takes over the spools of pods that are gone: the operator writes it, gateways that share a claim read it."""

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

SPOOL_GRANTS_FILE = "spool-grants.json"
"""Its name in the config directory. Nobody reads it but gateways with a shared spool."""

_GRANTS = TypeAdapter(dict[str, str])


def encode_grants(grants: Mapping[str, str]) -> bytes:
    """The file's content: by uid of a pod that is gone, the uid of the pod that takes over. Same grants, same bytes."""
    return _GRANTS.dump_json(dict(sorted(grants.items())))


def parse_grants(content: bytes) -> dict[str, str]:
    """What a file says. Raises ValueError."""
    try:
        return _GRANTS.validate_json(content)
    except ValidationError as error:
        raise ValueError(f"{SPOOL_GRANTS_FILE}: {error}") from None
