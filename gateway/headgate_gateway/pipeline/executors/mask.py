"""`mask`: redacts values, or puts a keyed hash in their place."""

import hmac
from collections.abc import Callable
from typing import Any

from headgate_gateway.config.executors import KeyedHash, Mask
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.paths import compile_read, compile_write
from headgate_gateway.pipeline.executors.spelling import bytes_of
from headgate_gateway.pipeline.fields import ABSENT
from headgate_gateway.pipeline.steps import Answer, Event, Step

_SHORTEST_KEY = 16
"""Bytes. A shorter key could be found by trying."""


def compile_mask(config: Mask, context: ExecutorContext) -> Step:
    """Raises ValueError when the key of a hash is not there, or too short."""
    hide = _compile_hash(config.hash, context) if config.hash else _compile_redact(config)
    pairs = [(compile_read(path), compile_write(path)) for path in config.fields]

    def mask(event: Event) -> Answer:
        for read, write in pairs:
            value = read(event)
            if value is not ABSENT and value is not None:
                write(event, hide(value))
        return event

    return mask


def _compile_redact(config: Mask) -> Callable[[Any], str]:
    text = config.redact.text if config.redact else ""
    return lambda value: text


def _compile_hash(config: KeyedHash, context: ExecutorContext) -> Callable[[Any], str]:
    key = context.secret_entry(config.secret_ref.name, config.key)
    if len(key) < _SHORTEST_KEY:
        raise ValueError(
            f"entry {config.key!r} of Secret {context.namespace}/{config.secret_ref.name} has {len(key)} bytes, "
            f"and a key needs {_SHORTEST_KEY}"
        )
    digits, keyed = config.digits, hmac.new(key, digestmod="sha256")

    def keyed_hash(value: Any) -> str:
        state = keyed.copy()
        state.update(bytes_of(value))
        return state.hexdigest()[:digits]

    return keyed_hash
