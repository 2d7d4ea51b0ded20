"""What reshapes events, one step a file, compiled once per repo into one chain.

Pure, but for plugins, whose code is their authors'. `compile_executors` is all that the pipeline needs of it.
"""

from headgate_gateway.pipeline.executors.chain import Chain, Outcome, Refusal, StepFailedError, compile_executors
from headgate_gateway.pipeline.executors.context import ExecutorContext

__all__ = ["Chain", "ExecutorContext", "Outcome", "Refusal", "StepFailedError", "compile_executors"]
