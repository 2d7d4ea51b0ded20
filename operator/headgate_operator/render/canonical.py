"""Canonical JSON: the one writing of a value, so that equal content has equal bytes and equal hashes."""

import json
from typing import Any

from headgate_gateway.config import content_hash
from headgate_operator.render.world import RenderedObject


def canonical_json(value: Any) -> bytes:
    """Sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def rendered_object(manifest: dict[str, Any]) -> RenderedObject:
    """Freeze a finished manifest."""
    body = canonical_json(manifest)
    return RenderedObject(
        api_version=manifest["apiVersion"],
        kind=manifest["kind"],
        namespace=manifest["metadata"]["namespace"],
        name=manifest["metadata"]["name"],
        body=body,
        digest=content_hash(body),
    )
