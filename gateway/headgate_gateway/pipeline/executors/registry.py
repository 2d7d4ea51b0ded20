"""Which function compiles which executor: the words of config.executors.STEP_NAMES."""

from collections.abc import Callable
from typing import Any

from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.fields import compile_remove, compile_rename, compile_set
from headgate_gateway.pipeline.steps import Step

COMPILERS: dict[str, Callable[[Any, ExecutorContext], Step]] = {
    "set": compile_set,
    "rename": compile_rename,
    "remove": compile_remove,
}
"""By word; each takes the executor's own type."""
