"""Shards: the stable config of a fleet as 32 files, one ConfigMap each.

All 32 are always rendered, empty ones too: what exists then follows from nothing but the fleet's name, an emptied
shard can never be left stale, and a gateway can be asked for all of them.
"""

from collections.abc import Iterable

from headgate_gateway.config import SHARD_COUNT


def build_shards(entries: Iterable[tuple[int, tuple[str, str], bytes]], contract_version: int) -> list[bytes]:
    """The bytes of each shard file, from (shard, repo's key, entry) in any order: canonical JSON of a `Shard`."""
    contents: list[list[tuple[tuple[str, str], bytes]]] = [[] for _ in range(SHARD_COUNT)]
    for shard, key, entry in entries:
        contents[shard].append((key, entry))
    head = b'{"contractVersion":%d,"repos":[' % contract_version
    return [head + b",".join(entry for _, entry in sorted(content)) + b"]}" for content in contents]
