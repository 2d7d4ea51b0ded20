"""Reads results of the pipeline as tests like them."""

from headgate_gateway.pipeline.result import Processed


def refused(result: Processed) -> list[int]:
    """Numbers of the refused lines, as far as they are named."""
    return [number for first, last in result.refused.ranges for number in range(first, last + 1)]
