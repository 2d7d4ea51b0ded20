"""Reads results of the pipeline as tests like them."""

from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.result import Processed


def refused(result: Processed) -> list[int]:
    """Numbers of the refused lines, as far as they are named."""
    return [number for first, last in result.refused.ranges for number in range(first, last + 1)]


def only(result: Processed) -> Records:
    """The records of a body that all go to one topic."""
    (records,) = result.records
    return records


def sent(result: Processed) -> list[int]:
    """Numbers of the lines that records were made from, in order."""
    return sorted(line for records in result.records for line in records.lines)
