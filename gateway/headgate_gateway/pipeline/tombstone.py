"""The value of a record that has none. A module of its own, since mypyc compiles no class that extends `bytes`."""

from typing import Final


class NoValue(bytes):
    """The type of NO_VALUE."""

    __slots__ = ()


NO_VALUE: Final = NoValue()
"""Stands for a record without a value, Kafka's tombstone, which is not one with an empty value. Known by identity."""
