"""Has passwords checked off the event loop, few at a time, and remembers for a while which were right.

Whoever guesses can keep no more than one thread busy, and that one steps back for the event loop. What waits is
bounded, by repo too, so that guesses at one repo hold up the new users of others only for moments.
"""

import logging
import os
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from headgate_gateway.http.auth import PasswordClaim
from headgate_gateway.http.workers import Workers

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("headgate.gateway.auth")

REMEMBERED: Final = 10_000
"""Right passwords, and as many wrong ones."""
RIGHT_SECONDS: Final = 300.0
WRONG_SECONDS: Final = 10.0
"""A client that was set up wrongly asks again and again; nobody guesses the same twice."""
WAITING_OF_REPO: Final = 32
WAITING: Final = 64
"""Checks under way: at some 50 ms each, the last waits for three seconds."""

Fingerprint = tuple[str, bytes]
"""The hash of an entry, and a keyed hash of the password: this memory is no use to whoever reads it."""


class _Remembered:
    """Fingerprints, each for some seconds from when it was noted."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[Fingerprint, float] = {}
        """In order of time."""

    def note(self, fingerprint: Fingerprint, now: float) -> None:
        self._until.pop(fingerprint, None)
        if len(self._until) >= REMEMBERED:
            del self._until[next(iter(self._until))]
        self._until[fingerprint] = now + self._seconds

    def holds(self, fingerprint: Fingerprint, now: float) -> bool:
        return self._until.get(fingerprint, 0.0) > now


class Check:
    """One password being checked, for all requests that present it."""

    __slots__ = ("_listeners", "is_right")

    def __init__(self) -> None:
        self.is_right: bool | None = None
        """None: not known yet."""
        self._listeners: list[Callable[[bool], None]] = []

    def tell(self, listener: Callable[[bool], None]) -> None:
        """Call with the verdict, now or once it is known."""
        if self.is_right is None:
            self._listeners.append(listener)
        else:
            listener(self.is_right)

    def settle(self, is_right: bool) -> None:
        """The verdict."""
        self.is_right = is_right
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener(is_right)


class Passwords:
    """All of a gateway."""

    def __init__(
        self, clock: Callable[[], float], check: Callable[[PasswordClaim], bool] = PasswordClaim.holds
    ) -> None:
        self._clock = clock
        self._check = check
        self._secret = os.urandom(32)
        self._right = _Remembered(RIGHT_SECONDS)
        self._wrong = _Remembered(WRONG_SECONDS)
        self._under_way: dict[Fingerprint, Check] = {}
        self._of_repo: dict[str, int] = {}
        self._workers = Workers(1, nice=True)

    def judge(self, claim: PasswordClaim, repo: str) -> bool | Check | None:
        """Whether a password is right, as far as that is known; None: too many are being checked already."""
        fingerprint = claim.entry.key, self._digest(claim)
        now = self._clock()
        if self._right.holds(fingerprint, now):
            return True
        if self._wrong.holds(fingerprint, now):
            return False
        check = self._under_way.get(fingerprint)
        if check is None and len(self._under_way) < WAITING and self._of_repo.get(repo, 0) < WAITING_OF_REPO:
            check = self._begin(claim, fingerprint, repo)
        return check

    def _digest(self, claim: PasswordClaim) -> bytes:
        # A user's name too: two unknown ones are compared with the same entry, of nobody.
        digest = blake2b(claim.user.encode(), key=self._secret, digest_size=16)
        digest.update(b"\0" + claim.password)
        return digest.digest()

    def _begin(self, claim: PasswordClaim, fingerprint: Fingerprint, repo: str) -> Check:
        check = self._under_way[fingerprint] = Check()
        self._of_repo[repo] = self._of_repo.get(repo, 0) + 1
        on_done = partial(self._settle, check, fingerprint, repo)
        self._workers.take_turn(lambda: self._workers.run(partial(self._check, claim), on_done))
        return check

    def _settle(self, check: Check, fingerprint: Fingerprint, repo: str, done: "asyncio.Future[bool]") -> None:
        self._workers.end_turn()
        del self._under_way[fingerprint]
        self._of_repo[repo] -= 1
        if not self._of_repo[repo]:
            del self._of_repo[repo]
        failure = done.exception()
        if failure is not None:
            # No verdict, for want of memory say: nobody is let in, and nothing is remembered.
            log.error("a password could not be checked", exc_info=failure, extra={"repo": repo})
            check.settle(False)
            return
        is_right = done.result()
        (self._right if is_right else self._wrong).note(fingerprint, self._clock())
        check.settle(is_right)
