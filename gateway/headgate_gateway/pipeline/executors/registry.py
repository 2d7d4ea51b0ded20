"""Which function compiles which executor: the words of config.executors.STEP_NAMES."""

from collections.abc import Callable
from typing import Any

from headgate_gateway.pipeline.executors.cast import compile_cast
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.cutting import compile_assigner, compile_splitter
from headgate_gateway.pipeline.executors.decoder import compile_decoder
from headgate_gateway.pipeline.executors.explode import compile_explode
from headgate_gateway.pipeline.executors.fields import compile_remove, compile_rename, compile_set
from headgate_gateway.pipeline.executors.filter import compile_filter
from headgate_gateway.pipeline.executors.mask import compile_mask
from headgate_gateway.pipeline.executors.plugin import compile_plugin
from headgate_gateway.pipeline.executors.sample import compile_sample
from headgate_gateway.pipeline.executors.timestamp import compile_timestamp
from headgate_gateway.pipeline.steps import Step

COMPILERS: dict[str, Callable[[Any, ExecutorContext], Step]] = {
    "decoder": compile_decoder,
    "splitter": compile_splitter,
    "assigner": compile_assigner,
    "set": compile_set,
    "rename": compile_rename,
    "remove": compile_remove,
    "cast": compile_cast,
    "timestamp": compile_timestamp,
    "mask": compile_mask,
    "explode": compile_explode,
    "sample": compile_sample,
    "filter": compile_filter,
    "plugin": compile_plugin,
}
"""By word; each takes the executor's own type."""
