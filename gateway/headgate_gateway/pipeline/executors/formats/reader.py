"""What a format's reader is. Holds a type, decides nothing."""

from collections.abc import Callable

from headgate_gateway.pipeline.steps import Event

ReadText = Callable[[str], Event | str]
"""Takes a text, returns its fields, or says what is wrong with it, without citing it."""
