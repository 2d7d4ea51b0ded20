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

from headgate_gateway.http.auth import Admitted, Authenticator, Denied, Encoded, PasswordClaim
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

Fingerprint = bytes
"""A keyed hash of a user's name and password as they are sent: this memory is no use to whoever reads it."""


class _Remembered:
    """Claims by fingerprint, each for some seconds from when it was noted."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._noted: dict[Fingerprint, tuple[float, bytes, str, Admitted]] = {}
        """Until when, the user, the hash that the password was compared with; in order of time."""

    def note(self, fingerprint: Fingerprint, claim: PasswordClaim, now: float) -> None:
        self._noted.pop(fingerprint, None)
        if len(self._noted) >= REMEMBERED:
            del self._noted[next(iter(self._noted))]
        who = Admitted(claim.user.decode("utf-8", "replace"))
        self._noted[fingerprint] = now + self._seconds, claim.user, claim.entry.key, who

    def find(self, fingerprint: Fingerprint, now: float) -> tuple[float, bytes, str, Admitted] | None:
        noted = self._noted.get(fingerprint)
        return noted if noted is not None and noted[0] > now else None


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
        self._under_way: dict[tuple[Fingerprint, str], Check] = {}
        self._of_repo: dict[str, int] = {}
        self._workers = Workers(1, nice=True)

    def judge(self, auth: Authenticator, encoded: Encoded, repo: str) -> Admitted | Denied | Check | None:
        """Whether a password is right, as far as that is known; None: too many are being checked already."""
        fingerprint = blake2b(encoded, key=self._secret, digest_size=16).digest()
        now = self._clock()
        right = self._right.find(fingerprint, now)
        if right is not None and auth.is_current(right[1], right[2]):
            return right[3]
        claim = auth.claim(encoded)
        if claim is None:
            return Denied.NOT_VALID
        wrong = self._wrong.find(fingerprint, now)
        if wrong is not None and wrong[2] == claim.entry.key:
            return Denied.NOT_VALID
        check = self._under_way.get((fingerprint, claim.entry.key))
        if check is None and len(self._under_way) < WAITING and self._of_repo.get(repo, 0) < WAITING_OF_REPO:
            check = self._begin(claim, fingerprint, repo)
        return check

    def _begin(self, claim: PasswordClaim, fingerprint: Fingerprint, repo: str) -> Check:
        check = self._under_way[fingerprint, claim.entry.key] = Check()
        self._of_repo[repo] = self._of_repo.get(repo, 0) + 1
        on_done = partial(self._settle, check, claim, fingerprint, repo)
        self._workers.take_turn(lambda: self._workers.run(partial(self._check, claim), on_done))
        return check

    def _settle(
        self, check: Check, claim: PasswordClaim, fingerprint: Fingerprint, repo: str, done: "asyncio.Future[bool]"
    ) -> None:
        self._workers.end_turn()
        del self._under_way[fingerprint, claim.entry.key]
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
        (self._right if is_right else self._wrong).note(fingerprint, claim, self._clock())
        check.settle(is_right)
