"""Whole numbers as record batches have them: zigzag, seven bits a byte, the lowest first. Pure; `batch` writes by it."""

from typing import Final

FEW: Final = 2**13


def varint(number: int) -> bytes:
    """A number of at most 64 bits, with its sign."""
    return VARINTS[number] if 0 <= number < FEW else _encode(number)


def _encode(number: int) -> bytes:
    left = number * 2 if number >= 0 else -number * 2 - 1
    octets = []
    while left > 127:
        octets.append(left & 127 | 128)
        left >>= 7
    octets.append(left)
    return bytes(octets)


VARINTS: Final[list[bytes]] = [_encode(number) for number in range(FEW)]
"""Of the numbers that take one byte or two: most lengths and offsets, looked up for each record."""
