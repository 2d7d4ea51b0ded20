"""The mounted config as files: what is read together was written together. Reads, decides nothing; `reload` looks here."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headgate_gateway.config.status import CREDENTIAL_PREFIX

DATA_LINK = "..data"
"""The symlink that a kubelet swaps when it updates a projected volume (pkg/volume/util/atomic_writer.go)."""

_SHARD_FILE = re.compile(r"shard-([0-9]{2})\.json")


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """What a config directory holds."""

    shards: Mapping[str, bytes] = field(default_factory=dict)
    """By two-digit index."""
    credentials: Mapping[str, bytes] = field(default_factory=dict)
    """By file name."""


class ConfigDirectory:
    """A directory of `shard-NN.json` and `credential.*` files: a projected volume, or plain files on a laptop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def version(self) -> object:
        """Something that changes when the files may have. Raises OSError when the directory is not there."""
        try:
            return os.readlink(self._path / DATA_LINK)  # noqa: PTH115 - Path.readlink builds a Path, five times a second
        except FileNotFoundError:
            return sorted((e.name, s.st_mtime_ns, s.st_ino, s.st_size) for e in self._files() for s in (e.stat(),))

    def _generation(self) -> Path:
        """The directory that `..data` leads to now: resolved once, what is read together was written together."""
        try:
            return self._path / os.readlink(self._path / DATA_LINK)  # noqa: PTH115 - as above
        except FileNotFoundError:
            return self._path

    def _files(self) -> list["os.DirEntry[str]"]:
        with os.scandir(self._generation()) as entries:
            return [e for e in entries if _SHARD_FILE.fullmatch(e.name) or e.name.startswith(CREDENTIAL_PREFIX)]

    def read(self) -> ConfigFiles:
        """All files. Raises OSError when the directory changes under the reading: the next look tries again."""
        shards: dict[str, bytes] = {}
        credentials: dict[str, bytes] = {}
        for file in self._files():
            content = Path(file.path).read_bytes()
            matched = _SHARD_FILE.fullmatch(file.name)
            if matched:
                shards[matched[1]] = content
            else:
                credentials[file.name] = content
        return ConfigFiles(shards, credentials)
