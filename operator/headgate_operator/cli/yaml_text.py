"""Writes manifests as YAML that every reader takes for the same: kubectl's YAML sees a boolean in `y` and a number in `1e3`.

PyYAML sees texts there and would leave them bare, so only texts that look like words are left bare here.
"""

import re
from collections.abc import Iterable
from typing import Any

import yaml

_WORD = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*([ :][A-Za-z0-9_./-]+)*")
_NOT_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = _WORD.fullmatch(text) and text.lower() not in _NOT_WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent_text)


def write_yaml(manifests: Iterable[dict[str, Any]]) -> str:
    """A stream of documents, fields in the order given."""
    return yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, width=10**6, explicit_start=True)
