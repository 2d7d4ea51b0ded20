"""What the steps after the constraint have in common: an error names the line by its index among those at hand."""

from headgate_gateway.pipeline.result import LineReason

StepError = tuple[int, LineReason, str]
"""Index of the line in the step's input, reason, message."""
