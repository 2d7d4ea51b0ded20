"""`plugin`: a step of the user's own, found by its entry point in the group `headgate.executors`.

Owns the border to code that is not ours: what it returns is taken as JSON has it, so that later steps find nothing else.
An entry point names a module (or any object) with `STEP_API_VERSION` and `compile(config) -> step`.
"""

import json
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from headgate_gateway.config.executors import Plugin
from headgate_gateway.pipeline.executors.bounds import MAX_EVENTS, too_many_events
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.steps import DROP, STEP_API_VERSION, Answer, Event, Reject, Step

GROUP = "headgate.executors"

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Event).decode


def compile_plugin(config: Plugin, context: ExecutorContext) -> Step:
    """Raises ValueError when the plugin is not installed, is of another API version, or does not like its config."""
    compile_step = _load(config.name)
    told: Any = dict(config.config or {}) if config.config_json is None else json.loads(config.config_json)
    try:
        step = compile_step(told)
    except Exception as error:  # code of others: one repo must not hold back the rest
        raise ValueError(f"plugin {config.name!r} refuses its config: {_told(error)}") from error
    if not callable(step):
        raise ValueError(f"plugin {config.name!r} compiled to {type(step).__name__}, which is no step")
    name = config.name
    return lambda event: _as_json(name, step(event))


@lru_cache(maxsize=8)
def _installed(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """The plugins on an import path, by name. Reading the metadata of all packages takes milliseconds."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _load(name: str) -> Callable[[dict[str, Any]], Any]:
    installed = _installed(tuple(sys.path))
    if name not in installed:
        known = ", ".join(sorted(installed)) or "none"
        raise ValueError(f"no plugin {name!r} is installed in this image (installed: {known})")
    try:
        plugin = installed[name].load()
    except Exception as error:  # code of others: one repo must not hold back the rest
        raise ValueError(f"plugin {name!r} cannot be loaded: {_told(error)}") from error
    version = getattr(plugin, "STEP_API_VERSION", None)
    if version != STEP_API_VERSION:
        raise ValueError(f"plugin {name!r} is written for step API {version}, and this gateway has {STEP_API_VERSION}")
    compile_step = getattr(plugin, "compile", None)
    if not callable(compile_step):
        raise ValueError(f"plugin {name!r} has no function `compile`")
    return compile_step  # type: ignore[no-any-return]


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _as_json(name: str, answer: Any) -> Answer:
    if answer is DROP or isinstance(answer, Reject):
        return answer
    if isinstance(answer, dict):
        return _decode(_encode(answer))
    if not isinstance(answer, list) or not all(isinstance(each, dict) for each in answer):
        return Reject(f"plugin {name!r} returned what is no event")
    if len(answer) > MAX_EVENTS:
        return Reject(too_many_events(len(answer)))
    return [_decode(_encode(each)) for each in answer] or DROP
