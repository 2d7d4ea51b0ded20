"""The one memory budget: bytes received, decoded and batched, reserved before they are taken. Plain counting."""


class Budget:
    """A number of bytes that requests share."""

    __slots__ = ("limit", "reserved")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.reserved = 0

    def reserve(self, nbytes: int) -> bool:
        """Take bytes, all or none."""
        if self.reserved + nbytes > self.limit:
            return False
        self.reserved += nbytes
        return True

    def release(self, nbytes: int) -> None:
        """Give bytes back."""
        self.reserved -= nbytes
